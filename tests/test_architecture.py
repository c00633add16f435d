"""The shape of the code: which module may import which, and what stays optional."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "sandbox"

# A module may import those of its own layer and of the layers above it in this list.
LAYERS = (
    {
        "errors",
        "closing",
        "collector",
        "parts",
        "slots",
        "draws",
        "rates",
        "tasks",
        "dependencies",
        "front",
        "loads",
        "faults",
        "notes",
        "scenario",
        "deployment",
        "derive",
        "overheads",
    },
    {
        "schedule",
        "schedules",
        "journeys",
        "deliveries",
        "fold",
        "ledger",
        "left",
        "run",
        "theory_arguments",
        "theory",
    },
    {
        "facts",
        "calls",
        "chords",
        "visits",
        "little",
        "definitions",
        "metrics",
        "audit",
        "guarantees",
        "prediction",
    },
    {"comparison", "compare", "claims", "calibration"},
    {"engines", "patterns"},
    {"capacity"},
    {"service"},
    {"systems"},
    {"workbench", "evidence"},
    {"pictures"},
    {"widgets"},
    {"export"},
    {"labs"},
    {
        "lab",
        "labs_command",
        "workshop_command",
        "report",
        "console",
        "about_command",
        "what_if_command",
        "audit_command",
        "claims_command",
        "service_command",
        "schedule_options",
        "export_command",
        "sources",
        "cli",
        "__main__",
    },
)
ONLY = {
    "simpy": ("engines/model",),
    "celery": (
        "engines/live",
        "systems",
        "derive",
        "export/parts",
        "patterns",
        "service",
        "labs/payroll_app.py",
    ),
    "kombu": ("engines/live", "systems", "patterns", "service"),
    "billiard": ("engines/live", "patterns"),
    "redis": ("engines/live", "systems", "export/parts", "labs/room.py", "patterns", "service"),
    "sqlalchemy": ("patterns", "systems", "service"),
    "uvicorn": ("engines/live/own_front.py",),
    "fastapi": ("service", "systems"),
    "starlette": ("service",),
    "prometheus_client": ("service/meters.py",),
    "fakeredis": ("engines/live",),
    "ipywidgets": ("widgets",),
    "anywidget": ("widgets",),
    "matplotlib": ("pictures",),
}
# A system's own app does its drawn work through the live engine; it is loaded only there.
ALLOWED = {
    ("claims.py", "engines"),
    ("systems/leadlawk/app.py", "engines"),
    ("systems/dashboard/app.py", "engines"),
    ("systems/dashboard/store.py", "engines"),
    ("systems/dashboard/claims_of_tools.py", "engines"),
}


@cache
def modules() -> list[tuple[str, ast.Module]]:
    return [
        (path.relative_to(ROOT).as_posix(), ast.parse(path.read_text()))
        for path in sorted(ROOT.rglob("*.py"))
    ]


@cache
def imports(tree: ast.Module) -> tuple[str, ...]:
    """Return what a module imports when it runs; what only type checkers see does not count."""
    return tuple(_imports(tree))


def _imports(tree: ast.Module) -> Iterator[str]:
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer_of(part: str) -> int:
    return next(i for i, layer in enumerate(LAYERS) if part in layer)


def test_dependencies_point_one_way() -> None:
    """scenario ← run ← metrics ← compare ← engines ← systems ← workbench ← pictures, widgets, cli."""
    wrong = []
    for name, tree in modules():
        mine = name.removesuffix(".py").split("/")[0]
        if mine == "__init__":
            continue
        for imported in imports(tree):
            package, _, rest = imported.partition(".")
            theirs = rest.split(".")[0]
            if package != "sandbox" or not theirs or (name, theirs) in ALLOWED:
                continue
            if not (ROOT / theirs).exists() and not (ROOT / f"{theirs}.py").exists():
                continue
            if layer_of(theirs) > layer_of(mine):
                wrong.append(f"{name} imports {imported}")
    assert wrong == []


def test_every_module_has_a_layer() -> None:
    """A new module is given its place in LAYERS."""
    known = set().union(*LAYERS) | {"__init__"}
    assert {name.removesuffix(".py").split("/")[0] for name, _ in modules()} <= known


@pytest.mark.parametrize("library", ONLY)
def test_a_heavy_library_has_one_place(library: str) -> None:
    """SimPy belongs to the model, Celery and Redis to the live engine, widgets to widgets."""
    wrong = [
        name
        for name, tree in modules()
        if any(imported.split(".")[0] == library for imported in imports(tree))
        and not name.startswith(ONLY[library])
    ]
    assert wrong == []


def test_the_parts_know_nothing_of_the_sandbox() -> None:
    """A part goes into somebody's own project: of the sandbox it needs its errors alone."""
    wrong = [
        f"{name} imports {imported}"
        for name, tree in modules()
        if name.startswith("patterns/")
        for imported in imports(tree)
        if imported.startswith("sandbox.")
        and not imported.startswith(("sandbox.patterns", "sandbox.errors"))
    ]
    assert wrong == []


def test_the_live_engine_knows_nothing_of_the_model() -> None:
    """What real workers do cannot come from the model that is held against it."""
    wrong = [
        name
        for name, tree in modules()
        if name.startswith("engines/live")
        and any(imported.startswith("sandbox.engines.model") for imported in imports(tree))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "code",
    [
        "import sandbox",
        "import sandbox; sandbox.predict(sandbox.Scenario(**SHOP), budget_s=0.1)",
        "from sandbox import systems; systems.all_systems()",
        "import sandbox.cli",
    ],
)
def test_the_model_works_without_celery_and_redis(code: str) -> None:
    """Importing and predicting load neither Celery nor Redis nor a display library.

    A named system is derived from its app, which needs Celery; to list the systems needs none.
    """
    banned = (
        "celery",
        "kombu",
        "redis",
        "fakeredis",
        "ipywidgets",
        "matplotlib",
        "sqlalchemy",
        "fastapi",
    )
    shop = {"name": "shop", "tasks": [{"name": "mail"}], "workers": [{}], "horizon_s": 1.0}
    check = (
        f"SHOP = {shop!r}; import sys; {code}; print([m for m in {banned!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
