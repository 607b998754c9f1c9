"""Canonical bytes and the ids that follow from them: RFC 8785 JSON, SHA-256, lower-case base32 without padding."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from json.encoder import encode_basestring as _quoted
from typing import Any

import rfc8785

from artifacts.scope import Scope

ID = re.compile(r"[a-z]+_[a-z2-7]{8,64}")


def canonical(value: Any) -> bytes:
    """RFC 8785 canonical JSON; ValueError for what JSON cannot say (NaN, bytes, integers beyond 2^53)."""
    return _text(value).encode()


def _text(value: Any) -> str:
    """The usual values are written here, in a fifth of the library's time; it writes the rest, and refuses what none
    may write. Every request needs some of these, and they were a third of a found one's time."""
    kind = type(value)
    if kind is str:
        return _quoted(value)
    if kind is dict and all(type(name) is str and name.isascii() for name in value):  # others sort by UTF-16
        return "{" + ",".join([f"{_quoted(name)}:{_text(value[name])}" for name in sorted(value)]) + "}"
    if kind is list or kind is tuple:
        return "[" + ",".join(map(_text, value)) + "]"
    if value is None or kind is bool:
        return _LITERALS[value]
    if kind is int and -_EXACT <= value <= _EXACT:
        return str(value)
    if kind is float and -_EXACT <= value <= _EXACT:
        if value.is_integer():
            return str(int(value))
        text = repr(value)
        if "e" not in text:  # from 1e-4 up Python writes as ECMAScript does
            return text
    return rfc8785.dumps(value).decode()


_LITERALS = {None: "null", True: "true", False: "false"}
_EXACT = 2**53 - 1
"""Largest magnitude of an integer that RFC 8785 takes."""


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON, lower-case hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


def make_id(prefix: str, *parts: Any) -> str:
    """`prefix_` + base32(SHA-256 of the parts as one canonical array)."""
    raw = hashlib.sha256(canonical(list(parts))).digest()
    return f"{prefix}_{base64.b32encode(raw).decode().rstrip('=').lower()}"


def is_id(text: str) -> bool:
    return ID.fullmatch(text) is not None


def cache_key(
    *,
    scope: Scope,
    inputs: Sequence[str],
    operation: str,
    parameters: dict[str, Any],
    backend: str,
    backend_version: str,
    weights_id: str | None,
) -> str:
    """The identity of a computation (spec §3), lower-case hex. The order of `inputs` counts."""
    return digest(
        {
            "scope": [scope.tenant, scope.env],
            "inputs": list(inputs),
            "operation": operation,
            "parameters": parameters,
            "backend": backend,
            "backend_version": backend_version,
            "weights_id": weights_id,
        }
    )


__all__ = ["cache_key", "canonical", "digest", "is_id", "make_id"]
