"""A `file://` store's folder: plain reads, flushes, hard links and locks, none of which obstore's LocalStore has."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from artifacts.errors import NotFound

LOCKS = 64
SHORT = 64 << 10
"""Bytes that are read at once: a record, a document."""


class Disk:
    """By key. Paths are strings: a pathlib object for each costs a commit a tenth of its time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = os.path.join(root, "")  # noqa: PTH118
        self._top = str(root)
        self._led_to: set[str] = set()
        """Folders whose own names are flushed."""

    def read(self, key: str) -> bytes:
        """The bytes; NotFound."""
        try:
            return _read(self.folder + key)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFound from None

    def holds(self, key: str) -> bool:
        path = self.folder + key
        return os.access(path, os.F_OK) and os.path.isfile(path)  # noqa: PTH113 (most are not there: no exception)

    def since(self, key: str) -> float | None:
        """When the inode last changed, in seconds since the epoch; None where there is none."""
        try:
            return (self.root / key).stat().st_ctime
        except FileNotFoundError:
            return None

    def flush(self, *written: tuple[str, bool]) -> None:
        """Flush files that were just written, and then the folders that lead to them, each once.

        With each key whether the file holds anything: an empty one is no more than its folder's entry.
        """
        folders: dict[str, None] = {}
        led_to: set[str] = set()
        for key, holds in written:
            path = self.folder + key
            if holds:
                _fsync(path)
            folder = os.path.dirname(path)  # noqa: PTH120
            folders[folder] = None
            while folder != self._top and folder not in self._led_to and folder not in led_to:
                led_to.add(folder)
                folder = os.path.dirname(folder)  # noqa: PTH120 (a new folder is an entry of its parent)
                folders[folder] = None
        for folder in folders:
            _fsync(folder)
        self._led_to |= led_to

    def flush_file(self, key: str) -> None:
        """Flush a file alone, and not its name."""
        _fsync(self.folder + key)

    def adopt(self, key: str, path: Path) -> None:
        """Put a file by hard link, where that can be, else by a copy. Its key follows from its content."""
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
        self.flush((key, True))

    @contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """One of LOCKS lock files, chosen by the key: excludes other threads and other processes."""
        folder = self.root / "system" / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4]) % LOCKS
        with _THREAD_LOCKS[number], (folder / f"{number:02d}").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


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


def _fsync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


__all__ = ["SHORT", "Disk"]
