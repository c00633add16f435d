"""The wheelhouse's tool and installer on tiny wheels; the real ones: ``make wheelhouse-test``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.test_environments import needed
from tests.test_house import requirements
from tools import wheelhouse

NOWHERE = "http://127.0.0.1:9/simple"
THING = "import sys\n\n\ndef main() -> None:\n    sys.stdout.write('installed\\n')\n"


def make_wheel(folder: Path, name: str, *, needs: str = "") -> None:
    """Write a wheel by hand: one module with one command, and what it requires."""
    info = f"{name}-1.0.dist-info"
    required = f"Requires-Dist: {needs}\n" if needs else ""
    files = {
        f"{name}.py": THING,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{required}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
    }
    record = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        for path, text in (files | {f"{info}/RECORD": record}).items():
            wheel.writestr(path, text)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Return a wheelhouse of two small wheels, the first of which needs the second."""
    folder = tmp_path / "a house" / "wheelhouse"  # a blank in a path must do no harm
    wheelhouse.prepare(folder)
    make_wheel(folder / "wheels", "thing", needs="other==1.0")
    make_wheel(folder / "wheels", "other")
    wheelhouse.write_texts(folder, "thing==1.0")
    return folder


def install(house: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the installer beside the wheelhouse, on this Python, with indexes that lead nowhere."""
    nowhere = {"PIP_INDEX_URL": NOWHERE, "PIP_EXTRA_INDEX_URL": NOWHERE, "PIP_RETRIES": "0"}
    return subprocess.run(
        [house / "install.sh", "venv"],
        cwd=house.parent,
        env=os.environ | nowhere | {"PYTHON": sys.executable} | env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_installer_needs_nothing_but_the_wheels(house: Path) -> None:
    """It makes an environment whose commands run, whatever indexes pip was told of."""
    done = install(house)
    assert done.returncode == 0, done.stderr
    told = subprocess.run([house.parent / "venv/bin/thing"], capture_output=True, check=True)
    assert told.stdout == b"installed\n"


def test_the_installer_fails_when_a_wheel_is_missing(house: Path) -> None:
    """It does not leave an environment that half works and say that all is well."""
    next((house / "wheels").glob("other-*")).unlink()
    done = install(house)
    assert done.returncode != 0
    assert "Installed" not in done.stdout


def test_the_tool_notices_a_missing_wheel(
    house: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Better here than in the room; what this machine's pip could find elsewhere does not help."""
    wheelhouse.check(house / "wheels", "thing==1.0")
    other = next((house / "wheels").glob("other-*"))
    (house / "elsewhere").mkdir()
    other.rename(house / "elsewhere" / other.name)
    monkeypatch.setenv("PIP_FIND_LINKS", str(house / "elsewhere"))
    with pytest.raises(SystemExit, match="pip install failed"):
        wheelhouse.check(house / "wheels", "thing==1.0")
    assert "other==1.0" in capfd.readouterr().err


def test_the_installer_refuses_another_python(house: Path) -> None:
    """One sentence, exit status 2, and no environment: wheels fit one Python and one system."""
    script = house / "install.sh"
    text = script.read_text(encoding="utf-8")
    here = wheelhouse.fits()["python_version"]
    script.write_text(text.replace(f"{here} on", "3.1 on"), encoding="utf-8")
    done = install(house)
    assert done.returncode == 2
    assert re.fullmatch(r"install\.sh: \S+ is Python .+; these wheels are for .+\n", done.stderr)
    assert not (house.parent / "venv").exists()


def test_the_tool_removes_no_folder_but_its_own(tmp_path: Path, house: Path) -> None:
    """A wheelhouse is made anew; a folder with anything else in it is left alone."""
    wheelhouse.prepare(house)
    assert [path.name for path in house.iterdir()] == ["wheels"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(SystemExit, match="neither empty nor a wheelhouse"):
        wheelhouse.prepare(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_another_patch_of_the_same_python_has_its_wheels() -> None:
    """What is needed only by older patches of a Python that install.sh accepts is gathered too."""
    wanted = list(requirements("bundled", "notebook").values())
    for version in ("3.11", "3.12", "3.13"):
        newest, oldest = (needed(wanted, "linux", version, patch) for patch in ("99", "0"))
        assert oldest - newest <= {wheelhouse.OLDER}


def test_the_texts_hold_no_address_and_no_path_of_this_machine(house: Path) -> None:
    """What is carried into a room says nothing of where it was made."""
    for name in ("install.sh", "README.md"):
        text = (house / name).read_text(encoding="utf-8")
        assert "://" not in text
        assert not re.search(r"(?<![\w.}])/(?:work|home|root|opt|tmp)\b", text)
        assert "$python_version" not in text
