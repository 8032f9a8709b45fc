"""Modules in virtual readers for as long as a command runs: with the daemon that runs, or one of the stand's own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from securitymodule.card.module import SoftwareModule
from securitymodule.client import SecurityModule
from securitymodule.coding import FileId
from securitymodule.errors import ModuleBusy, ModuleRemoved, NoModule, ReaderUnavailable
from securitymodule.statements import InitialisationFile
from smgw import pcsc_daemon
from smgw.pcsc import PcscStand
from smgw.pcsc_daemon import PrivateDaemon
from tests.smgw.pcsc_world import INTEGRATOR_PIN, PIN
from tests.support.cards import PlainCard
from tests.support.pcsc import PcscDaemon

pytestmark = pytest.mark.pcsc
ROOT = Path(__file__).resolve().parents[2]
TURN = ["SM-a in pcsc:Virtual reader 00 00 private", "SM-b in pcsc:Virtual reader 00 01 private"]


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    for name in "abc":
        SoftwareModule.create(tmp_path / name, InitialisationFile(f"SM-{name}", PIN, INTEGRATOR_PIN)).close()
    return tmp_path


def scene(name: str, directory: Path, *more: str, path: str | None = None) -> list[str]:
    """What a scene prints, in a world of its own."""
    as_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    unshare = shutil.which("unshare")
    assert unshare is not None
    command = [unshare, *as_user, "--net", "--mount", "--", sys.executable, "-m", "tests.smgw.pcsc_world"]
    environment = {key: value for key, value in os.environ.items() if key != pcsc_daemon.SOCKET_VARIABLE}
    if path is not None:
        environment["PATH"] = path
    done = subprocess.run(
        [*command, name, str(directory), *more],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_a_daemon_that_runs_is_used_and_stays(modules: Path) -> None:
    turn = ["SM-a in pcsc:Virtual PCD 00 00 system's", "SM-b in pcsc:Virtual PCD 00 01 system's"]
    assert scene("running", modules) == [*turn, *turn, "still running True"]


def test_one_is_started_where_its_readers_are_taken(modules: Path) -> None:
    assert scene("taken", modules) == [*TURN, "apart True", *TURN, "apart True", "left True", "still running True"]


def test_one_is_started_without_namespaces(modules: Path) -> None:
    """As in a container whose root may not make any: ``unshare`` is not to be found."""
    tools = modules / "tools"
    tools.mkdir()
    for name in ("setpriv", "mount"):
        found = shutil.which(name)
        assert found is not None
        (tools / name).symlink_to(found)
    told = scene("private", modules, "world", path=str(tools))
    assert told == [*TURN, "apart False", *TURN, "apart False", "left False"]


def test_a_process_knows_one_daemon(modules: Path, pcsc_daemon: PcscDaemon) -> None:
    with pytest.raises(ReaderUnavailable, match="a process has one PC/SC daemon at a time"):
        PrivateDaemon()
    assert scene("settled", modules)[-1].startswith("ReaderUnavailable this process has used the PC/SC daemon at /run/")


def test_modules_come_and_go(pcsc_daemon: PcscDaemon, modules: Path) -> None:
    with PcscStand(pcsc_daemon) as stand:
        urls = []
        for name in "ab":
            with stand.holding(f"module:{modules / name}") as url:
                module = SecurityModule.open(url, lambda: PIN)
                assert module.information().serial == f"SM-{name}"
                urls.append(url)
                with pytest.raises(ModuleBusy, match="in pcsc:Virtual reader 00 00 already"):
                    stand.insert(f"module:{modules / name}")
            with pytest.raises(ModuleRemoved):
                module.read_file(FileId.EF_SERIAL)
            module.close()
        with pytest.raises(NoModule):
            SecurityModule.open(url)
    assert urls == [pcsc_daemon.url(0)] * 2


def test_a_reader_that_somebody_else_uses_is_passed_over(pcsc_daemon: PcscDaemon, modules: Path) -> None:
    with (
        pcsc_daemon.holding(PlainCard(), 0),
        PcscStand(pcsc_daemon) as stand,
        stand.holding(f"module:{modules / 'a'}") as url,
        SecurityModule.open(url) as module,
    ):
        assert url != pcsc_daemon.url(0)
        assert module.information().serial == "SM-a"


def test_what_is_no_module_is_not_inserted(pcsc_daemon: PcscDaemon, modules: Path) -> None:
    with PcscStand(pcsc_daemon) as stand:
        for url, error, words in (
            (f"module:{modules / 'none'}", NoModule, "there is no security module"),
            ("pcsc:Another reader", ReaderUnavailable, "is no software module"),
            ("somewhere", ReaderUnavailable, "names no module"),
        ):
            with pytest.raises(error, match=words):
                stand.insert(url)
        with SoftwareModule.open(modules / "a"), pytest.raises(ModuleBusy, match="in use by process"):
            stand.insert(f"module:{modules / 'a'}")
        with pytest.raises(ReaderUnavailable, match="no module was put in there"):
            stand.pull(pcsc_daemon.url(0))
    with PcscStand(pcsc_daemon) as again:
        left = again.insert(f"module:{modules / 'a'}")
    with pytest.raises(NoModule):
        SecurityModule.open(left)
    with pytest.raises(ReaderUnavailable, match="no virtual reader is free: there is none"):
        stand.insert(f"module:{modules / 'a'}")


def test_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pcsc_daemon, "DAEMON", tmp_path / "pcscd")
    with pytest.raises(ReaderUnavailable, match=r"pcscd\): `sh tools/setup.sh pcsc` installs it"):
        PrivateDaemon()
    assert pcsc_daemon.INSTRUCTION.endswith("apt-get install pcscd vsmartcard-vpcd")
    monkeypatch.setitem(sys.modules, "smartcard", None)
    with pytest.raises(ReaderUnavailable, match=r"pyscard, which is not installed.*tools/setup\.sh pcsc"):
        PcscStand().__enter__()


@pytest.mark.crash
def test_nothing_is_left_when_the_command_is_killed(modules: Path) -> None:
    script = (
        "import signal, sys\n"
        "from smgw.pcsc import PcscStand\n"
        "with PcscStand() as stand:\n"
        "    stand.insert(f'module:{sys.argv[1]}/a')\n"
        "    print(stand.daemon.directory, flush=True)\n"
        "    signal.pause()\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != pcsc_daemon.SOCKET_VARIABLE}
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(modules)], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    directory = Path(process.stdout.readline().strip())
    started = _below(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in started) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(started) == 3  # the helper, its daemon, the module
    assert [pid for pid in started if Path(f"/proc/{pid}").exists()] == []
    assert not directory.exists()
    SoftwareModule.open(modules / "a").close()


def _below(pid: int) -> list[int]:
    """All processes that this one started, and they."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [further for child in children for further in _below(child)]
