"""Write what docs/teaching.md takes from the labs' texts: the agendas, and what goes wrong where.

``--check`` writes nothing and fails where the page is not that of the texts.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from sandbox.labs import Lesson
from sandbox.labs.lesson import Wrong, all_lessons

PAGE = Path(__file__).resolve().parent.parent / "docs" / "teaching.md"
BEGINS = 9 * 60
"""When an agenda begins, in minutes of the day."""
PAUSES = {"opening demo": 10, "talk": 10, "break": 15, "lunch": 60, "closing questions": 15}
HALF = "opening demo; 01 03 05; talk; break; 06 08 10 11; talk; break; 12 19; closing questions"
WHOLE = (
    "opening demo; 01 02 03 04 05; talk; break; 06 07 08 09; talk; lunch; 10 11 12 13; talk; "
    "break; 14 15 16 17 18; talk; break; 19 20; closing questions"
)
LONGEST = {"half": 4 * 60, "whole": 8 * 60}


def steps(agenda: str, labs: Mapping[str, Lesson]) -> Iterator[tuple[int, str]]:
    """Yield each step of an agenda: its minutes, and what it is; a lab that is not there is none.

    >>> list(steps("talk; break", {}))
    [(10, 'talk'), (15, 'break')]
    """
    for part in agenda.split("; "):
        if part in PAUSES:
            yield PAUSES[part], part
            continue
        for number in part.split():
            if number in labs:
                yield labs[number].lab.minutes, f"lab {number}: {labs[number].lab.title}"


def agenda_table(agenda: str, labs: Mapping[str, Lesson]) -> str:
    """Return an agenda as a table, with the time of day at which each step begins."""
    rows, now = ["| at | minutes | |", "|---|---|---|"], BEGINS
    for minutes, what in steps(agenda, labs):
        rows.append(f"| {now // 60:02}:{now % 60:02} | {minutes} | {what} |")
        now += minutes
    return "\n".join([*rows, f"| {now // 60:02}:{now % 60:02} | | end |"])


def trouble_table(labs: Mapping[str, Lesson]) -> str:
    """Return of each lab what most people guess wrongly, and what to say to each wrong answer."""
    rows = ["| lab | minutes | what surprises | who answers | is told |", "|---|---|---|---|---|"]
    for number, one in labs.items():
        for i, wrong in enumerate(one.wrong):
            head = (
                [f"{number} {one.lab.title}", str(one.lab.minutes), one.lab.surprise]
                if i == 0
                else ["", "", ""]
            )
            rows.append(
                f"| {' | '.join(map(_cell, [*head, answered(one, wrong), told(one, wrong)]))} |"
            )
    return "\n".join(rows)


def answered(one: Lesson, wrong: Wrong) -> str:
    """Return a wrong answer in short: its lines that are not the solution's."""
    right = {line.strip() for line in one.exercises[wrong.exercise].body.splitlines()}
    own = [line.strip() for line in wrong.body.splitlines() if line.strip() not in right]
    return f"`{own[0]}`" if own else f"`{wrong.exercise}`, with a line left out"


def told(one: Lesson, wrong: Wrong) -> str:
    """Return the whole sentence that a wrong answer is told, or what the text says of it."""
    source = next(cell.body for cell in one.cells if cell.has("lab"))
    texts = [
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return next((text for text in texts if wrong.says in text), f"… {wrong.says} …")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def page(text: str, labs: Mapping[str, Lesson]) -> str:
    """Return docs/teaching.md with what is taken from the labs; ValueError without its marks."""
    parts = {
        "half": agenda_table(HALF, labs),
        "whole": agenda_table(WHOLE, labs),
        "trouble": trouble_table(labs),
    }
    for name, table in parts.items():
        begin, end = f"<!-- {name}: written from the labs -->", f"<!-- /{name} -->"
        before, found, rest = text.partition(begin)
        _, found_end, after = rest.partition(end)
        if not (found and found_end):
            raise ValueError(f"the page lacks the marks {begin} and {end}")
        text = f"{before}{begin}\n\n{table}\n\n{end}{after}"
    return text


def main(arguments: list[str] | None = None) -> int:
    """Write or check the page; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    asked = parser.parse_args(arguments)
    old = PAGE.read_text(encoding="utf-8")
    new = page(old, all_lessons())
    if asked.check:
        return int(old != new)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
