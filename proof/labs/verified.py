"""nbval on executed notebooks: each cell's output again, on the broker of ``$SANDBOX_BROKER``."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

TOGETHER = 2
"""How many notebooks at once, one a core: most of a live cell is waiting."""
_CELL_S = 90
_FAILED = ("failure", "error")
_COLOUR = re.compile(r"(?:\x1b|#x1B)\[\d+m")


@dataclass
class Verified:
    """What nbval says of one notebook: seconds of all its cells, and cells that fail."""

    n: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


def verify(paths: Iterable[Path], folder: Path, *, broker: str) -> dict[str, Verified]:
    """Run nbval on copies of notebooks, in ``folder``; return what it says of each, by stem.

    A notebook leaves its runs and notes where it is run, so it is not run in the checkout.
    """
    folder.mkdir(parents=True)
    copies = [Path(shutil.copy(path, folder)) for path in paths]
    junit = folder / "junit.xml"
    command = [
        sys.executable, "-m", "pytest", "--nbval", "--nbval-cell-timeout", str(_CELL_S),
        "-q", "-p", "no:cacheprovider", "-n", str(TOGETHER), "--dist", "loadscope",
        "--rootdir", str(folder), "-o", "junit_duration_report=call",
        "--junitxml", str(junit), *map(str, copies),
    ]  # fmt: skip
    environment = os.environ | {"SANDBOX_BROKER": broker}
    done = subprocess.run(  # noqa: S603 - our own pytest
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    found = {path.stem: Verified() for path in copies}
    if not junit.exists():
        trouble = (done.stdout + done.stderr).strip().splitlines()[-1]
        return {name: Verified(problems=[f"nbval: {trouble}"]) for name in found}
    for case in ET.parse(junit).iter("testcase"):  # noqa: S314 - pytest's own
        _add(found, case)
    for one in found.values():
        one.problems += [] if one.n else [f"nbval on {broker} ran none of its cells"]
    return found


def _add(found: dict[str, Verified], case: ET.Element) -> None:
    told = f"{case.get('classname')} {case.get('file')} {case.get('name')}"
    one = next((found[name] for name in found if name in told), None)
    if one is None:
        raise ValueError(f"nbval tells of a notebook that is not there: {told}")
    one.n += 1
    one.seconds += float(case.get("time") or 0)
    for kind in _FAILED:
        for child in case.iter(kind):
            one.problems.append(f"nbval, {case.get('name')}: {_short(child)}")


def _short(child: ET.Element) -> str:
    """Return what nbval says of a cell in one line, without colours."""
    text = _COLOUR.sub("", child.text or child.get("message") or "")
    return " ".join(text.split())[:300]
