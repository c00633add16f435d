"""Over time: what timeline and curves share: traits, and what a saved notebook keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

from sandbox.run import Run
from sandbox.widgets.feed import Encoder, text_of
from sandbox.widgets.still import picture_html
from sandbox.widgets.topology import topology

Still = Callable[[], tuple[Any, Any]]
"""Makes the static picture and the table beside it."""
SOURCES = {"model": "model", "live": "real workers", "replay": "stored run"}


def told_of(run: Run) -> tuple[dict[str, Any], str]:
    """Return a run's topology and its events as text.

    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> told_of(Run(one, ()))[1]
    '[]'
    """
    engine = str(run.info.get("engine", ""))
    told = topology(run.scenario, source=SOURCES.get(engine, engine))
    return told, text_of(Encoder(told).rows(run.events))


class OverTime(anywidget.AnyWidget):
    """A run drawn over time; ``cursor_s`` (s) and ``focus`` (a task) can be linked to others."""

    head = traitlets.Dict().tag(sync=True)
    past = traitlets.Unicode("[]").tag(sync=True)
    cursor_s = traitlets.Float(0.0).tag(sync=True)
    focus = traitlets.Unicode("").tag(sync=True)

    def __init__(self, run: Run, head: dict[str, Any], still: Still, **traits: Any) -> None:
        self._run, self._still = run, still
        told, text = told_of(run)
        super().__init__(head={"topology": told, **head}, past=text, **traits)

    def __repr__(self) -> str:
        """Name the picture by what does not change; a memory address would."""
        return f"<{type(self).__name__} of {self._run.scenario.name!r}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Return the widget and, for a saved notebook, its static picture and table."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data, *rest = bundle if isinstance(bundle, tuple) else (bundle or {},)
        picture, table = self._still()
        html = picture_html(picture) + table.to_html()
        data = {"text/plain": repr(self)} | data | {"text/html": html}
        return (data, *rest) if rest else data
