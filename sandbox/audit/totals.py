"""Totals: the accounts of all tasks, added up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.audit.account import Account


@dataclass(frozen=True)
class Totals:
    """How many tasks, what happened to them altogether, and how many came to what harm.

    ``effects`` and ``effective`` are those of the tasks that a ledger is kept of.
    """

    tasks: int = 0
    published: int = 0
    delivered: int = 0
    started: int = 0
    succeeded: int = 0
    effects: int = 0
    effective: int = 0
    lost: int = 0
    duplicated: int = 0
    stuck: int = 0
    reordered: int = 0
    late: int = 0

    @classmethod
    def of(cls, accounts: Iterable[Account]) -> Totals:
        """Add up.

        >>> Totals.of([Account("hi/0", "lost", (), (), n_delivered=2)]).lost
        1
        """
        found = list(accounts)
        return cls(
            tasks=len(found),
            published=sum(one.n_published for one in found),
            delivered=sum(one.n_delivered for one in found),
            started=sum(one.n_started for one in found),
            succeeded=sum(one.n_succeeded for one in found),
            effects=sum(one.n_effects or 0 for one in found),
            effective=sum(one.n_effective or 0 for one in found),
            lost=sum(one.verdict == "lost" for one in found),
            duplicated=sum(one.duplicated for one in found),
            stuck=sum(one.verdict == "stuck" for one in found),
            reordered=sum(one.overtaken_by is not None for one in found),
            late=sum(one.late_s is not None for one in found),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the totals as what JSON can hold."""
        return asdict(self)

    def __str__(self) -> str:
        """Say them in two lines."""
        return (
            f"published {self.published}, delivered {self.delivered}, started {self.started}, "
            f"succeeded {self.succeeded}, effects applied {self.effects}, "
            f"effective {self.effective}\n"
            f"lost {self.lost}, duplicated {self.duplicated}, stuck {self.stuck}, "
            f"reordered {self.reordered}, late {self.late}"
        )
