"""Load an app by the name that ``celery -A`` takes."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from sandbox.errors import ScenarioError, one_of

_PARTS = ("conf", "tasks", "amqp", "loader", "finalize")
_USUAL = ("app", "celery")


def is_app(thing: object) -> bool:
    """Return whether a thing is a Celery app, by what it can do: Celery is not imported here."""
    # Its class is asked: an app's own attributes may load its configuration. A proxy such as
    # current_app has the class of what it stands for.
    return not isinstance(thing, ModuleType | type) and all(
        hasattr(thing.__class__, part) for part in _PARTS
    )


def load_app(path: str) -> Any:
    """Import ``module:attribute``, or a module with an app in it, from the current folder.

    As Celery does (celery/app/utils.py, ``find_app``). Raises ScenarioError (one sentence) when
    there is no such module, when it raises an error, or when what it has there is no app.
    """
    name, _, attribute = path.partition(":")
    if not all(part.isidentifier() for part in name.split(".")):
        raise ScenarioError(f"app is {path!r}; allowed: module:app, such as 'proj.celery:app'")
    module = _imported(name, path)
    if attribute:
        return _attribute(module, attribute, path)
    found = _app_in(module)
    if found is None and hasattr(module, "__path__"):  # `celery -A proj` looks in proj.celery
        inner = f"{name}.celery"
        found = _app_in(_imported(inner, path)) if _exists(inner) else None
    if found is None:
        raise ScenarioError(f"app is {path!r}, a module without a Celery app; allowed: module:app")
    return found


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _imported(name: str, path: str) -> ModuleType:
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        missing = exc.name or ""
        if name == missing or name.startswith(f"{missing}."):
            raise ScenarioError(
                f"app is {path!r}, but there is no module {missing!r} in {here} or on the path"
            ) from None
        raise ScenarioError(_raised(path, exc)) from None
    except (Exception, SystemExit) as exc:  # noqa: BLE001 - a user's module may raise anything
        raise ScenarioError(_raised(path, exc)) from None
    finally:
        if here in sys.path:
            sys.path.remove(here)


def _raised(path: str, exc: BaseException) -> str:
    """Say in one line what a user's module raised, and in which line of which file."""
    trace, where = exc.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith("<") and file != __file__ and "importlib" not in file:
            where = f" ({file}:{trace.tb_lineno})"
        trace = trace.tb_next
    told = " ".join(str(exc).split())
    return f"app is {path!r}, which cannot be imported: {type(exc).__name__}: {told}{where}"


def _attribute(module: ModuleType, attribute: str, path: str) -> Any:
    found: Any = module
    for step in attribute.split("."):
        if not hasattr(found, step):
            allowed = one_of(attribute, _apps(module)) if _apps(module) else "a Celery app"
            raise ScenarioError(
                f"app is {path!r}, but {module.__name__} has no {attribute!r}; allowed: {allowed}"
            )
        found = getattr(found, step)
    if not is_app(found):
        raise ScenarioError(
            f"app is {path!r}, which is no Celery app but of type {type(found).__name__}"
        )
    return found


def _apps(module: ModuleType) -> list[str]:
    return [name for name, value in vars(module).items() if is_app(value)]


def _app_in(module: ModuleType) -> Any:
    """Return a module's app: called app or celery, else the first there is, else None."""
    names = [name for name in _USUAL if is_app(getattr(module, name, None))] + _apps(module)
    return getattr(module, names[0]) if names else None
