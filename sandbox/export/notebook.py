"""A notebook: the scenario on the model and on real workers, and the audit of both."""

from __future__ import annotations

import json
from typing import Any

from sandbox.scenario import Scenario

_TOLD = "judged task by task: first in the model, then on real workers."
_RUN = """\
from sandbox import audit, run

print(audit(run(scenario, engine="{engine}")))"""


def to_notebook(scenario: Scenario) -> str:
    """Return a notebook (format 4.5, JSON text) that runs ``scenario`` and shows the audits.

    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> [cell["cell_type"] for cell in json.loads(to_notebook(one))["cells"]]
    ['markdown', 'code', 'code', 'code']
    """
    text = scenario.to_json().replace("\\", "\\\\")
    described = f'from sandbox import Scenario\n\nscenario = Scenario.from_json("""\\\n{text}\n""")'
    sources = [
        ("markdown", f"# {scenario.name}\n\nWhat becomes of each task, {_TOLD}"),
        ("code", described),
        ("code", _RUN.format(engine="model")),
        ("code", _RUN.format(engine="live")),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    book = {
        "cells": [_cell(i, kind, source) for i, (kind, source) in enumerate(sources)],
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(book, indent=1) + "\n"


def _cell(number: int, kind: str, source: str) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": kind,
        "id": f"cell-{number}",
        "metadata": {},
        "source": source.splitlines(keepends=True),
    }
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})
