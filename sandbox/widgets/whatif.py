"""What-if sliders: move one, see at once what the model expects, then see it refined."""

from __future__ import annotations

import html
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from sandbox.calibration import known as known_overheads
from sandbox.errors import SandboxError
from sandbox.overheads import Overheads
from sandbox.scenario import Scenario
from sandbox.widgets.estimates import METRICS, STAGES, Study, differences, rows
from sandbox.widgets.knobs import Knob, Places, changed, knobs
from sandbox.widgets.modules import HERE

if TYPE_CHECKING:
    import pandas as pd

_KEPT = 64
"""So many configurations are remembered: who comes back to one finds it refined."""


@dataclass(frozen=True)
class Wish:
    """What the page wants to see: positions of the knobs, and those that are pinned, if any."""

    number: int
    places: Places
    pinned: Places | None
    asked_s: float


class Sliders(anywidget.AnyWidget):
    """Sliders for load, workers and settings of a scenario, and what the model says of them.

    The newest position wins: what is computed for an older one is dropped. A first figure,
    labelled with where it comes from, is followed by means of more and more runs. ``pin`` keeps
    a configuration beside the next ones, on the same draws. Nothing is computed in the kernel's
    main thread. Without ``overheads`` this machine's calibration of Redis is used, else defaults.

    >>> from sandbox import systems
    >>> Sliders(systems.load("leadlawk"))
    <Sliders of 'leadlawk'>
    """

    _esm = HERE / "whatif.js"
    _css = HERE / "whatif.css"
    about = traitlets.Dict().tag(sync=True)
    wanted = traitlets.Dict().tag(sync=True)
    shown = traitlets.Dict().tag(sync=True)

    def __init__(self, scenario: Scenario, *, overheads: Overheads | None = None) -> None:
        super().__init__()
        self._groups = knobs(scenario)
        self._scenario = scenario
        used = known_overheads("redis") if overheads is None else overheads
        self._mind = Mind(scenario, used, self._show)
        self.about = {
            "name": scenario.name,
            "groups": [{"name": name, "knobs": [knob.to_dict() for knob in found]}
                       for name, found in self._groups.items()],
            "rows": rows(),
            "overheads": used.source,
            "seed": scenario.seed,
        }  # fmt: skip
        self.observe(self._asked, names="wanted")
        self.wanted = {"number": 0, "places": {}, "pinned": None}

    def __repr__(self) -> str:
        """Name the sliders by what does not change from one machine to the next."""
        return f"<Sliders of {self._scenario.name!r}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Return the live view and, for a saved notebook, a table of where the sliders stand."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        return bundle[0] | {"text/html": self._static()}, bundle[1]

    def _static(self) -> str:
        found = [knob for group in self._groups.values() for knob in group]
        return _table(self._scenario.name, found, dict(self.wanted)["places"])

    @property
    def scenario(self) -> Scenario:
        """The scenario that the sliders make; ScenarioError where it would be none."""
        return self._mind.at(dict(self.wanted)["places"])

    def move(self, places: Places) -> None:
        """Move knobs to positions, by their ids; the others stay where they are."""
        wanted = dict(self.wanted)
        self._want(wanted["places"] | dict(places), wanted["pinned"])

    def pin(self) -> None:
        """Keep the present configuration beside the next ones."""
        places = dict(self.wanted)["places"]
        self._want(places, places)

    def unpin(self) -> None:
        """Compare with nothing any more."""
        self._want(dict(self.wanted)["places"], None)

    def wait(self, timeout_s: float = 60.0) -> dict[str, Any]:
        """Wait until nothing is being computed; return what is shown then."""
        self._mind.idle.wait(timeout_s)
        return dict(self.shown)

    def to_frame(self) -> pd.DataFrame:
        """Return what is shown as a table: pinned, now and now − pinned, a row a metric."""
        import pandas as pd

        told, columns = dict(self.shown), {}
        for name in ("pinned", "now"):
            if told.get(name):
                columns[name] = told[name]["values"]
        if told.get("difference"):
            columns["now − pinned"] = {name: gap[0] for name, gap in told["difference"].items()}
        return pd.DataFrame(columns, index=pd.Index(METRICS, name="metric"), dtype="float64")

    def close(self) -> None:
        """Stop computing and take it off the page."""
        self._mind.stop()
        super().close()

    def _want(self, places: Places, pinned: Places | None) -> None:
        number = dict(self.wanted)["number"] + 1
        self.wanted = {"number": number, "places": places, "pinned": pinned}

    def _asked(self, change: Any) -> None:
        """Put the wish on the queue, and nothing else: this is the kernel's main thread."""
        new = change["new"]
        self._mind.ask(Wish(new["number"], new["places"], new.get("pinned"), time.perf_counter()))

    def _show(self, told: dict[str, Any]) -> None:
        self.shown = told


class Mind:
    """Computes what the newest wish asks for, in a thread that ends when there is nothing to do."""

    def __init__(
        self, scenario: Scenario, overheads: Overheads, show: Callable[[dict[str, Any]], None]
    ) -> None:
        self._scenario, self._overheads, self._show = scenario, overheads, show
        self._knobs = [knob for found in knobs(scenario).values() for knob in found]
        self._wishes: queue.SimpleQueue[Wish] = queue.SimpleQueue()
        self._studies: OrderedDict[tuple[tuple[str, int], ...], Study] = OrderedDict()
        self._lock = threading.Lock()
        self._runs = self._stopped = False
        self.idle = threading.Event()

    def at(self, places: Places) -> Scenario:
        """Return the scenario with the knobs at these positions."""
        return changed(self._scenario, self._knobs, places)

    def ask(self, wish: Wish) -> None:
        """Have a wish carried out; returns at once."""
        with self._lock:
            self._wishes.put(wish)
            self.idle.clear()
            if self._runs or self._stopped:
                return
            self._runs = True
        threading.Thread(target=self._loop, name="sandbox-what-if", daemon=True).start()

    def stop(self) -> None:
        """Drop what is being computed."""
        self._stopped = True

    @property
    def _is_old(self) -> bool:
        return self._stopped or not self._wishes.empty()

    def _loop(self) -> None:
        while (wish := self._newest()) is not None:
            try:
                self._answer(wish)
            except SandboxError as exc:
                self._tell(wish, error=str(exc))
            except Exception as exc:  # noqa: BLE001 - a traceback from a thread would help nobody
                self._tell(wish, error=f"the model failed: {type(exc).__name__}: {exc}")

    def _newest(self) -> Wish | None:
        with self._lock:
            wish = None
            while not self._wishes.empty():
                wish = self._wishes.get()
            if wish is None or self._stopped:
                self._runs = False
                self.idle.set()
                return None
            return wish

    def _answer(self, wish: Wish) -> None:
        now = self._study(wish.places)
        first = now.first()
        pinned = self._study(wish.pinned) if wish.pinned is not None else None
        beside = pinned.first() if pinned is not None else None
        self._tell(wish, first, beside, differences(now, pinned) if pinned else None)
        known = min(len(study.runs) for study in (now, pinned) if study is not None)
        for n in (stage for stage in STAGES if stage > known):
            # The pinned one first: it is there for all that is compared with it.
            for study in (pinned, now):
                while study is not None and len(study.runs) < n:
                    if not study.more(lambda: self._is_old):
                        return
            if self._is_old:
                return
            paired = (pinned.figures(), differences(now, pinned)) if pinned else (None, None)
            self._tell(wish, now.figures(), *paired)

    def _study(self, places: Places) -> Study:
        starts = {knob.id: knob.start for knob in self._knobs}
        key = tuple(sorted((k, p) for k, p in places.items() if starts.get(k, p) != p))
        if key not in self._studies:
            self._studies[key] = Study(self.at(places), self._overheads)
            while len(self._studies) > _KEPT:
                self._studies.popitem(last=False)
        self._studies.move_to_end(key)
        return self._studies[key]

    def _tell(
        self,
        wish: Wish,
        now: dict[str, Any] | None = None,
        pinned: dict[str, Any] | None = None,
        difference: dict[str, Any] | None = None,
        error: str = "",
    ) -> None:
        kernel_ms = round((time.perf_counter() - wish.asked_s) * 1000, 1)
        self._show({"number": wish.number, "now": now, "pinned": pinned, "error": error,
                    "difference": difference, "kernel_ms": kernel_ms})  # fmt: skip


def _table(name: str, found: Iterable[Knob], places: Places) -> str:
    """Return where the sliders stand, as a static table; figures would not be the same twice."""
    lines = [
        f'<tr><th scope="row">{html.escape(knob.label)}</th><td>{html.escape(knob.part)}</td>'
        f"<td>{html.escape(knob.texts[places.get(knob.id, knob.start)])}</td></tr>"
        for knob in found
    ]
    caption = html.escape(f"Sliders of {name}, where they stood; their figures need the kernel")
    head = "<tr><th>slider</th><th>of</th><th>stands at</th></tr>"
    return f"<table><caption>{caption}</caption>{head}{''.join(lines)}</table>"
