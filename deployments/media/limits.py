"""What an upload may not be: one sentence for each refusal."""

from __future__ import annotations

from typing import NoReturn

from deployments.errors import UndecodableMedia


def refuse(message: str) -> NoReturn:
    """Raises UndecodableMedia."""
    raise UndecodableMedia(message)


def within(value: float, cap: float, what: str, setting: str) -> None:
    """Raises UndecodableMedia for a value over its cap, naming the setting."""
    if value > cap:
        refuse(f"{what} is {value:.0f}, over the cap of {cap:.0f} ({setting})")


__all__ = ["refuse", "within"]
