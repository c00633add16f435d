"""What a fault's own docstring says: what it is, and what it means under each ack mode."""

from __future__ import annotations

import inspect
import re

from proof.build import ACK_MODES
from sandbox.faults import Fault

LABELS: dict[str, tuple[str, ...]] = {
    "early ack": ("early",),
    "acks_late": ("late",),
    "acks_late + reject_on_worker_lost": ("reject",),
    "every ack mode": tuple(ACK_MODES),
}
"""The labels of a docstring's lines, and the ack modes that each speaks of."""

MODES = {modes[0]: label for label, modes in LABELS.items() if len(modes) == 1}
"""What a reader calls an ack mode."""

_LINE = re.compile(r"^- (?P<label>[\w +]+): (?P<text>.+(?:\n  .+)*)$", re.MULTILINE)


def sentences(fault: type[Fault]) -> dict[str, str]:
    """Return what a fault's docstring says of each ack mode.

    >>> from sandbox.faults import FAULTS
    >>> sentences(FAULTS["kill_child"])["late"]
    'the same; the main process acknowledges the message of the failed task.'
    """
    found: dict[str, str] = {}
    for line in _LINE.finditer(inspect.getdoc(fault) or ""):
        for mode in LABELS.get(line["label"], ()):
            found[mode] = " ".join(line["text"].split())
    return found


def about(fault: type[Fault]) -> str:
    """Return what a fault's docstring says besides, each paragraph on one line."""
    rest = _LINE.sub("", inspect.getdoc(fault) or "")
    paragraphs = (" ".join(one.split()) for one in rest.split("\n\n"))
    return "\n\n".join(one.replace("``", "`") for one in paragraphs if one)
