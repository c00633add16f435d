"""Wrong models of retries."""

from __future__ import annotations

from typing import Any

from sandbox.engines.model import chance, worker
from tests.mutants.registry import Patch, before, mutant


@mutant("one retry too many", "self.retry with a factor")
def _(patch: Patch) -> None:
    _retries_off_by(patch, -1)


@mutant("one retry too few", "backoff doubles")
def _(patch: Patch) -> None:
    _retries_off_by(patch, 1)


def _retries_off_by(patch: Patch, by: int) -> None:
    def countdown_s(self: chance.Chance, key: str, retry: int) -> float | None:
        for policy in self.task.retries:
            if policy.max_retries > retry + by:
                return self._countdown_s(policy, key, retry)
        return None

    patch.setattr(chance.Chance, "countdown_s", countdown_s)


@mutant("only the first retry policy is used", "self.retry inside autoretry")
def _(patch: Patch) -> None:
    def countdown_s(self: chance.Chance, key: str, retry: int) -> float | None:
        policy = self.task.retries[0]
        return self._countdown_s(policy, key, retry) if policy.max_retries > retry else None

    patch.setattr(chance.Chance, "countdown_s", countdown_s)


@mutant("the jitter is a second longer", "jitter, seed 4")
def _(patch: Patch) -> None:
    original = chance.full_jitter
    patch.setattr(chance, "full_jitter", lambda *arguments: original(*arguments) + 1)


@mutant("the backoff does not double", "backoff doubles")
def _(patch: Patch) -> None:
    original = chance.Chance._countdown_s
    patch.setattr(
        chance.Chance, "_countdown_s", lambda self, policy, key, _: original(self, policy, key, 0)
    )


@mutant("the backoff has no maximum", "backoff has a maximum")
def _(patch: Patch) -> None:
    original = chance.Chance._countdown_s

    def endless(self: chance.Chance, policy: Any, key: str, retry: int) -> float:
        return original(self, policy.but(backoff_max_s=600), key, retry)

    patch.setattr(chance.Chance, "_countdown_s", endless)


@mutant("a countdown is not waited for", "self.retry late")
def _(patch: Patch) -> None:
    before(patch, worker.Worker, "_receive", lambda self, message: setattr(message, "eta_s", None))
