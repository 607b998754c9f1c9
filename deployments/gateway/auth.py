"""API keys: AUTH_MODE=keys. A key says which tenants and envs it may name, and whether to read, write or delete.

Only hashes are kept. A secret holds 256 random bits, so one round of SHA-256 is enough: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from artifacts import Scope
from deployments.errors import Forbidden, Unauthorized

log = logging.getLogger(__name__)

Right = Literal["read", "write", "delete"]
RIGHT_OF = {"GET": "read", "HEAD": "read", "POST": "write", "PUT": "write", "PATCH": "write", "DELETE": "delete"}
"""What a method needs, where its route says nothing else."""
SCHEME = "bearer "
LONGEST = 256
"""Characters of an Authorization header that are worth a hash."""


class Key(BaseModel):
    """A row of the keys' file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^key_[a-z0-9]{8,32}$")
    """What logs and operators call it; no secret."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    tenants: frozenset[str] = Field(min_length=1)
    envs: frozenset[str] = Field(min_length=1)
    rights: frozenset[Right] = Field(min_length=1)

    @field_validator("tenants", "envs", mode="after")
    @classmethod
    def _named(cls, value: frozenset[str], info: object) -> frozenset[str]:
        for part in value:  # a tenant or an env that no scope can have would be a key for nothing
            tenant, env = (part, "dev") if getattr(info, "field_name", "") == "tenants" else ("t_any", part)
            try:
                Scope(tenant, env)
            except Exception as error:
                raise ValueError(str(error)) from None
        return value

    def check(self, scope: Scope, right: str) -> None:
        """Forbidden when this key may not act in that scope, or not in that way."""
        if scope.tenant not in self.tenants or scope.env not in self.envs:
            raise Forbidden("this API key is not for that tenant and env; use one that is")
        if right not in self.rights:
            raise Forbidden(f"this API key may not {right}; use one that may", right=right)


class KeysFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")

    keys: list[Key] = []


class Keys:
    """The keys of a file, read again when it changes. ValueError where it is malformed at the start.

    A file that is gone holds no keys; one that becomes malformed lets nobody in until it is mended.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._rows: list[Key] = []
        try:
            self._refresh()
        except ValidationError as error:
            raise ValueError(f"API_KEYS_FILE: {_reason(error)}") from None
        if not self._rows:
            log.warning("AUTH_MODE is keys and there are none: all are refused; `python -m deployments key` makes one")

    def find(self, authorization: str) -> Key:
        """The key that `Authorization: Bearer …` carries. Every row is compared, each in constant time."""
        try:
            self._refresh()
        except ValidationError as error:
            log.error("API_KEYS_FILE is malformed, nobody is let in: %s", _reason(error))
        if len(authorization) > LONGEST or authorization[: len(SCHEME)].lower() != SCHEME:
            raise Unauthorized("send an API key: `Authorization: Bearer <key>`")
        digest = _hash(authorization[len(SCHEME) :].strip())
        found = [row for row in self._rows if hmac.compare_digest(row.sha256, digest)]
        if not found:
            raise Unauthorized("this API key is not known here; it may have been withdrawn")
        return found[0]

    def _refresh(self) -> None:
        try:
            state = self._path.stat()
            now = (state.st_mtime_ns, state.st_ino, state.st_size)
        except OSError:
            self._seen, self._rows = None, []
            return
        if now != self._seen:
            self._seen, self._rows = now, []  # in this order: a malformed file is read once, and lets nobody in
            self._rows = KeysFile.model_validate_json(self._path.read_bytes()).keys


def make_key(path: Path, tenants: Iterable[str], envs: Iterable[str], rights: Iterable[str]) -> tuple[str, Key]:
    """A new key, its hash appended to the file; the secret is returned and kept nowhere. Raises ValidationError."""
    secret = f"mb_{secrets.token_urlsafe(32)}"
    row = Key.model_validate(
        {
            "id": f"key_{secrets.token_hex(5)}",
            "sha256": _hash(secret),
            "tenants": list(tenants),
            "envs": list(envs),
            "rights": list(rights),
        }
    )
    held = KeysFile.model_validate_json(path.read_bytes()) if path.exists() else KeysFile()
    held.keys.append(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(held.model_dump_json(indent=2) + "\n")
    draft.replace(path)  # a reader sees the old file or the new one
    return secret, row


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


__all__ = ["RIGHT_OF", "Key", "Keys", "KeysFile", "Right", "make_key"]
