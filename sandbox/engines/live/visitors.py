"""The visitors of the front door: real HTTP requests at their times, and polls for results."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from functools import partial
from pathlib import Path

from sandbox.engines.live import app as apps
from sandbox.engines.live.calls import address
from sandbox.engines.live.front import FILE, PENDING
from sandbox.engines.live.writer import Writer
from sandbox.front import FrontDoor

_OUTCOMES = {200: "done", 500: "failed", 503: "refused"}
_ACCEPTED = 202


class Visitors:
    """One visitor a request: asks, polls if told to, and writes down what it sees."""

    def __init__(self, door: FrontDoor, writer: Writer) -> None:
        self._door, self._writer = door, writer
        self._port, self._token = address(FILE)

    async def visit(self, n: int, at: float) -> None:
        """Make request n at a monotonic time and wait for its answer, or give up."""
        await asyncio.sleep(at - time.monotonic())
        key = f"{self._door.task}/{n}"
        self._writer.write("requested", task=key)
        try:
            outcome = await asyncio.wait_for(self._outcome(n, key), self._door.timeout_s)
        except TimeoutError:
            outcome = "timed out"
        except OSError as exc:
            outcome = f"no answer: {exc}"
        self._writer.write("answered", task=key, detail={"outcome": outcome})

    async def _outcome(self, n: int, key: str) -> str:
        status = await self._get(f"/do/{n}")
        if status == _ACCEPTED:
            self._writer.write("accepted", task=key)
        while status in (_ACCEPTED, PENDING):
            await asyncio.sleep(self._door.poll_every_s)
            self._writer.write("polled", task=key)
            status = await self._get(f"/result/{n}")
        return _OUTCOMES.get(status, f"status {status}")

    async def _get(self, path: str) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(f"GET /{self._token}{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            line = await reader.readline()
            if not line:
                raise ConnectionResetError("the front door has closed the connection")
            return int(line.split()[1])
        finally:
            writer.close()


async def _visit(folder: Path, writer: Writer) -> None:
    scenario = apps.scenario_of(folder)
    door = scenario.front_door
    if door is None:
        raise ValueError("the scenario has no front door")
    orders = asyncio.StreamReader()
    protocol = partial(asyncio.StreamReaderProtocol, orders)
    await asyncio.get_running_loop().connect_read_pipe(protocol, sys.stdin)
    writer.write("_visitors_ready")
    go = json.loads(await orders.readline())["go"]
    # By now the front door, which is waited for as this process is, has noted its port.
    visitors = Visitors(door, writer)
    times = enumerate(door.arrivals_s(scenario))
    await asyncio.gather(*(visitors.visit(n, go + at_s) for n, at_s in times))
    writer.write("_visitors_done")
    await orders.readline()


def main(folder: Path, _: apps.Link) -> None:
    """Play the visitors of the scenario in ``folder``; ends with its supervisor."""
    asyncio.run(_visit(folder, Writer(folder / "raw" / "visitors.jsonl")))
