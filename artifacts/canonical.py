"""Canonical bytes and the ids that follow from them: RFC 8785 JSON, SHA-256, lower-case base32 without padding."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from typing import Any

import rfc8785

from artifacts.scope import Scope

ID = re.compile(r"[a-z]+_[a-z2-7]{8,64}")


def canonical(value: Any) -> bytes:
    """RFC 8785 canonical JSON; ValueError for what JSON cannot say (NaN, bytes, integers beyond 2^53)."""
    return rfc8785.dumps(value)


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
