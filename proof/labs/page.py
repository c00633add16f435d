"""What is told of a proof of all labs: a line each lab, the sums, and docs/labs.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from proof.labs.budget import Cells
from proof.labs.one import Report
from proof.labs.verified import Verified
from sandbox.labs import Lesson

PAGE = Path(__file__).parents[2] / "docs" / "labs.md"
MOST_MACHINE_MIN = 12.0
MOST_MIN = 30.0
_INTRO = """# The labs, proved

Written by `make labs`, which builds every lab twice, runs its solution on real workers under nbval
with each broker, leaves its exercise as it is and answers it wrongly. *Seconds*: of all cells of
the solution, run once. *Verified*: code cells whose output is compared again.
"""


def table(
    lessons: Mapping[str, Lesson],
    reports: Mapping[str, Report],
    verified: Mapping[str, Mapping[str, Verified]],
    cells: Mapping[str, Cells],
) -> str:
    """Return a line each lab: its person's minutes, machine's seconds a broker, what is proved."""
    brokers = list(verified)
    head = ["lab", "minutes", *(f"s on {broker}" for broker in brokers), "slowest cell",
            "verified", "checks", "wrong answers", "proved"]  # fmt: skip
    rows = [head, ["---"] * len(head)]
    for number, one in lessons.items():
        seconds = [f"{verified[broker][one.name].seconds:.0f}" for broker in brokers]
        own = cells[one.name]
        is_green = not reports[number].problems and not any(
            verified[broker][one.name].problems for broker in brokers
        )
        rows.append(
            [f"{number} {one.lab.title}", str(one.lab.minutes), *seconds,
             f"{reports[number].slowest_s:.0f} s", f"{own.n - len(own.unverified)} of {own.n}",
             str(len(one.checks)), str(len(one.wrong)), "yes" if is_green else "no"]
        )  # fmt: skip
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def sums(
    lessons: Mapping[str, Lesson], verified: Mapping[str, Mapping[str, Verified]], all_cells: Cells
) -> str:
    """Return what the labs take all together, and how much of them nothing compares."""
    minutes = sum(one.lab.minutes for one in lessons.values())
    machine = ", ".join(
        f"{machine_min(found):.1f} minutes on {broker}" for broker, found in verified.items()
    )
    return (
        f"{len(lessons)} labs, {minutes} minutes of a person's time. All of them once take "
        f"{machine} of machine time (allowed: {MOST_MACHINE_MIN:g}). Of {all_cells.n} code cells "
        f"of solutions and notebooks {len(all_cells.unverified)} ({all_cells.share:.1%}) are not "
        "verified (allowed: 10 %)."
    )


def machine_min(found: Mapping[str, Verified]) -> float:
    """Return the machine's minutes of all labs on one broker."""
    return sum(one.seconds for one in found.values()) / 60


def too_long(verified: Mapping[str, Mapping[str, Verified]], took_s: float) -> list[str]:
    """Return a sentence for each time that is over what is allowed."""
    found = [
        f"all labs take {machine_min(one):.1f} minutes on {broker}; allowed: {MOST_MACHINE_MIN:g}"
        for broker, one in verified.items()
        if machine_min(one) > MOST_MACHINE_MIN
    ]
    if took_s > MOST_MIN * 60:
        found.append(f"it took {took_s / 60:.1f} minutes; allowed: {MOST_MIN:g}")
    return found


def text(lines: str, summed: str, cells: Cells) -> str:
    """Return docs/labs.md."""
    passed_over = "\n".join(f"- {one}" for one in cells.unverified) or "- none"
    return f"{_INTRO}\n{summed}\n\n{lines}\n\n## Cells that nothing verifies\n\n{passed_over}\n"
