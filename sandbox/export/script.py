"""One Python script that shows what a scenario shows, with nothing but celery and redis.

It has the app, the workers' commands, the publishings and the faults of the scenario, and says at
its end what became of each task; its driver is text of ``parts/``, less what it does not need.
"""

from __future__ import annotations

import ast
from importlib.metadata import version
from importlib.resources import files
from pprint import pformat
from typing import Any, Literal, get_args

from sandbox.errors import ScenarioError, one_of
from sandbox.export.app import app_of
from sandbox.faults import Command, commands_of
from sandbox.scenario import Scenario
from sandbox.schedule import schedule

Claim = Literal["lost", "twice"]
CLAIMS: tuple[Claim, ...] = get_args(Claim)
_OWN_ONLY = ("stop_broker", "start_broker", "pause_broker", "resume_broker", "flush", "evict")
_OWN_TOO = ("fill_memory", "free_memory", "drop_connections")
_OPEN = ("burst", "group", "poisson", "trace", "rates")
_MOST_S = 600.0


def to_script(scenario: Scenario, *, claims: tuple[Claim, ...] = CLAIMS) -> str:
    """Return a script that needs only celery, redis and a redis-server (or a REDIS_URL).

    It runs the scenario, prints what became of each task, and exits with 1 when a claim is
    violated, else with 0: ``lost``, no task is lost; ``twice``, no task's body ends twice.
    Raises ScenarioError, one sentence, for what a script cannot do: faults of the network,
    which need the proxy, and loads that answer to results.

    >>> from sandbox.scenario import Scenario
    >>> one = Scenario(name="one", tasks=[{"name": "hi"}], workers=[{}], horizon_s=1.0)
    >>> "sandbox" in to_script(one)
    False
    """
    for claim in claims:
        if claim not in CLAIMS:
            raise ScenarioError(f"claim is {claim!r}; allowed: {one_of(claim, CLAIMS)}")
    verbs = _part("verbs")
    _check(scenario, {f.name for f in _functions(verbs)})
    commands = list(commands_of(scenario.faults, scenario.seed))
    return "\n".join(
        [
            _head(scenario, claims),
            app_of(scenario),
            "",
            f"PLAN = {pformat(_plan(scenario, commands, claims), width=100, sort_dicts=False)}",
            "",
            "",
            _part("system"),
            "",
            _needed(verbs, {command.verb for command in commands}),
            _part("run"),
        ]
    )


# --- what cannot be in a script -------------------------------------------------------------------


def _check(scenario: Scenario, functions: set[str]) -> None:
    for i, fault in enumerate(scenario.faults):
        for command in fault.commands():
            if f"do_{command.verb}" not in functions:
                raise ScenarioError(
                    f"faults[{i}] is {fault.kind!r}, which a script without the sandbox cannot do"
                )
            if command.when.on == "event" and command.when.event == "scaled":
                raise ScenarioError(f"faults[{i}].when.event is 'scaled': no script can see that")
    for i, load in enumerate(scenario.loads):
        if load.kind not in _OPEN:
            raise ScenarioError(
                f"loads[{i}].kind is {load.kind!r}; allowed in a script: {one_of('', _OPEN)}"
            )
    fields: dict[str, object] = {"front_door": scenario.front_door, "app": scenario.app}
    for i, kind in enumerate(scenario.tasks):
        fields |= {f"tasks[{i}].waits_for": kind.waits_for, f"tasks[{i}].calls": kind.calls}
    fields |= {f"hosts[{i}].cores": host.cores for i, host in enumerate(scenario.hosts)}
    for name, value in fields.items():
        if value is not None:
            raise ScenarioError(f"{name} is set; allowed in a script: None")


# --- the parts ------------------------------------------------------------------------------------


def _head(scenario: Scenario, claims: tuple[Claim, ...]) -> str:
    said = {"lost": "no task is lost", "twice": "no task's body ends twice"}
    lines = [
        f'"""{scenario.name}: {" and ".join(said[claim] for claim in claims)}?',
        "",
        "Exit status: 1 the claim is violated, 0 it holds. Needs celery and redis, and a",
        "redis-server on PATH, or in REDIS_URL a Redis that may be used. All it starts is on this",
        "machine, and ends with it.",
        "",
        *(
            f"- {fault.inner.kind}: {_told(fault.inner)}"
            for place, fault in enumerate(scenario.faults)
            if fault.strikes(scenario.seed, place)
        ),
        "Written for "
        + ", ".join(f"{name} {version(name)}" for name in ("celery", "kombu", "redis"))
        + ".",
        '"""',
        "",
        "import json, os, random, signal, threading, time",
        "",
        "from celery import Celery",
        "",
    ]
    return "\n".join(lines)


def _told(fault: Any) -> str:
    settings = fault.model_dump(exclude={"kind", "when"}, exclude_none=True)
    when = fault.when.model_dump(exclude={"on"}, exclude_none=True)
    return ", ".join(f"{name} {value}" for name, value in {**settings, **when}.items())


def _plan(scenario: Scenario, commands: list[Command], claims: tuple[Claim, ...]) -> dict[str, Any]:
    from sandbox.engines.live.publish import publishing

    return {
        "claims": claims,
        "workers": {name: _worker(scenario, name) for name in scenario.worker_names},
        "publications": [(p.at_s, p.type, f"{p.type}/{p.n}") for p in schedule(scenario)],
        "publish": {kind.name: publishing(kind) for kind in scenario.tasks},
        "commands": [
            {
                "verb": command.verb,
                "arguments": command.arguments,
                "when": command.when.model_dump(),
            }
            for command in commands
        ],
        "own_only": [*_OWN_ONLY, *_OWN_TOO],
        "queues": scenario.queues,
        "steps": scenario.broker.priority_steps,
        "appendonly": "yes" if scenario.broker.persistence == "aof" else "no",
        "deadline_s": min(scenario.ends_by_s, _MOST_S),
    }


def _worker(scenario: Scenario, name: str) -> dict[str, Any]:
    """Return how one worker is started: options of its command, settings, environment."""
    pool = scenario.pool_of(name)
    assert pool is not None
    options = [
        "-n",
        f"{name}@reproduced",
        "-P",
        pool.pool,
        "-Q",
        ",".join(pool.queues),
        "-l",
        "INFO",
    ]
    options += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    env: dict[str, str] = {}
    if pool.autoscale is not None:
        options.append(f"--autoscale={pool.autoscale[0]},{pool.autoscale[1]}")
        env["AUTOSCALE_KEEPALIVE"] = f"{pool.autoscale_keepalive_s:g}"
    else:
        options += ["-c", str(pool.concurrency)]
    if pool.max_tasks_per_child is not None:
        options.append(f"--max-tasks-per-child={pool.max_tasks_per_child}")
    conf = {
        "worker_prefetch_multiplier": pool.prefetch_multiplier,
        "worker_disable_prefetch": pool.disable_prefetch,
        "worker_eta_task_limit": pool.eta_task_limit,
        "worker_soft_shutdown_timeout": pool.soft_shutdown_timeout_s,
        "worker_enable_soft_shutdown_on_idle": pool.soft_shutdown_on_idle,
    }
    return {"options": " ".join(options), "conf": conf, "env": env}


def _part(name: str) -> str:
    """Return the text of a part after its heading."""
    text = files("sandbox.export").joinpath("parts", f"{name}.py").read_text(encoding="utf-8")
    return text.partition("\n# ---\n")[2]


def _functions(text: str) -> list[ast.FunctionDef]:
    return [part for part in ast.parse(text).body if isinstance(part, ast.FunctionDef)]


def _needed(text: str, verbs: set[str]) -> str:
    """Return the verbs' text without those that are not used."""
    used = {f"do_{verb}" for verb in verbs} | ({"do_sweep"} if "skip" in verbs else set())
    dropped: set[int] = set()
    for function in _functions(text):
        if function.name.startswith("do_") and function.name not in used:
            # With the two empty lines after it.
            dropped |= set(range(function.lineno - 1, (function.end_lineno or 0) + 2))
    kept = [line for i, line in enumerate(text.splitlines()) if i not in dropped]
    return "\n".join(kept).rstrip() + "\n\n"
