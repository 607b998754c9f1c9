"""The object store: create-only puts, compare-and-swap, streams. obstore underneath; `file://` made durable.

obstore's LocalStore neither fsyncs nor knows conditional updates, so for `file://` a put is followed by an fsync of the
file and its folder, and an update takes a lock file and an atomic rename (artifacts/disk.py; measured:
docs/decisions.md).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlparse

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    NotFoundError,
    NotModifiedError,
    NotSupportedError,
    PreconditionError,
)
from obstore.store import AzureStore, GCSStore, S3Store

from artifacts import files
from artifacts.addresses import opened
from artifacts.disk import Disk
from artifacts.errors import NotFound, UnsuitableStore, VersionConflict
from artifacts.files import Item
from artifacts.upload import Upload

SWAP_ATTEMPTS = 64
CHUNK = 1 << 20
MISSING = (FileNotFoundError, NotFoundError)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored object."""

    key: str
    size: int
    """In bytes."""
    since: float
    """Seconds since the epoch."""


class Store:
    """Bytes by key. All verbs block; on `file://` and `memory://` for microseconds (`is_local`)."""

    def __init__(self, url: str) -> None:
        self._objects, root = opened(url)
        self.disk = Disk(root) if root is not None else None
        self.is_local = urlparse(url).scheme in ("file", "memory")
        self._by_hand = self.disk is not None and files.can(self.disk.folder)
        self._probe()

    def _probe(self) -> None:
        """UnsuitableStore unless a create-only put refuses the second writer."""
        key = f"system/probe/{secrets.token_hex(8)}"
        try:
            suitable = self.create(key, b"1") and not self.create(key, b"2")
        except (NotImplementedError, NotSupportedError):
            suitable = False
        self.delete(key)
        if not suitable:
            raise UnsuitableStore(
                "the store has no create-only put, without which two writers could overwrite each other"
            )

    # reading

    def get(self, key: str) -> bytes:
        """The bytes; NotFound."""
        if self.disk is not None:  # a plain read is six times faster than a trip through the store's own threads
            return self.disk.read(key)
        try:
            return bytes(obstore.get(self._objects, key).bytes())
        except MISSING:
            raise NotFound from None

    def exists(self, key: str) -> bool:
        if self.disk is not None:
            return self.disk.holds(key)
        try:
            obstore.head(self._objects, key)
        except MISSING:
            return False
        return True

    def size(self, key: str) -> int:
        try:
            return int(obstore.head(self._objects, key)["size"])
        except MISSING:
            raise NotFound from None

    async def stream(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes [start, end) in chunks."""
        result = await obstore.get_async(self._objects, key, options={"range": (start, end)})
        async for chunk in result.stream(min_chunk_size=CHUNK):
            yield bytes(chunk)

    def sign(self, key: str, seconds: int) -> str | None:
        """An address that gives the bytes to whoever has it, for so long; None where the store signs none."""
        if not isinstance(self._objects, (S3Store, GCSStore, AzureStore)):
            return None
        return str(obstore.sign(self._objects, "GET", key, timedelta(seconds=seconds)))

    def keys(self, prefix: str) -> Iterator[str]:
        for batch in obstore.list(self._objects, prefix):
            for item in batch:
                yield item["path"]

    def entries(self, prefix: str) -> Iterator[Entry]:
        """What lies under a prefix, and since when.

        On `file://` since the inode last changed: a hard link or a rename is new, though its bytes are older.
        """
        for batch in obstore.list(self._objects, prefix):
            for item in batch:
                since = self.disk.since(item["path"]) if self.disk else item["last_modified"].timestamp()
                if since is not None:
                    yield Entry(item["path"], item["size"], since)

    async def aside(self, function: Callable[..., T], *args: Any, **named: Any) -> T:
        """Call what blocks on this store: in place where that takes microseconds, else in a thread."""
        if self.is_local:
            return function(*args, **named)
        return await asyncio.to_thread(function, *args, **named)

    def local_path(self, key: str) -> Path | None:
        """The file behind a key, on `file://` alone. Never write to it."""
        return self.disk.root / key if self.disk is not None else None

    def copy_to(self, key: str, path: Path) -> None:
        """Stream the bytes into a file; NotFound."""
        chunks = self.chunks(key)
        with path.open("wb") as file:
            file.writelines(chunks)

    def chunks(self, key: str) -> Iterator[bytes]:
        """The bytes, a chunk at a time; NotFound."""
        try:
            stream = obstore.get(self._objects, key).stream(min_chunk_size=CHUNK)
        except MISSING:
            raise NotFound from None
        return (bytes(chunk) for chunk in stream)

    def head(self, key: str, size: int) -> bytes:
        """The first bytes, `size` at most; NotFound."""
        length = min(size, self.size(key))
        return bytes(obstore.get_range(self._objects, key, start=0, end=length)) if length else b""

    # writing

    def create(self, key: str, data: bytes) -> bool:
        """Put unless the key exists; whether this call made it."""
        return self.create_all([(key, data)])[0]

    def create_all(self, items: Iterable[Item]) -> list[bool]:
        """Put each unless its key exists, in this order; whether this call made it. All that were made are durable when
        it returns, for fewer flushes than one after the other."""
        given: list[str] = []

        def given_on() -> Iterator[Item]:
            for key, data in items:
                given.append(key)
                yield key, data

        if self.disk is not None and self._by_hand:
            made = files.create_all(self.disk.folder, given_on())
        else:
            made = [self._put(key, data) for key, data in given_on()]
        if self.disk is not None:
            self.disk.flush(*((key, False) for key, new in zip(given, made, strict=True) if new))
        return made

    @contextmanager
    def in_order(self, count: int, *batches: Iterable[Item]) -> Iterator[list[Callable[[], list[bool]]]]:
        """For each batch what puts it as `create_all` does, to be called in order. What is not called puts nothing.

        Up to files.TOGETHER items (`count` says how many there are at most) are written and flushed before the first
        has a name, where the store can: then a batch more costs the flush of its folders alone.
        """
        disk = self.disk
        if disk is None or not self._by_hand or count > files.TOGETHER:
            yield [partial(self.create_all, batch) for batch in batches]
            return
        given = [list(batch) for batch in batches]
        with files.written(disk.folder, given) as named:

            def put(number: int) -> list[bool]:
                made = named[number]()
                disk.flush(*((key, False) for (key, _), new in zip(given[number], made, strict=True) if new))
                return made

            yield [partial(put, number) for number in range(len(given))]

    def _put(self, key: str, data: bytes) -> bool:
        try:
            obstore.put(self._objects, key, data, mode="create")
        except AlreadyExistsError:
            return False
        if data and self.disk is not None:
            self.disk.flush_file(key)  # before the next one has its name
        return True

    def flush(self, key: str) -> None:
        """Return when what lies at a key, which another writer put, is durable."""
        if self.disk is not None:
            self.disk.flush((key, True))

    def create_from(self, key: str, path: Path) -> None:
        """Put a large file, by hard link where that can be. Its key follows from its content: it may be rewritten."""
        if self.disk is not None:
            self.disk.adopt(key, path)
            return
        obstore.put(self._objects, key, path)

    def move(self, source: str, target: str) -> None:
        """Rename; the target may be overwritten (its key follows from its content)."""
        obstore.rename(self._objects, source, target, overwrite=True)
        self.flush(target)

    def delete(self, key: str) -> None:
        """Remove, also when it is not there."""
        try:
            obstore.delete(self._objects, key)
        except MISSING:
            return

    def update(self, key: str, change: Callable[[bytes | None], bytes | None]) -> None:
        """Compare-and-swap: `change` gets the stored bytes (None: absent) and gives the new ones (None: leave them).

        It may run more than once. VersionConflict after many lost races.
        """
        if self.disk is not None:
            with self.disk.locked(key):
                try:
                    old: bytes | None = self.get(key)
                except NotFound:
                    old = None
                new = change(old)
                if new is not None and new != old:
                    obstore.put(self._objects, key, new)
                    self.flush(key)
            return
        for _ in range(SWAP_ATTEMPTS):
            try:
                result = obstore.get(self._objects, key)
                old, tag = bytes(result.bytes()), result.meta["e_tag"]
            except MISSING:
                old, tag = None, None
            new = change(old)
            if new is None or new == old:
                return
            try:
                obstore.put(self._objects, key, new, mode={"e_tag": tag} if tag else "create")
                return
            except (AlreadyExistsError, PreconditionError, NotModifiedError):
                continue
        raise VersionConflict("the document is being changed by others all the time; try again")

    def upload(self, key: str, max_bytes: int) -> Upload:
        return Upload(self, self._objects, key, max_bytes)


__all__ = ["Entry", "Store"]
