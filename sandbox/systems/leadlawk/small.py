"""Small scenarios, each made to show one claim of LeadLawk's document, in seconds.

They are derived from the app as the larger ones are; ``generated`` ones have no app of their own,
since they run settings of hours in seconds, which the app's own would overrule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.draws import Deterministic
from sandbox.loads import Burst, Load
from sandbox.scenario import Scenario
from sandbox.systems._deriving import derived

APP = "sandbox.systems.leadlawk.app"
BROWSER = "celery_app.browser_automation_task"
PAGESPEED = "celery_app.pagespeed_test_task"
DATABASE = "celery_app.database_task"
HEALTH = "celery_app.health_check_task"
QUEUES = "browser,pagespeed,database,default"
_SHORT = "celery -A celery_app worker --loglevel=info"


def lasts(seconds: float, **more: Any) -> dict[str, Any]:
    """Return what a small scenario says of a task: how long its work takes."""
    return {"service": Deterministic(value_s=seconds)} | more


def small(  # noqa: PLR0913 - what differs from claim to claim
    name: str,
    tasks: Mapping[str, Mapping[str, Any]],
    loads: Iterable[Load],
    *,
    app: str = "celery_app",
    n_workers: int = 1,
    concurrency: int = 1,
    queues: str = QUEUES,
    options: str = "",
    **beside: Any,
) -> Scenario:
    """Return a scenario of the app's ``tasks``, on workers as the document starts them but smaller.

    ``queues`` "" leaves out -Q, as the document does.

    >>> one = small("one", {DATABASE: lasts(0.1)}, [])
    >>> one.name, one.task(DATABASE).acks_late, one.workers[0].prefetch_multiplier
    ('leadlawk-one', True, 1)
    """
    command = f"{_SHORT} --concurrency={concurrency} {options}"
    command += f" -Q {queues}" if queues else ""
    fields: dict[str, Any] = {"horizon_s": 2.0, "deadline_s": 8.0, "seed": 7} | beside
    commands = [command] * n_workers
    return derived(
        f"{APP}:{app}", f"leadlawk-{name}", commands, tasks=tasks, loads=tuple(loads), **fields
    )


def burst(name: str, seconds: float, n: int, **more: Any) -> Scenario:
    """Return ``n`` database tasks of so many seconds, sent at once to one worker.

    >>> burst("one", 0.1, 3).loads[0].expected_n(1.0)
    3.0
    """
    return small(name, {DATABASE: lasts(seconds)}, [Burst(task=DATABASE, n=n)], **more)


def generated(scenario: Scenario, **changes: Any) -> Scenario:
    """Return a scenario whose app is made of its task types, with ``changes`` to each of them.

    >>> one = generated(burst("one", 0.1, 3), soft_time_limit_s=None, time_limit_s=1.0)
    >>> one.task(DATABASE).time_limit_s
    1.0
    """
    return scenario.but(app=None, tasks=tuple(kind.but(**changes) for kind in scenario.tasks))
