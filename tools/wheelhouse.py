"""Prepare an installation for a room without internet: a folder of wheels and an installer.

``python tools/wheelhouse.py`` needs the network once. It fills ``dist/wheelhouse`` with a wheel of
everything that ``celery-sandbox-lab[bundled,notebook]`` needs, in the versions of
``constraints.txt``, for this Python and this kind of machine; with the notebooks, an
``install.sh`` and a README. In the end it has pip resolve the whole from that folder alone.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from string import Template

ROOT = Path(__file__).resolve().parent.parent
TEXTS = Path(__file__).resolve().parent / "wheelhouse-files"
EXTRAS = "[bundled,notebook]"
OLDER = "async-timeout"
"""What redis needs before Python 3.11.3, such as Debian 12's: another patch than the one here."""
_NOT_FOR_READERS = shutil.ignore_patterns("src", "runs", ".ipynb_checkpoints", "__pycache__")


def fits() -> dict[str, str]:
    """Return what an installation must have in common with this one, in words of install.sh."""
    return {
        "python_version": f"{sys.version_info.major}.{sys.version_info.minor}",
        "system": f"{platform.system()} {platform.machine()}",
    }


def prepare(folder: Path) -> None:
    """Make ``folder`` anew; SystemExit, in one sentence, when it holds something else."""
    if folder.exists() and any(folder.iterdir()) and not (folder / "install.sh").exists():
        sys.exit(
            f"wheelhouse: {folder} is neither empty nor a wheelhouse; name another with --into"
        )
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "wheels").mkdir(parents=True)


def write_texts(folder: Path, requirement: str) -> None:
    """Write install.sh, which installs ``requirement`` from the wheels, and the README."""
    for template in TEXTS.iterdir():
        text = Template(template.read_text(encoding="utf-8"))
        path = folder / template.name
        path.write_text(text.substitute(fits(), requirement=requirement), encoding="utf-8")
    (folder / "install.sh").chmod(0o755)


def gather(wheels: Path) -> None:
    """Download or build every wheel; pip's configuration says from where."""
    pins = ROOT / "constraints.txt"
    command = ["wheel", "--quiet", "--wheel-dir", str(wheels), "--constraint", str(pins)]
    _pip(*command, f"{ROOT}{EXTRAS}", OLDER, env=dict(os.environ))


def check(wheels: Path, requirement: str) -> None:
    """Have pip resolve ``requirement`` from the folder alone; SystemExit when it cannot."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    alone = ["--quiet", "--no-index", "--find-links", str(wheels), "--only-binary", ":all:"]
    dry = ["install", "--dry-run", "--ignore-installed", *alone, requirement]
    _pip(*dry, env=env | {"PIP_CONFIG_FILE": os.devnull})


def _pip(*arguments: str, env: dict[str, str]) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    if subprocess.run(command, env=env, check=False).returncode:
        sys.exit(f"wheelhouse: pip {arguments[0]} failed; what it says stands above")


def main(arguments: list[str] | None = None) -> None:
    """Prepare, gather, check; say what to carry into the room."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--into", type=Path, default=ROOT / "dist" / "wheelhouse")
    folder: Path = parser.parse_args(arguments).into
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirement = f"{project['name']}{EXTRAS}=={project['version']}"
    prepare(folder)
    gather(folder / "wheels")
    check(folder / "wheels", requirement)
    write_texts(folder, requirement)
    shutil.copytree(ROOT / "notebooks", folder / "notebooks", ignore=_NOT_FOR_READERS)
    found = list((folder / "wheels").iterdir())
    size = sum(path.stat().st_size for path in found) / 1e6
    print(f"{folder}: {len(found)} wheels, {size:.0f} MB; carry it along and run its install.sh")


if __name__ == "__main__":
    main()
