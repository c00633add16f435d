"""The gallery's short form: one scene in light and dark, and a page with its table."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

from PIL import Image

from tests.browser.gallery.__main__ import DOCS, main, page, taken
from tests.browser.gallery.scenes import DARK, LIGHT, SCENES, Look
from tests.browser.lab_harness import CHROMIUM

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

_MOST_BYTES, _ALL_BYTES = 200_000, 4_000_000
_BLUE = {LIGHT: (0, 114, 178), DARK: (86, 180, 233)}
"""A queued message, in each theme."""
_ROUNDED = 4
_SCENE = "board-killed"


def take(home: Path) -> dict[str, str]:
    """Take the scene's pictures below ``home``; return its table."""
    return taken(home, tuple(one for one in SCENES if one.name == _SCENE))


def test_a_scene_is_taken_in_both_themes(tmp_path: Path) -> None:
    """Law: each picture has its own theme's ground and dots; the table is of the same moment."""
    if not CHROMIUM.exists():
        if os.environ.get("CI"):
            pytest.fail(f"CI has no {CHROMIUM}, so nothing would be proved in a browser")
        pytest.skip(f"no {CHROMIUM} on this machine (Debian: apt install chromium)")
    scene = next(one for one in SCENES if one.name == _SCENE)
    # Its own process: the tests' Playwright runs in this one, and there can be one in each.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        tables = pool.submit(take, tmp_path).result()
    for look in (LIGHT, DARK):
        with Image.open(tmp_path / "gallery" / f"{scene.name}-{look.name}.png") as picture:
            shown = picture.convert("RGB")
            ground = shown.getpixel((5, 5))
            assert isinstance(ground, tuple)
            assert (sum(ground) < 120) is look.dark
            n_blue = sum(n for n, colour in shown.getcolors(1 << 20) or [] if _near(colour, look))
            assert n_blue > 1000, "dots have the colours of the theme"
    assert "unacked, no owner" in tables[scene.name]
    assert "due in 0:59:59" in tables[scene.name]
    assert scene.caption in page((scene,), tables)


def _near(colour: object, look: Look) -> bool:
    """Tell whether a colour is that of a queued message; a small picture rounds its colours."""
    assert isinstance(colour, tuple)
    return all(abs(a - b) <= _ROUNDED for a, b in zip(colour, _BLUE[look], strict=True))


def test_the_gallery_is_whole() -> None:
    """Law: the page in docs shows every scene, each of its pictures is there, none is large."""
    text = (DOCS / "gallery.md").read_text(encoding="utf-8")
    wanted = {f"{scene.name}-{look.name}.png" for scene in SCENES for look in scene.looks}
    kept = {path.name: path.stat().st_size for path in (DOCS / "gallery").glob("*.png")}
    assert set(kept) == wanted
    assert [name for name in wanted if f"gallery/{name}" not in text] == []
    assert [scene.title for scene in SCENES if f"## {scene.title}\n" not in text] == []
    assert max(kept.values()) <= _MOST_BYTES
    assert sum(kept.values()) <= _ALL_BYTES


def test_a_wrong_scene_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """Law: a name that is none ends with 2 and says which there are."""
    assert main(["bord"]) == 2
    assert "no scene 'bord'; allowed: board-before" in capsys.readouterr().err
