"""Bytes onto the disk: checked, whole or not at all, one writer at a time."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from configs.models.table import File

CHUNK = 1 << 20

Progress = Callable[[str, int, int], None]
"""progress(what is being done, bytes so far, bytes in all)"""


class WeightsMissing(LookupError):
    """A model's weights cannot be had here; the message says which sources were tried and why each failed."""

    def __init__(self, name: str, tried: Iterable[tuple[str, str]]) -> None:
        self.name = name
        self.tried = tuple(tried)
        """(source, why it failed), in the order of trying"""
        lines = "".join(f"\n  {source}: {why}" for source, why in self.tried)
        super().__init__(f"the weights of {name} cannot be had; tried:{lines or ' nothing, no source is listed'}")

    @property
    def told(self) -> str:
        """What a client may see of it: the sources are folders of this machine and addresses that it asks."""
        return (
            f"the weights of {self.name} cannot be had here; `make models` fetches them, or says what it tried and why "
            "each source failed"
        )

    def __reduce__(self) -> tuple[Any, ...]:  # Ray pickles errors; the default would pass the message as `name`
        return type(self), (self.name, self.tried)


class SourceFailed(Exception):
    """One source does not give the file; the message says why, and the next source is tried."""


def quiet(what: str, done: int, total: int) -> None:
    """The Progress that shows nothing."""


def chunks(path: Path) -> Iterator[bytes]:
    """A file in pieces of CHUNK bytes."""
    with path.open("rb") as stream:
        while piece := stream.read(CHUNK):
            yield piece


def check(path: Path, file: File) -> None:
    """SourceFailed where the file at `path` is not the one that the table means."""
    size = path.stat().st_size
    if size != file.size:
        raise SourceFailed(f"{path.name} has {size} bytes, not {file.size}")
    digest = hashlib.sha256()
    for piece in chunks(path):
        digest.update(piece)
    if digest.hexdigest() != file.sha256:
        raise SourceFailed(f"{path.name} has SHA-256 {digest.hexdigest()}, not {file.sha256}")


def write_checked(pieces: Iterable[bytes], path: Path, file: File, what: str, progress: Progress) -> None:
    """Write the pieces to `path`; SourceFailed, as early as it shows, where they are not `file`."""
    digest, done = hashlib.sha256(), 0
    with path.open("wb") as out:
        for piece in pieces:
            done += len(piece)
            if done > file.size:
                raise SourceFailed(f"gives more than the {file.size} bytes of {file.name}")
            digest.update(piece)
            out.write(piece)
            progress(what, done, file.size)
    if done != file.size:
        raise SourceFailed(f"gives {done} bytes, not the {file.size} of {file.name}")
    if digest.hexdigest() != file.sha256:
        raise SourceFailed(f"gives SHA-256 {digest.hexdigest()}, not {file.sha256}")


def install(path: Path, target: Path) -> None:
    """Put a finished file in its place, whole or not at all, and on the disk; both on one file system."""
    for each in (path, path.parent):
        _sync(each)
    path.replace(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def workplace(cache: Path, target: str) -> Iterator[Path]:
    """An empty folder inside the cache, held by one process at a time, for what becomes `target`.

    The system frees the lock when its holder dies, and the next one clears away what that left.
    """
    folder = cache / f".{target}.work"
    with (cache / f".{target}.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


__all__ = [
    "Progress",
    "SourceFailed",
    "WeightsMissing",
    "check",
    "chunks",
    "install",
    "quiet",
    "workplace",
    "write_checked",
]
