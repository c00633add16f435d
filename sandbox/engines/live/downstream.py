"""The dependencies as a real server on loopback: one process, all of the scenario's services.

Compare engines/model/downstream.py.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sandbox.dependencies import Dependency
from sandbox.engines.downstream import Line
from sandbox.engines.live.calls import DOWNSTREAM, note_address
from sandbox.engines.live.writer import Writer
from sandbox.scenario import Scenario

_BACKLOG = 4096
_LONGEST_LINE = 65536


class _Caller:
    """One call: what it asks for, and the answer once there is one."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.service_s, self.task = float(order["service_s"]), str(order["task"])
        self.retry = int(order["retry"])
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()


class _Service(Line[_Caller]):
    """One dependency, on the event loop's clock."""

    def __init__(self, settings: Dependency, writer: Writer) -> None:
        super().__init__(settings)
        self.outages, self._writer = settings.outages, writer
        self._loop = asyncio.get_running_loop()

    def begin(self, call: _Caller) -> None:
        """Serve a call for the time it asks for."""
        self._note("call_started", call)
        self._loop.call_later(call.service_s * self.factor, self.serve_out, call)

    def ended(self, call: _Caller, outcome: str) -> None:
        """Record how a call ended, and answer who is still there."""
        self._note("call_ended", call, outcome=outcome)
        if not call.answer.done():
            call.answer.set_result(outcome)

    def changed(self, kind: str, how: str) -> None:
        """Record an outage's begin or end."""
        self._writer.write(kind, detail={"dependency": self.name, "how": how})

    def call(self, call: _Caller) -> None:
        """Take a call."""
        self._note("called", call)
        self.arrive(call)

    def _note(self, kind: str, call: _Caller, **detail: str) -> None:
        told = {"dependency": self.name} | detail
        self._writer.write(kind, task=call.task, retry=call.retry, detail=told)


class _Server:
    """Answers callers on a loopback port, and the orders on standard input."""

    def __init__(self, scenario: Scenario, writer: Writer) -> None:
        self._writer = writer
        self._services = {d.name: _Service(d, writer) for d in scenario.dependencies}
        self.token = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one call; a caller that hangs up meanwhile leaves its line."""
        try:
            order = json.loads(await reader.readline())
            if not secrets.compare_digest(order["token"], self.token):
                return
            service, call = self._services[order["dependency"]], _Caller(order)
            service.call(call)
            hung_up = asyncio.ensure_future(reader.read(1))
            first: list[asyncio.Future[Any]] = [call.answer, hung_up]
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            hung_up.cancel()
            if call.answer.done():
                writer.write(call.answer.result().encode() + b"\n")
                await writer.drain()
            else:
                service.leave(call)
        except (OSError, ValueError, KeyError, TypeError):
            pass  # not one of our tasks, or one that has died: nobody waits for an answer
        finally:
            writer.close()

    def obey(self, order: dict[str, Any]) -> None:
        """Carry out an order of the controls, or begin the run."""
        loop = asyncio.get_running_loop()
        if "go" in order:
            passed = time.monotonic() - order["go"]
            for service in self._services.values():
                for outage in service.outages:
                    loop.call_later(outage.from_s - passed, service.go_down, outage.how)
                    loop.call_later(outage.to_s - passed, service.come_up, outage.how)
            return
        service = self._services[order["dependency"]]
        if order["verb"] == "slow":
            service.factor = float(order["factor"])
        else:
            service.go_down()
            loop.call_later(order["for_s"], service.come_up)
        self._writer.write("_answer", detail={"number": order["number"], "result": None})


async def _serve(folder: Path, writer: Writer) -> None:
    server = _Server(Scenario.from_file(folder / "scenario.json"), writer)
    listening = await asyncio.start_server(server.answer, "127.0.0.1", 0, backlog=_BACKLOG)
    server.token = note_address(listening.sockets[0].getsockname()[1])
    orders = asyncio.StreamReader(limit=_LONGEST_LINE)
    protocol: Callable[[], asyncio.StreamReaderProtocol]
    protocol = partial(asyncio.StreamReaderProtocol, orders)
    await asyncio.get_running_loop().connect_read_pipe(protocol, sys.stdin)
    writer.write(f"_{DOWNSTREAM}_ready")
    while line := await orders.readline():
        server.obey(json.loads(line))


def main(folder: Path) -> None:
    """Serve the dependencies of the scenario in ``folder``; ends with its supervisor."""
    asyncio.run(_serve(folder, Writer(folder / "raw" / f"{DOWNSTREAM}.jsonl")))
