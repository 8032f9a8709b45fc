"""What is said of a run: a line a target, a page of figures, and a folder with the inputs that found something."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from fuzz.run import MOST_GROWTH, SLOWEST, Fault, Figures
from fuzz.target import ACCEPTED
from fuzz.targets import TARGETS

_MEBIBYTE: Final = 1024 * 1024
_COMMON: Final = 3
_LISTED: Final = 25


def line_of(name: str, figures: Figures) -> str:
    """One target in one line."""
    refused = figures.outcomes.total() - figures.accepted
    classes = sum(outcome != ACCEPTED for outcome in figures.outcomes)
    common = [
        f"{count:,} {reason}" for reason, count in figures.outcomes.most_common(_COMMON + 1) if reason != ACCEPTED
    ]
    return (
        f"{name}: {figures.inputs:,} inputs, {_rate(figures):,.0f}/s a core, {figures.accepted:,} accepted, "
        f"{refused:,} refused for {classes} classes of reasons ({'; '.join(common[:_COMMON])}), "
        f"slowest {figures.slowest * 1000:.0f} ms, {_memory(figures)}, {figures.faulty:,} faulty"
    )


def page(total: Mapping[str, Figures], seed: int, seconds: float, when: datetime) -> str:
    """All of them as a Markdown page."""
    faulty = sum(figures.faulty for figures in total.values())
    inputs = sum(figures.inputs for figures in total.values())
    lines = [
        "# Fuzzing",
        "",
        f"{when:%Y-%m-%d %H:%M} UTC · seed {seed} · {inputs:,} inputs in {seconds:.0f} s · {faulty:,} faulty",
        "",
        f"No input may take {SLOWEST:.0f} s, and no process may hold {MOST_GROWTH // _MEBIBYTE} MiB more at its end "
        "than after its first fifth.",
        "",
        "| Target | Inputs | A second and core | Accepted | Refused | Classes of reasons | Slowest | Memory | Faulty |",
        "|---|--:|--:|--:|--:|--:|--:|---|--:|",
    ]
    for name, figures in total.items():
        cells = (
            TARGETS[name].what,
            f"{figures.inputs:,}",
            f"{_rate(figures):,.0f}",
            f"{figures.accepted:,}",
            f"{figures.outcomes.total() - figures.accepted:,}",
            f"{sum(outcome != ACCEPTED for outcome in figures.outcomes)}",
            f"{figures.slowest * 1000:.0f} ms",
            _memory(figures),
            f"{figures.faulty:,}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    for name, figures in total.items():
        lines += ["", f"## {TARGETS[name].what}", ""]
        lines += [f"- {count:,} {reason}" for reason, count in figures.outcomes.most_common(_LISTED)]
        rest = figures.outcomes.most_common()[_LISTED:]
        if rest:
            lines.append(f"- {sum(count for _, count in rest):,} for {len(rest)} rarer reasons")
        lines += [f"- **fault** at {fault.number}: {fault.what}" for fault in figures.faults.values()]
    return "\n".join(lines) + "\n"


def write_fault(folder: Path, fault: Fault) -> Path:
    """Keep an input and how to repeat it; the path of the words about it."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{fault.target}-{fault.seed}-{fault.number}"
    kept, told = folder / f"{name}.bin", folder / f"{name}.txt"
    kept.write_bytes(fault.data)
    told.write_text(
        f"{fault.what}\n\n"
        f"make fuzz ARGS='--target {fault.target} --seed {fault.seed} --only {fault.number}'\n"
        f"make fuzz ARGS='--target {fault.target} --file reports/fuzz/{kept.name}'\n\n{fault.trace}",
        encoding="utf-8",
    )
    return told


def _rate(figures: Figures) -> float:
    return figures.inputs / figures.seconds if figures.seconds else 0.0


def _memory(figures: Figures) -> str:
    held = f"{figures.memory / _MEBIBYTE:.0f} MiB"
    return held if figures.grown is None else f"{held} ({figures.grown / _MEBIBYTE:+.1f} from a fifth on)"
