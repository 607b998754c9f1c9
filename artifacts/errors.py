"""What the registry can refuse. deployments/errors.py maps each to a status."""

from __future__ import annotations

from typing import Any


class RegistryError(Exception):
    """Base of this file. `field` names the offending part of a request, where there is one."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field

    def __reduce__(self) -> tuple[Any, ...]:  # Ray pickles errors
        return type(self), (self.message, self.field)


class MissingScope(RegistryError):
    """No tenant or no env was given."""


class InvalidScope(RegistryError):
    """A tenant or env that no scope can have."""


class NotFound(RegistryError):
    """Nothing with that id in this scope. The message is the same for an absent id and for another tenant's."""

    def __init__(self, message: str = "nothing with this id exists here", field: str | None = None) -> None:
        super().__init__(message, field)


class PrefixViolation(RegistryError):
    """A key outside the caller's tenants/{tenant}/{env}/."""


class InvalidMeta(RegistryError):
    """An unknown kind, or meta that lacks or mistypes what the kind requires."""


class Conflict(RegistryError):
    """The request contradicts what is stored: descendants stand, a key is taken, a side goes with its main."""

    def __init__(self, message: str, field: str | None = None, count: int | None = None) -> None:
        super().__init__(message, field)
        self.count = count
        """Of the descendants that stand in the way."""

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.field, self.count)


class VersionConflict(RegistryError):
    """A document changed meanwhile, or If-Match names another version."""


class UnsuitableStore(RegistryError):
    """The store lacks what the registry needs, or its address is not usable."""


__all__ = [
    "Conflict",
    "InvalidMeta",
    "InvalidScope",
    "MissingScope",
    "NotFound",
    "PrefixViolation",
    "RegistryError",
    "UnsuitableStore",
    "VersionConflict",
]
