"""The ledger of the model: a body that ends applies its effect, whatever becomes of its result."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from sandbox.ledger import Effect, Ledger, MakeLedger, first_effective
from sandbox.run import Event


def maker(cut_off: Iterable[Effect]) -> MakeLedger:
    """Return what makes the ledger of a run out of its events, when somebody reads it.

    ``cut_off``: the effects of bodies whose result found no broker, so that they count as failed.
    """
    return partial(_made, tuple(cut_off))


def _made(cut_off: tuple[Effect, ...], events: Iterable[Event]) -> Ledger:
    ended = [
        Effect(
            event.task or "", event.t_s, event.worker or "", 0, event.tag or "", event.retry or 0
        )
        for event in events
        if event.kind == "succeeded"
    ]
    return Ledger(first_effective([*ended, *cut_off]))
