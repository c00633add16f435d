"""The links: who reaches the broker by which address."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from sandbox.engines.live.broker import RunningBroker

PROXY = "proxy"
"""The name of the process that all links lead through."""
_PORT = 6379
_HERE = "127.0.0.1"


def behind(broker: RunningBroker) -> dict[str, Any] | None:
    """Return host and port that a proxy forwards to; None where it cannot be in the way.

    With TLS a client looks for the broker's own name in its certificate.
    """
    place = urlsplit(broker.url)
    if place.scheme != "redis":
        return None
    return {"host": place.hostname or _HERE, "port": place.port or _PORT}


class Links:
    """The link of each worker and client; whoever has none goes straight."""

    def __init__(self, broker: RunningBroker, ports: dict[str, int]) -> None:
        self._broker, self._ports = broker, ports

    @property
    def is_proxied(self) -> bool:
        """Whether a proxy is in the way, so that a link can be broken."""
        return bool(self._ports)

    def url(self, name: str) -> str:
        """Return the broker's URL as ``name`` is to use it."""
        port, place = self._ports.get(name), urlsplit(self._broker.url)
        if port is None:
            return self._broker.url
        secret, _, _ = place.netloc.rpartition("@")
        netloc = f"{secret}@{_HERE}:{port}" if secret else f"{_HERE}:{port}"
        return place._replace(netloc=netloc).geturl()

    def of(self, name: str) -> dict[str, str]:
        """Return what the supervisor is told of the link of a process."""
        return {"url": self.url(name), "prefix": self._broker.prefix}
