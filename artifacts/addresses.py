"""Which object stores serve: what an address names, and what is refused."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlparse

from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from artifacts.errors import UnsuitableStore


def opened(url: str) -> tuple[ObjectStore, Path | None]:
    """The store at an ARTIFACT_STORE_URL, and its folder where it is one. UnsuitableStore."""
    parsed = urlparse(url)
    if parsed.scheme == "memory":
        return MemoryStore(), None
    if parsed.scheme == "file":
        root = Path(unquote(parsed.path))
        if parsed.netloc or not root.is_absolute():
            raise UnsuitableStore(f"ARTIFACT_STORE_URL {url!r} is not an absolute file:///… address")
        return LocalStore(root, mkdir=True), root
    try:
        return from_url(url), None
    except (ValueError, BaseError) as error:
        raise UnsuitableStore(f"ARTIFACT_STORE_URL {url!r} cannot be opened: {error}") from None


def refuse_unshared(url: str, nodes: int, allow_local: bool) -> None:
    """UnsuitableStore for one that the replicas of a cluster of this many nodes would not share."""
    scheme = urlparse(url).scheme
    if scheme == "memory":
        raise UnsuitableStore("memory:// is for tests: each replica would have a store of its own")
    if scheme == "file" and nodes > 1 and not allow_local:
        raise UnsuitableStore(
            f"a file:// store on a cluster of {nodes} nodes: name an object store (s3://, gs://, az://), or set "
            "ALLOW_LOCAL_STORE=1 when all of them mount that folder"
        )


__all__ = ["opened", "refuse_unshared"]
