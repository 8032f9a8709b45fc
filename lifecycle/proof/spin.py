"""A second opinion by Spin: the generated Promela model, compiled and searched, one run a claim."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from lifecycle.law import LAW, Law
from lifecycle.proof.opinions import Opinion, Progress, ToolMissing, Verdict, failed, run
from lifecycle.render.promela import REACH_PREFIX, claim_names, promela

_MODEL = "lifecycle.pml"
_STORED = re.compile(r"^\s*(\d+) states, stored", re.MULTILINE)
_ERRORS = re.compile(r"errors: (\d+)")


def programs() -> tuple[str, str]:
    """Where Spin and the C compiler that it needs are.

    :raises ToolMissing: if ``spin`` or ``cc`` is not on the path.
    """
    return _needed("spin", "the Debian package spin"), _needed("cc", "the Debian packages gcc and libc6-dev")


def ask_spin(progress: Progress, law: Law = LAW) -> Opinion:
    """Spin's verdict on P1 to P5.

    :raises ToolMissing: if ``spin`` or ``cc`` is not on the path.
    :raises ToolFailed: if one of them gives no verdict.
    """
    spin, compiler = programs()
    with TemporaryDirectory(prefix="smgw-spin-") as name:
        directory = Path(name)
        (directory / _MODEL).write_text(promela(law), encoding="utf-8")
        progress("Spin: generating the search")
        generate = [spin, "-a", _MODEL]
        generated = run(generate, directory)
        if not (directory / "pan.c").exists() or "syntax error" in generated:
            raise failed(generate, generated)
        progress("Spin: compiling the search")
        compiling = [compiler, "-O0", "-w", "-o", "pan", "pan.c"]
        compiled = run(compiling, directory)
        if not (directory / "pan").exists():
            raise failed(compiling, compiled)
        verdicts = []
        for identifier, claims in claim_names(law).items():
            progress(f"Spin: searching {identifier}")
            searched = {claim: _search(directory, claim) for claim in claims}
            broken = tuple(claim for claim, (holds, _) in searched.items() if not holds)
            states = max(states for _, states in searched.values())
            verdicts.append(Verdict(identifier, not broken, states, claims, broken))
        version = run([spin, "-V"], directory).split(" -- ")[0].removeprefix("Spin Version").strip()
    return Opinion(f"Spin {version}", tuple(verdicts))


def _needed(program: str, package: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise ToolMissing(f"Spin's opinion needs {program}, which is not on the path; install {package}")
    return found


def _search(directory: Path, claim: str) -> tuple[bool, int]:
    """Whether a claim is as it must be (refuted where it says "never reached"), and the states explored."""
    command = ["./pan", "-a", "-w20", "-N", claim]
    output = run(command, directory)
    errors, stored = _ERRORS.search(output), _STORED.search(output)
    refuted = errors is not None and errors[1] != "0"
    if errors is None or stored is None or (not refuted and "not completed" in output) or "too small" in output:
        raise failed(command, output)
    return refuted is claim.startswith(REACH_PREFIX), int(stored[1])
