"""Which broker can take which verb: known before anything has been started.

A broker at a URL is somebody else's: what would stop it, empty it, fill it or take its bandwidth
is refused. All else touches only our own keys and, through our proxy, our own connections.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from sandbox.engines.live.broker import BrokerChoice
from sandbox.errors import ScenarioError
from sandbox.scenario import Scenario

MEMORY = frozenset({"evict", "fill_memory", "free_memory"})
OWN = MEMORY | {
    "bandwidth", "flush", "pause_broker", "resume_broker", "start_broker", "stop_broker",
}  # fmt: skip
PROXIED = frozenset({"bandwidth", "cut_off", "half_open", "latency", "mend_link"})


def refusal(verb: str, choice: BrokerChoice) -> str | None:
    """Return why a verb is not for this broker: the end of a sentence, or None.

    >>> refusal("evict", BrokerChoice("fake", ""))
    "the fake broker has no maxmemory; allowed: 'redis'"
    """
    if verb in OWN and choice.url is not None:
        return "the broker is not the sandbox's own; others may use it"
    if verb in MEMORY and choice.kind == "fake":
        return "the fake broker has no maxmemory; allowed: 'redis'"
    goes_by_proxy = verb in PROXIED or (verb == "drop_connections" and choice.url is not None)
    if goes_by_proxy and choice.url is not None and urlsplit(choice.url).scheme != "redis":
        return "no proxy can be in a link with TLS; allowed: a redis:// broker"
    return None


def check_faults(scenario: Scenario, choice: BrokerChoice) -> None:
    """Raise ScenarioError when a fault, should it strike, is not for this broker."""
    for place, fault in enumerate(scenario.faults):
        for command in fault.commands():
            why = refusal(command.verb, choice)
            if why is not None:
                kind = fault.inner.kind
                raise ScenarioError(f"{fault.where(place)}.kind is {kind!r}, but {why}")
