"""A real PostgreSQL server for the tests, started from the machine's own binaries and gone when they end.

It listens on a Unix socket in a folder of its own, so it needs no port, meets no other server, and is reachable by
nobody but this user. Durability is under test, therefore ``fsync`` and everything like it stays as an operator has it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

INSTRUCTION = (
    "no PostgreSQL server binaries (initdb, postgres) on PATH or under /usr/lib/postgresql/*/bin. "
    "`make debian` installs them; by hand on Debian: apt-get install postgresql"
)
USER = "smgw"
START_LIMIT = 60.0
STOP_LIMIT = 20.0


def find_binaries() -> Path | None:
    """The folder with ``initdb`` and ``postgres``: on PATH, else the newest release Debian has laid down."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    releases = [
        folder
        for folder in Path("/usr/lib/postgresql").glob("*/bin")
        if (folder / "initdb").exists() and (folder / "postgres").exists()
    ]
    return max(releases, key=lambda folder: float(folder.parent.name), default=None)


def _unprivileged() -> pwd.struct_passwd | None:
    """Whom to become: PostgreSQL refuses to run as root. ``None`` where this user will do."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


class PostgresServer:
    """One server with its own data; :meth:`start` it, take databases from it, :meth:`stop` it."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._account = _unprivileged()
        # Directly in /tmp: the account above must be able to walk there, and a socket's path may have 107 bytes only.
        self.directory = Path(tempfile.mkdtemp(prefix="smgw-postgresql-", dir="/tmp"))
        self._data = self.directory / "data"
        self._log = self.directory / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def _as_account(self, *options: str) -> list[str]:
        """The prefix that runs a command as an account that PostgreSQL accepts."""
        identity = (
            []
            if self._account is None
            else [f"--reuid={self._account.pw_uid}", f"--regid={self._account.pw_gid}", "--clear-groups"]
        )
        return ["setpriv", *identity, *options, "--"] if identity or options else []

    def initialise(self) -> None:
        """Lay down an empty cluster."""
        if self._account is not None:
            os.chown(self.directory, self._account.pw_uid, self._account.pw_gid)
        initdb = [
            *self._as_account(),
            str(self._binaries / "initdb"),
            f"--pgdata={self._data}",
            f"--username={USER}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-instructions",
            "--no-sync",  # the empty cluster alone: it can be laid down again
        ]
        done = subprocess.run(initdb, cwd=self.directory, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"initdb failed ({done.returncode}):\n{done.stdout}{done.stderr}")

    def start(self) -> None:
        """Start the server and return when it answers."""
        command = [
            # Should this process be killed, the kernel asks the server to shut down: no test run leaves one behind.
            *self._as_account("--pdeathsig=INT"),
            str(self._binaries / "postgres"),
            f"-D{self._data}",
            "-clisten_addresses=",
            f"-cunix_socket_directories={self.directory}",
            "-cunix_socket_permissions=0700",
        ]
        with self._log.open("ab") as log:
            # A session of its own, so that Ctrl-C reaches the tests first and they can still close what they opened.
            self._process = subprocess.Popen(
                command,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_LIMIT
        while True:
            try:
                psycopg.connect(self.dsn("postgres"), connect_timeout=5).close()
            except psycopg.OperationalError as error:
                if self._process.poll() is not None:
                    raise RuntimeError(f"PostgreSQL ended at its start:\n{self.log_tail()}") from error
                if time.monotonic() > deadline:
                    raise RuntimeError(
                        f"PostgreSQL did not answer within {START_LIMIT:.0f} s ({error}):\n{self.log_tail()}"
                    ) from error
                time.sleep(0.02)
            else:
                return

    def halt(self, how: signal.Signals = signal.SIGINT) -> None:
        """Shut the server down, its data kept: SIGINT in order, SIGQUIT at once and recovering at the next start."""
        process, self._process = self._process, None
        if process is None:
            return
        for attempt in (how, signal.SIGQUIT, signal.SIGKILL):
            process.send_signal(attempt)
            try:
                process.wait(STOP_LIMIT)
            except subprocess.TimeoutExpired:
                continue
            return

    def stop(self) -> None:
        """Shut the server down and remove everything it wrote."""
        try:
            self.halt()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def log_tail(self, lines: int = 30) -> str:
        """The end of the server's log, for a message about what went wrong."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:]) if self._log.exists() else ""

    def dsn(self, database: str) -> str:
        """How libpq and psycopg reach a database of this server."""
        return f"host={self.directory} user={USER} dbname={database}"

    def url(self, database: str) -> str:
        """How SQLAlchemy reaches a database of this server."""
        return f"postgresql+psycopg://{USER}@/{database}?host={self.directory}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement outside any transaction and give its rows."""
        with psycopg.connect(self.dsn(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description is not None else []

    @contextmanager
    def database(self) -> Iterator[str]:
        """A fresh, empty database; its name. It is dropped afterwards, whoever still holds a connection."""
        name = f"test_{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name}")
        try:
            yield name
        finally:
            if self._process is not None:
                self.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """A server that answers; stopped and removed whatever happens meanwhile."""
    binaries = find_binaries()
    if binaries is None:
        pytest.fail(INSTRUCTION, pytrace=False)
    server = PostgresServer(binaries)
    try:
        server.initialise()
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresServer]:
    """The server of this test process, started when the first test asks for it."""
    with running_server() as server:
        yield server


@pytest.fixture
def postgresql_url(postgresql_server: PostgresServer) -> Iterator[str]:
    """SQLAlchemy's URL of a fresh database in a real PostgreSQL."""
    with postgresql_server.database() as name:
        yield postgresql_server.url(name)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLAlchemy's URL of a fresh database, once for each backend."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'smgw.db'}"
    return str(request.getfixturevalue("postgresql_url"))
