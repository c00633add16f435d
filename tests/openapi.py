"""Hold a door that is open against its own OpenAPI document, with Schemathesis' made-up requests."""

from __future__ import annotations

from collections.abc import Container

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode

from sandbox.service.serve import Served


def check_openapi(door: Served, n_examples: int = 10, *, but: Container[str] = ()) -> list[str]:
    """Make up valid and invalid requests to each operation; return the operations.

    ``but``: those that are left out, such as ones that wait a second for workers' replies.

    An AssertionError says which answer the document does not state: a status, a type, a body; a
    valid request that is refused, an invalid one that is taken, or a mistake of the door itself.
    """
    headers = dict(door.headers)
    schema = schemathesis.openapi.from_url(f"{door.url}/openapi.json", headers=headers)
    labels = []
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.label in but:
            continue
        labels.append(operation.label)
        for mode in GenerationMode:
            strategy = operation.as_strategy(generation_mode=mode)

            @settings(
                max_examples=n_examples, deadline=None, database=None, derandomize=True,
                phases=[Phase.generate], suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @given(case=strategy)
            def one(case: schemathesis.Case) -> None:
                # 503 is an answer: a worker that is slow to reply makes /health say so.
                answer = case.call_and_validate(
                    headers=headers, timeout=20, excluded_checks=[not_a_server_error]
                )
                assert answer.status_code != 500, case.as_curl_command()

            one()
    return labels
