"""What the checks answer when a lab's cells run, and what of that must not be.

Each function returns sentences; none means that all is as it must be. The same functions judge a
lab in the model (``tests/labs``) and on real workers (``make labs``).
"""

from __future__ import annotations

from collections.abc import Iterable

from sandbox.labs import Lesson, kernel
from sandbox.labs.checks import Answer
from sandbox.labs.grade import run_cells
from sandbox.labs.lesson import Wrong
from sandbox.labs.source import Cell

PARTS = ["expected", "observed", "likely misconception", "where to look", "next"]
Answers = dict[str, Answer]


def done(cells: Iterable[Cell]) -> tuple[Answers, str]:
    """Run a notebook's cells; return what each check answered, and the first trouble."""
    answers: Answers = {}
    kernel.listeners.append(lambda answer: answers.__setitem__(answer.name, answer))
    try:
        trouble = run_cells(cell.body for cell in cells if not cell.is_markdown)
    finally:
        kernel.listeners.clear()
    return answers, trouble


def of_the_exercise(one: Lesson, answers: Answers, trouble: str) -> list[str]:
    """Every check asks for something, and a stub leads to a sentence."""
    found = [f"the exercise as it is: {trouble}"] if trouble else []
    return found + [
        f"the exercise as it is: check {name} says {_said(answers, name)!r}, not 'not attempted'"
        for name in one.checks
        if _said(answers, name) != "not attempted"
    ]


def of_the_solution(one: Lesson, answers: Answers, trouble: str) -> list[str]:
    """What is asked for can be done."""
    found = [f"the solution: {trouble}"] if trouble else []
    return found + [
        f"the solution: {answers.get(name) or f'check {name} is in no cell'}"
        for name in one.checks
        if _said(answers, name) != "right"
    ]


def of_a_wrong_answer(wrong: Wrong, answers: Answers, trouble: str) -> list[str]:
    """The check that is meant says what the lab promises, in five parts."""
    name, told = f"the wrong answer {wrong.says!r}", answers.get(wrong.check)
    if trouble:
        return [f"{name}: {trouble}"]
    if told is None or told.status != "wrong":
        return [f"{name}: check {wrong.check} says {_said(answers, wrong.check)!r}"]
    lines = dict(told.lines)
    if wrong.says not in lines.get("likely misconception", ""):
        return [f"{name}: it is told {lines.get('likely misconception', 'nothing')!r}"]
    lacks = [part for part in PARTS if part not in lines]
    return [f"{name}: its answer lacks {', '.join(lacks)}"] if lacks else []


def _said(answers: Answers, name: str) -> str:
    return answers[name].status if name in answers else "nothing"
