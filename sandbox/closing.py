"""Closing: what is used in a ``with`` block and closed when that ends."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Protocol, Self


class Closing(Protocol):
    """Base of what owns something: leaving its ``with`` block closes it, also on an error.

    >>> class Door(Closing):
    ...     def close(self) -> None:
    ...         print("closed")
    >>> with Door():
    ...     print("open")
    open
    closed
    """

    def close(self) -> Any:
        """End all that it owns; a second call does no harm."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
