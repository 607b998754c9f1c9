"""The place that a request holds among its tenant's, and how a follower lends it back while another request works."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Slot:
    """Taken and given back, in turns."""

    take: Callable[[], None]
    give: Callable[[], None]


_HELD: ContextVar[Slot | None] = ContextVar("slot", default=None)


class Held:
    """Holds a slot while it is entered; code below finds it through `following`."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot

    def __enter__(self) -> None:
        self._slot.take()
        _HELD.set(self._slot)

    def __exit__(self, *_: object) -> None:
        _HELD.set(None)  # not by token: the end may come in another context than the beginning
        self._slot.give()


@contextmanager
def following() -> Iterator[None]:
    """Give this request's slot back while it waits for a computation that another one leads."""
    slot = _HELD.get()
    if slot is None:
        yield
        return
    slot.give()
    try:
        yield
    finally:
        slot.take()


__all__ = ["Held", "Slot", "following"]
