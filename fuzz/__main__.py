"""``make fuzz``: feed every target, on all cores, and say in one line each what came of it.

``ARGS`` of ``make fuzz``: ``--count`` inputs of each target (100,000), ``--seed`` (1), ``--target`` NAME as often as
wanted, ``--only`` NUMBER to repeat one input, ``--file`` PATH to repeat one that was kept. Faults are written to
``reports/fuzz/`` and the figures to ``reports/fuzz.md``. Ends with 1 if there is a fault.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from fuzz.processes import quiet, run_target
from fuzz.report import line_of, page, write_fault
from fuzz.run import Figures, Share, build, fault_of
from fuzz.target import Target
from fuzz.targets import TARGETS

COUNT: Final = 100_000
REPORTS: Final = Path(__file__).resolve().parent.parent / "reports"


def main(arguments: Sequence[str] | None = None) -> int:
    """See the module. Returns what the process ends with."""
    parser = argparse.ArgumentParser(prog="make fuzz ARGS=...", description="Feed every interface that takes bytes.")
    parser.add_argument("--count", type=int, default=COUNT, help="inputs of each target (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other inputs (%(default)s)")
    parser.add_argument("--target", action="append", choices=TARGETS, help="only this one; may be said again")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="one input of one target")
    parser.add_argument("--file", type=Path, help="one input of one target, as it was kept")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (%(default)s)")
    asked = parser.parse_args(arguments)
    names = tuple(asked.target or TARGETS)
    if asked.count < 1 or asked.jobs < 1:
        parser.error("--count and --jobs begin at 1")
    if asked.only is not None or asked.file is not None:
        if len(names) != 1:
            parser.error("--only and --file take one --target")
        return _repeat(Share(names[0], asked.seed, asked.only or 0, 1), asked.file)
    return _run(names, asked.seed, asked.count, asked.jobs)


def _repeat(share: Share, file: Path | None) -> int:
    quiet()
    target: Target = TARGETS[share.target].make()
    try:
        data = build(target, share, share.first) if file is None else file.read_bytes()
        print(f"{share.target}: {len(data)} bytes {data[:200]!r}{'...' if len(data) > 200 else ''}")
        try:
            print(f"outcome: {target.check(data)}")
        except Exception as error:  # whatever it is, it is what this looks for
            print(fault_of(share, share.first, data, error).trace)
            return 1
    finally:
        target.close()
    return 0


def _run(names: Sequence[str], seed: int, count: int, jobs: int) -> int:
    begun = time.monotonic()
    total: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory(prefix="smgw-fuzz-") as folder:
        for name in names:
            total[name] = run_target(name, seed, count, jobs, Path(folder))
            print(line_of(name, total[name]), flush=True)
            for fault in total[name].faults.values():
                print(f"  fault: {fault.what}\n  {write_fault(REPORTS / 'fuzz', fault)}", flush=True)
    seconds = time.monotonic() - begun
    REPORTS.mkdir(exist_ok=True)
    (REPORTS / "fuzz.md").write_text(page(total, seed, seconds, datetime.now(UTC)), encoding="utf-8")
    faults = sum(len(figures.faults) for figures in total.values())
    print(f"{len(names)} targets in {seconds:.0f} s, {faults} kinds of faults; the report is reports/fuzz.md")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
