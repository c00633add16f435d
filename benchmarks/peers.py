"""One M/M/c queue, as the users of SimPy, Ciw and salabim write it: each returns its waits.

Arrivals stop at ``horizon_s`` and mean service is 1 s. Each draws its own random numbers.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from typing import Any

import ciw
import numpy as np
import salabim
import simpy


def textbook(rate_per_s: float, servers: int, horizon_s: float, seed: int) -> list[float]:
    """SimPy with a Resource and a process for each customer, as its documentation does."""
    env = simpy.Environment()
    desks, draws = simpy.Resource(env, servers), np.random.default_rng(seed)
    waits: list[float] = []

    def customer() -> Iterator[simpy.Event]:
        arrived = env.now
        with desks.request() as request:
            yield request
            waits.append(env.now - arrived)
            yield env.timeout(draws.exponential(1.0))

    def source() -> Iterator[simpy.Event]:
        while env.now < horizon_s:
            yield env.timeout(draws.exponential(1 / rate_per_s))
            env.process(customer())

    env.process(source())
    env.run()
    return waits


def in_ciw(rate_per_s: float, servers: int, horizon_s: float, seed: int) -> list[float]:
    """Ciw with one node; its records hold the waits."""
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate_per_s)],
        service_distributions=[ciw.dists.Exponential(1.0)],
        number_of_servers=[servers],
    )
    ciw.seed(seed)
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(horizon_s)
    return [record.waiting_time for record in simulation.get_all_records()]


def in_salabim(rate_per_s: float, servers: int, horizon_s: float, seed: int) -> list[float]:
    """Salabim in its quickest style: desks that are activated and passivate, over a deque."""
    env = salabim.Environment(trace=False, yieldless=False)
    draws, line, waits = random.Random(seed), deque[float](), list[float]()

    class Desk(salabim.Component):  # type: ignore[misc]
        def process(self) -> Iterator[Any]:
            while True:
                while not line:
                    idle.append(self)
                    yield self.passivate()
                waits.append(env.now() - line.popleft())
                yield self.hold(draws.expovariate(1.0))

    class Source(salabim.Component):  # type: ignore[misc]
        def process(self) -> Iterator[Any]:
            while env.now() < horizon_s:
                yield self.hold(draws.expovariate(rate_per_s))
                line.append(env.now())
                if idle:
                    idle.popleft().activate()

    idle = deque[Desk]()
    for _ in range(servers):
        Desk()
    Source()
    env.run()
    return waits
