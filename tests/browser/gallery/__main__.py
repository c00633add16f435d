"""Write docs/gallery.md and the pictures in docs/gallery: ``python -m tests.browser.gallery``.

Names of scenes as arguments take only these, and leave the page and the other pictures alone.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.browser.gallery.camera import camera
from tests.browser.gallery.scenes import SCENES, Scene
from tests.browser.lab_harness import CHROMIUM

DOCS = Path(__file__).parents[3] / "docs"
_HEAD = """# Gallery

Every picture of LeadLawk's worker kill, written by `make gallery` in a headless Chromium: in
JupyterLab light and dark, some in a window of 600 px and on a projector of 1920 px. All but the
curves and the panel, which are of real workers, are runs of the model with the scenario's seed.
"""


def main(names: Sequence[str]) -> int:
    """Take the pictures of these scenes, or of all; 2 for a wrong name or without a browser."""
    known = {scene.name: scene for scene in SCENES}
    wrong = [name for name in names if name not in known]
    if wrong or not CHROMIUM.exists():
        why = f"no scene {wrong[0]!r}; allowed: {', '.join(known)}" if wrong else f"no {CHROMIUM}"
        print(f"gallery: {why}", file=sys.stderr)
        return 2
    scenes = tuple(scene for scene in SCENES if not names or scene.name in names)
    with tempfile.TemporaryDirectory() as home:
        tables = taken(Path(home), scenes)
        if not names:
            shutil.rmtree(DOCS / "gallery", ignore_errors=True)
        shutil.copytree(Path(home) / "gallery", DOCS / "gallery", dirs_exist_ok=True)
    if not names:
        (DOCS / "gallery.md").write_text(page(scenes, tables), encoding="utf-8")
    return 0


def taken(home: Path, scenes: tuple[Scene, ...]) -> dict[str, str]:
    """Take all pictures below ``home``; return the table of each scene."""
    with camera(home, scenes) as lens:
        return {scene.name: lens.take(scene) for scene in scenes}


def page(scenes: Sequence[Scene], tables: Mapping[str, str]) -> str:
    """Return the page: a section a scene, with its pictures, its sentence and its table."""
    return "\n".join([_HEAD, *(section(scene, tables[scene.name]) for scene in scenes)])


def markdown(table: str) -> str:
    r"""Return a table whose cells stand between tabs as one of Markdown.

    >>> print(markdown("place\tn\nqueued\t3"))
    | place | n |
    |---|---|
    | queued | 3 |
    """
    rows = [line.split("\t") for line in table.splitlines()]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], f"|{'---|' * len(rows[0])}", *lines[1:]])


def section(scene: Scene, table: str) -> str:
    """Return a scene's heading, its picture in the reader's theme, its other looks, its table."""

    def path(look: str) -> str:
        return f"gallery/{scene.name}-{look}.png"

    others = ", ".join(
        f"[{look.name}, {look.width} px]({path(look.name)})" for look in scene.looks[2:]
    )
    lines = [
        f"## {scene.title}\n", f"{scene.caption}\n", "<picture>",
        f'  <source media="(prefers-color-scheme: dark)" srcset="{path("dark")}">',
        f'  <img alt="{scene.title}: {scene.caption}" src="{path("light")}">', "</picture>\n",
        *([f"Also: {others}.\n"] if others else []),
        f"{markdown(table)}\n",
    ]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
