"""The front door as a real HTTP server on loopback, with n threads as its web workers.

Compare engines/model/front.py. A system's own door is served by uvicorn. Else it is the plain one
here: one connection a request, ``GET /TOKEN/do/7`` does or publishes request 7, and
``GET /TOKEN/result/7`` reads its state from the result backend.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from celery import Celery

from sandbox.draws import draw_s, uniform
from sandbox.engines.live import app as apps
from sandbox.engines.live import data
from sandbox.engines.live.calls import note_address
from sandbox.engines.live.fronts import FILE
from sandbox.engines.live.publish import publishing
from sandbox.engines.live.recorder import record_publishing
from sandbox.engines.live.writer import Writer
from sandbox.front import FrontDoor
from sandbox.scenario import Scenario

_BACKLOG = 4096
_OK, _ACCEPTED, _FAILED, _BUSY, _UNKNOWN = 200, 202, 500, 503, 404
PENDING = 204


class Front:
    """Takes requests in turn; a thread of the pool does what each asks for."""

    def __init__(self, scenario: Scenario, door: FrontDoor, app: Celery) -> None:
        self._scenario, self._door, self._app = scenario, door, app
        self._kind = scenario.task(str(door.task))
        self._pool = ThreadPoolExecutor(door.n_web_workers)
        self._n_here = 0
        self.token = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, also when its visitor has gone meanwhile."""
        try:
            _, path, _ = (await reader.readline()).decode("ascii").split(" ", 2)
            _, token, what, number = path.split("/")
            if not secrets.compare_digest(token, self.token):
                raise PermissionError
            status = await self._in_turn(what, int(number))
        except (OSError, ValueError):
            status = _UNKNOWN
        try:
            writer.write(f"HTTP/1.1 {status} -\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
        except OSError:
            pass  # it has given up; the work is done all the same
        finally:
            writer.close()

    async def _in_turn(self, what: str, n: int) -> int:
        most, waiting = self._door.most_waiting, self._n_here - self._door.n_web_workers
        if what == "do" and most is not None and waiting >= most:
            return _BUSY
        self._n_here += 1
        try:
            work = {"do": self._do, "result": self._look}[what]
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, n)
        finally:
            self._n_here -= 1

    def _do(self, n: int) -> int:
        kind, seed = self._kind, self._scenario.seed
        if self._door.mode == "async":
            key = f"{kind.name}/{n}"
            self._app.tasks[kind.name].apply_async(task_id=key, **publishing(kind))
            return _ACCEPTED
        time.sleep(draw_s(kind.service, seed, f"{kind.name}/service", n))
        fails = uniform(seed, f"{kind.name}/failure", n) < kind.p_failure
        return _FAILED if fails else _OK

    def _look(self, n: int) -> int:
        state = self._app.AsyncResult(f"{self._kind.name}/{n}").state
        return {"SUCCESS": _OK, "FAILURE": _FAILED, "REVOKED": _FAILED}.get(state, PENDING)


async def _serve(front: Front, listening: socket.socket, writer: Writer) -> None:
    server = await asyncio.start_server(front.answer, sock=listening, backlog=_BACKLOG)
    front.token = note_address(listening.getsockname()[1], FILE)
    writer.write("_front_ready")
    await server.serve_forever()


def main(folder: Path, link: apps.Link) -> None:
    """Serve the front door of the scenario in ``folder``; ends with its supervisor."""
    scenario, writer = apps.scenario_of(folder), Writer(folder / "raw" / "front.jsonl")
    if scenario.front_door is None:
        raise ValueError("the scenario has no front door")
    data.place(folder, link.ledger)
    app = apps.build(scenario, link)
    record_publishing(writer)
    with app.producer_pool.acquire(block=True) as producer:
        producer.connection.ensure_connection(max_retries=3)
    # What the first publish would pay for once: the subscription to results.
    app.backend.result_consumer.consume_from("warm-up")
    listening = socket.create_server(("127.0.0.1", scenario.front_door.port), backlog=_BACKLOG)
    if scenario.front_door.app is not None:
        from sandbox.engines.live.own_front import serve

        serve(scenario.front_door, app, listening, writer)
    else:
        asyncio.run(_serve(Front(scenario, scenario.front_door, app), listening, writer))
