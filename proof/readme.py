"""Tables that programs write into the README, each between two marks of its own."""

from __future__ import annotations

from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def write_into(page: Path, name: str, target: str, table: str) -> None:
    """Replace the table ``name``, which ``make target`` writes; ValueError without its marks."""
    begin, end = f"<!-- {name}: written by make {target} -->", f"<!-- /{name} -->"
    before, found_begin, rest = page.read_text(encoding="utf-8").partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(f"{page} lacks the marks {begin} and {end}")
    page.write_text(f"{before}{begin}\n\n{table}\n\n{end}{after}", encoding="utf-8")
