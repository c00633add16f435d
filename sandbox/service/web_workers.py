"""Web workers: exactly n threads that do what endpoints ask for, first come, first served."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial, wraps
from typing import Any

from fastapi.routing import APIRoute

from sandbox.service import guard
from sandbox.service.answers import Busy


class WebWorkers:
    """Threads for the endpoints of one door, each with connections of its own that it keeps.

    ``most_waiting`` requests other than GET may wait for one (None: any number); one more is
    refused. Work that has begun, or waits, is done even when its caller has gone.
    """

    def __init__(self, n: int, most_waiting: int | None = None, name: str = "web") -> None:
        self.n, self.most_waiting = n, most_waiting
        self._n_here = 0
        self._pool = ThreadPoolExecutor(n, thread_name_prefix=name)

    @property
    def waiting(self) -> int:
        """How many requests wait for a web worker; below 0, how many web workers are free."""
        return self._n_here - self.n

    async def do(self, work: Callable[[], Any]) -> Any:
        """Have a web worker do something, now or in turn; raises Busy, and what it raises."""
        waiting, is_read = self.waiting, guard.method.get() == "GET"
        if not is_read and self.most_waiting is not None and waiting >= self.most_waiting:
            raise Busy(f"{waiting} requests wait for a web worker already; try again later")
        self._n_here += 1
        try:
            context = contextvars.copy_context()
            return await asyncio.get_running_loop().run_in_executor(self._pool, context.run, work)
        finally:
            self._n_here -= 1

    async def do_each(self, work: Callable[[], Any]) -> None:
        """Have every web worker do something once, all at the same time."""
        together = threading.Barrier(self.n)

        def one() -> None:
            together.wait()
            work()

        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(self._pool, one) for _ in range(self.n)))

    def endpoint(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a coroutine that has a web worker run a plain endpoint; others stay as they are.

        FastAPI's own threads are forty, shared by all, and it would queue for one twice: once
        more to check the answer.
        """
        if inspect.iscoroutinefunction(function):
            return function

        @wraps(function)
        async def in_turn(*args: Any, **kwargs: Any) -> Any:
            return await self.do(partial(function, *args, **kwargs))

        return in_turn

    def route_class(self) -> type[APIRoute]:
        """Return the kind of route whose plain endpoints these web workers run."""
        workers = self

        class Route(APIRoute):
            def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
                super().__init__(path, workers.endpoint(endpoint), **options)

        return Route

    def close(self) -> None:
        """End the threads once their work is done; wait for none."""
        self._pool.shutdown(wait=False, cancel_futures=True)
