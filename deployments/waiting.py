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


@contextmanager
def hold(slot: Slot) -> Iterator[None]:
    """Hold a slot; code below finds it through `following`."""
    slot.take()
    _HELD.set(slot)
    try:
        yield
    finally:
        _HELD.set(None)  # not by token: the end may come in another context than the beginning
        slot.give()


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


__all__ = ["Slot", "following", "hold"]
