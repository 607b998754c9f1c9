"""The object store: create-only puts, compare-and-swap, streams. obstore underneath; `file://` made durable.

obstore's LocalStore neither fsyncs nor knows conditional updates, so for `file://` a put is followed by an fsync of the
file and its folder, and an update takes a lock file and an atomic rename (both measured: docs/decisions.md).
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import secrets
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlparse

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotFoundError,
    NotModifiedError,
    NotSupportedError,
    PreconditionError,
)
from obstore.store import AzureStore, GCSStore, LocalStore, MemoryStore, ObjectStore, S3Store, from_url

from artifacts import files
from artifacts.errors import NotFound, UnsuitableStore, VersionConflict
from artifacts.files import Item

SWAP_ATTEMPTS = 64
LOCKS = 64
CHUNK = 1 << 20
SHORT = 64 << 10
"""Bytes that are read at once: a record, a document."""
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
        parsed = urlparse(url)
        self.root: Path | None = None
        self.is_local = parsed.scheme in ("file", "memory")
        if parsed.scheme == "file":
            self.root = Path(unquote(parsed.path))
            if parsed.netloc or not self.root.is_absolute():
                raise UnsuitableStore(f"ARTIFACT_STORE_URL {url!r} is not an absolute file:///… address")
            self._objects: ObjectStore = LocalStore(self.root, mkdir=True)
        elif parsed.scheme == "memory":
            self._objects = MemoryStore()
        else:
            try:
                self._objects = from_url(url)
            except (ValueError, BaseError) as error:
                raise UnsuitableStore(f"ARTIFACT_STORE_URL {url!r} cannot be opened: {error}") from None
        self._folder = f"{self.root}{os.sep}"
        self._synced: set[Path] = set()
        self._by_hand = self.root is not None and files.can(self._folder)
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
        if self.root is not None:  # a plain read is six times faster than a trip through the store's own threads
            try:
                return _read(f"{self._folder}{key}")
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                raise NotFound from None
        try:
            return bytes(obstore.get(self._objects, key).bytes())
        except MISSING:
            raise NotFound from None

    def exists(self, key: str) -> bool:
        if self.root is not None:
            path = f"{self._folder}{key}"
            return os.access(path, os.F_OK) and os.path.isfile(path)  # noqa: PTH113 (most are not there: no exception)
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
                since = item["last_modified"].timestamp()
                if self.root is not None:
                    try:
                        since = (self.root / item["path"]).stat().st_ctime
                    except FileNotFoundError:
                        continue
                yield Entry(item["path"], item["size"], since)

    async def aside(self, function: Callable[..., T], *args: Any, **named: Any) -> T:
        """Call what blocks on this store: in place where that takes microseconds, else in a thread."""
        if self.is_local:
            return function(*args, **named)
        return await asyncio.to_thread(function, *args, **named)

    def local_path(self, key: str) -> Path | None:
        """The file behind a key, on `file://` alone. Never write to it."""
        return self.root / key if self.root is not None else None

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

        if self._by_hand:
            made = files.create_all(self._folder, given_on())
        else:
            made = [self._put(key, data) for key, data in given_on()]
        self._sync(*((key, False) for key, new in zip(given, made, strict=True) if new))
        return made

    @contextmanager
    def in_order(self, count: int, *batches: Iterable[Item]) -> Iterator[list[Callable[[], list[bool]]]]:
        """For each batch what puts it as `create_all` does, to be called in order. What is not called puts nothing.

        Up to files.TOGETHER items (`count` says how many there are at most) are written and flushed before the first
        has a name, where the store can: then a batch more costs the flush of its folders alone.
        """
        if not self._by_hand or count > files.TOGETHER:
            yield [partial(self.create_all, batch) for batch in batches]
            return
        given = [list(batch) for batch in batches]
        with files.written(self._folder, given) as named:

            def put(number: int) -> list[bool]:
                made = named[number]()
                self._sync(*((key, False) for (key, _), new in zip(given[number], made, strict=True) if new))
                return made

            yield [partial(put, number) for number in range(len(given))]

    def _put(self, key: str, data: bytes) -> bool:
        try:
            obstore.put(self._objects, key, data, mode="create")
        except AlreadyExistsError:
            return False
        if data and self.root is not None:
            _fsync(self.root / key)  # before the next one has its name
        return True

    def flush(self, key: str) -> None:
        """Return when what lies at a key, which another writer put, is durable."""
        self._sync((key, True))

    def create_from(self, key: str, path: Path) -> None:
        """Put a large file, by hard link where that can be. Its key follows from its content: it may be rewritten."""
        if self.root is not None:
            target = self.root / key
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, target)
            except FileExistsError:
                return
            except OSError:  # another file system: copy beside, then rename
                beside = target.with_name(f"{target.name}#{secrets.token_hex(4)}")
                shutil.copyfile(path, beside)
                beside.replace(target)
            self._sync((key, True))
            return
        obstore.put(self._objects, key, path)

    def move(self, source: str, target: str) -> None:
        """Rename; the target may be overwritten (its key follows from its content)."""
        obstore.rename(self._objects, source, target, overwrite=True)
        self._sync((target, True))

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
        if self.root is not None:
            with self._lock(key):
                try:
                    old: bytes | None = self.get(key)
                except NotFound:
                    old = None
                new = change(old)
                if new is not None and new != old:
                    obstore.put(self._objects, key, new)
                    self._sync((key, True))
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

    @contextmanager
    def _lock(self, key: str) -> Iterator[None]:
        """One of LOCKS lock files, chosen by the key: excludes other threads and other processes."""
        assert self.root is not None
        folder = self.root / "system" / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4]) % LOCKS
        with _THREAD_LOCKS[number], (folder / f"{number:02d}").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _sync(self, *written: tuple[str, bool]) -> None:
        """Flush files that were just written, and then the folders that lead to them, each once.

        With each key whether the file holds anything: an empty one is no more than its folder's entry.
        """
        if self.root is None:
            return
        folders: dict[Path, None] = {}
        led_to: set[Path] = set()
        for key, holds in written:
            path = self.root / key
            if holds:
                _fsync(path)
            folder = path.parent
            folders[folder] = None
            while folder != self.root and folder not in self._synced | led_to:  # a new one is an entry of its parent
                led_to.add(folder)
                folder = folder.parent
                folders[folder] = None
        for folder in folders:
            _fsync(folder)
        self._synced |= led_to

    def upload(self, key: str, max_bytes: int) -> Upload:
        return Upload(self, self._objects, key, max_bytes)


class Upload:
    """A streamed put to a key: memory stays at one part's size. Knows the content's SHA-256 when finished."""

    def __init__(self, store: Store, objects: ObjectStore, key: str, max_bytes: int) -> None:
        self.store, self.key, self.max_bytes = store, key, max_bytes
        self.size = 0
        self.head = b""
        self._open = True
        self._hash = hashlib.sha256()
        self._file = obstore.open_writer_async(objects, key, buffer_size=8 * CHUNK)

    async def write(self, chunk: bytes) -> bool:
        """Append; False, and nothing written, when that would exceed `max_bytes`."""
        if self.size + len(chunk) > self.max_bytes:
            return False
        if len(self.head) < 4096:
            self.head += chunk[: 4096 - len(self.head)]
        self.size += len(chunk)
        self._hash.update(chunk)
        await self._file.write(chunk)
        return True

    async def close(self) -> str:
        """Finish; the SHA-256 in lower-case hex."""
        self._open = False
        await self._file.close()
        self.store._sync((self.key, True))
        return self._hash.hexdigest()

    async def abandon(self) -> None:
        """Remove what was received, at any point of the upload."""
        if self._open:
            self._open = False
            await self._file.close()
        self.store.delete(self.key)


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


_THREAD_LOCKS = [threading.Lock() for _ in range(LOCKS)]


def _read(path: str) -> bytes:
    """A file's bytes; by hand, since opening a file object takes as long as reading a record."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(handle, SHORT)
        more = os.read(handle, SHORT)
        if not more:
            return data
        with open(handle, "rb", buffering=0, closefd=False) as file:
            return data + more + file.read()
    finally:
        os.close(handle)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


__all__ = ["Entry", "Store", "Upload", "refuse_unshared"]
