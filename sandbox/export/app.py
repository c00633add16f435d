"""The app of an exported script: Celery's own words for what the scenario states."""

from __future__ import annotations

import json
import keyword
import re
from pprint import pformat
from typing import Any

from sandbox.draws import Deterministic, draw_s, jitter_seed, uniform
from sandbox.scenario import AutoRetry, Scenario, SelfRetry, TaskType
from sandbox.schedule import schedule

_MOST_ATTEMPTS = 20


def app_of(scenario: Scenario) -> str:
    """Return the source of the app with its tasks, as a user would write them.

    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> print(app_of(one).splitlines()[-1])
        work(self, 0.0)
    """
    options = scenario.broker.transport_options
    routes = {kind.name: {"queue": kind.queue} for kind in scenario.tasks}
    numbers = dict.fromkeys(scenario.task_names, 0)
    for publication in schedule(scenario):
        numbers[publication.type] += 1
    lines = [
        f"app = Celery({scenario.name!r}, broker=os.environ.get('REPRODUCE_URL'))",
        "app.conf.result_backend = os.environ.get('REPRODUCE_URL')",
        f"app.conf.broker_transport_options = {pformat(options, width=60, sort_dicts=False)}",
        "app.conf.broker_transport_options['global_keyprefix'] = "
        "os.environ.get('REPRODUCE_PREFIX', '')",
        "app.conf.result_backend_transport_options = "
        "{'global_keyprefix': os.environ.get('REPRODUCE_PREFIX', '')}",
        "app.conf.broker_connection_retry_on_startup = True",
        f"app.conf.task_default_queue = {scenario.queues[0]!r}",
        f"app.conf.task_routes = {routes!r}",
        "app.conf.update(json.loads(os.environ.get('REPRODUCE_CONF', '{}')))",
        "",
        _WORK,
    ]
    lines += [_task(scenario, kind, numbers[kind.name]) for kind in scenario.tasks]
    return "\n".join(lines)


_WORK = '''
def work(task, seconds, fails=False, jitter=None, cpu=False, crash=None):
    """Take as long as was drawn, perhaps fail, and tell of it."""
    request, me = task.request, {"thread": threading.get_ident(), "retry": task.request.retries}
    tell("started", request.id, **me)
    if jitter is not None:
        random.seed(jitter)  # Celery takes the jitter of a retry from the global generator
    try:
        if cpu:
            end = time.thread_time() + seconds
            while time.thread_time() < end:
                pass
        else:
            time.sleep(seconds)
        if crash == "child":
            os.kill(os.getpid(), signal.SIGKILL)
        if crash == "memory":
            raise MemoryError("more than there is")
        if fails:
            raise ValueError("drawn to fail")
    except Exception:
        tell("raised", request.id, **me)
        raise
    tell("finished", request.id, **me)
'''


def _task(scenario: Scenario, kind: TaskType, n: int) -> str:
    """Return the source of one task."""
    own = kind.self_retry
    options: dict[str, Any] = {"name": kind.name, "bind": True, "acks_late": kind.acks_late}
    options |= _stated(kind)
    if own or kind.retry_on_worker_lost:
        options["max_retries"] = kind.lost_max_retries
    auto = next((policy for policy in kind.retries if isinstance(policy, AutoRetry)), None)
    name = re.sub(r"\W", "_", f"_{kind.name}" if kind.name[0].isdigit() else kind.name)
    name = f"{name}_" if keyword.iskeyword(name) else name
    stated = "".join(f", {field}={value!r}" for field, value in options.items() if field != "bind")
    stated += _autoretry(auto)
    table, call = _draws(scenario, kind, n, name)
    body = [f"    {line}" for line in _body(own, call)]
    head = f"\n{table}@app.task(bind=True{stated})\ndef {name}(self):"
    return "\n".join([head, *body])


def _stated(kind: TaskType) -> dict[str, Any]:
    """Return the options that differ from Celery's own defaults."""
    defaults = {
        "acks_on_failure": True, "acks_on_timeout": True, "reject_on_worker_lost": False,
        "retry_on_worker_lost": False, "rate_limit": None, "ignore_result": False,
    }  # fmt: skip
    found = {k: getattr(kind, k) for k, value in defaults.items() if getattr(kind, k) != value}
    renamed = {
        "soft_time_limit": kind.soft_time_limit_s,
        "time_limit": kind.time_limit_s,
        "default_retry_delay": kind.default_retry_delay_s if kind.retry_on_worker_lost else None,
    }
    return found | {k: value for k, value in renamed.items() if value is not None}


def _autoretry(auto: AutoRetry | None) -> str:
    if auto is None:
        return ""
    kwargs = {"max_retries": auto.max_retries, "countdown": auto.countdown_s}
    return (
        f", autoretry_for=(Exception,), retry_kwargs={kwargs!r}, retry_backoff="
        f"{auto.backoff_s or False!r}, retry_backoff_max={auto.backoff_max_s}, "
        f"retry_jitter={auto.jitter}"
    )


def _draws(scenario: Scenario, kind: TaskType, n: int, name: str) -> tuple[str, str]:
    """Return a table of the task's draws, and the call that takes them; no table if all are one."""
    more = ", cpu=True" if kind.work == "cpu" else ""
    more += f", crash={kind.crash!r}" if kind.crash else ""
    jitters = any(isinstance(p, AutoRetry) and p.backoff_s and p.jitter for p in kind.retries)
    if isinstance(kind.service, Deterministic) and kind.p_failure in {0.0, 1.0} and not jitters:
        fails = ", fails=True" if kind.p_failure else ""
        return "", f"work(self, {kind.service.value_s!r}{fails}{more})"
    attempts = min(_MOST_ATTEMPTS, 1 + sum(policy.max_retries for policy in kind.retries))
    rows = {
        f"{kind.name}/{i}": [_draw(scenario, kind, i, retry) for retry in range(attempts)]
        for i in range(max(n, 1))
    }
    table = f"{name.upper()} = json.loads('''{json.dumps(rows)}''')  # seconds, fails, jitter\n"
    first = json.dumps(f"{kind.name}/0")
    row = f"{name.upper()}.get(self.request.id, {name.upper()}[{first}])"
    return table, f"work(self, *{row}[self.request.retries % {attempts}]{more})"


def _draw(scenario: Scenario, kind: TaskType, i: int, retry: int) -> tuple[float, bool, int]:
    seconds = draw_s(kind.service, scenario.seed, f"{kind.name}/service", i, retry=retry)
    fails = uniform(scenario.seed, f"{kind.name}/failure", i, retry=retry) < kind.p_failure
    return seconds, fails, jitter_seed(scenario.seed, f"{kind.name}/{i}", retry)


def _body(own: SelfRetry | None, call: str) -> list[str]:
    if own is None:
        return [call]
    return [
        "try:",
        f"    {call}",
        "except Exception as exc:",
        f"    raise self.retry(exc=exc, countdown={own.countdown_s!r} * "
        f"{own.factor!r} ** self.request.retries) from exc",
    ]
