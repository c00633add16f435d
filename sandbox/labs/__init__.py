"""Labs: a course of exercises on Celery, each one text in ``labs/src``, checked as it is done.

``lesson`` reads a text, ``checks`` judge what a learner made, ``kernel`` is the lab that is open in
a notebook, ``progress`` keeps what was done, ``build`` makes the notebooks of the text.
"""

from __future__ import annotations

from sandbox.labs.checks import Check, Finding, check
from sandbox.labs.lesson import Lab, Lesson

__all__ = ["Check", "Finding", "Lab", "Lesson", "check"]
