"""Create-only files on a disk, by hand: whole and flushed before they have a name (Linux).

A file is written without a name, flushed, and then linked to its key, which fails where that exists. So no reader sees
a part of it or what a power cut could take back, and nothing is left of one that was not finished. Going through the
object store's own threads takes longer than all of this but the flushes.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice

Item = tuple[str, bytes]
"""A key and what is put there."""
TOGETHER = 32
"""Files that are open at a time: they are flushed together, and a commit may have thousands."""
_WRITE = 2
"""SYNC_FILE_RANGE_WRITE: begin to write, and wait for nothing."""
_HELD = "/proc/self/fd"


def can(folder: str) -> bool:
    """Whether the system and the folder's file system have files without names."""
    try:
        os.close(_unnamed(folder))
    except (AttributeError, OSError):
        return False
    return os.access(_HELD, os.F_OK)


def create_all(folder: str, items: Iterable[Item]) -> list[bool]:
    """Put each under the folder (with its final slash) unless its key exists, in this order; whether this call made
    it. The bytes are flushed before they have their names; the folders that hold the names are not. Raises OSError."""
    rest, made = iter(items), []
    while some := list(islice(rest, TOGETHER)):
        with written(folder, [some]) as (named,):
            made += named()
    return made


@contextmanager
def written(folder: str, batches: Sequence[Iterable[Item]]) -> Iterator[list[Callable[[], list[bool]]]]:
    """The bytes of all batches, flushed, as files without names; for each batch what gives them theirs, as `create_all`
    does. What has none in the end is gone."""
    paths: list[list[tuple[str, int | None]]] = []
    handles: list[int] = []
    try:
        for batch in batches:
            paths.append([])
            for key, data in batch:
                path = f"{folder}{key}"
                paths[-1].append((path, _written(path, data) if data else None))
                handles += [handle for _, handle in paths[-1][-1:] if handle is not None]
        for handle in handles:  # all of them are on their way to the disk, in one transaction of its journal
            os.fsync(handle)
        yield [partial(_all_named, batch) for batch in paths]
    finally:
        for handle in handles:
            os.close(handle)


def _all_named(files: Sequence[tuple[str, int | None]]) -> list[bool]:
    return [_named(handle, path) for path, handle in files]


def _written(path: str, data: bytes) -> int:
    """A file without a name in the folder of the path, with these bytes on their way to the disk."""
    parent = path.rpartition("/")[0]
    try:
        handle = _unnamed(parent)
    except FileNotFoundError:
        os.makedirs(parent, exist_ok=True)  # noqa: PTH103
        handle = _unnamed(parent)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
        begin_writing(handle)
    except BaseException:
        os.close(handle)
        raise
    return handle


def begin_writing(handle: int) -> None:
    """Let the system begin to write what it holds of a file; it need not."""
    begin = getattr(_libc, "sync_file_range", None)
    if begin:
        begin(handle, ctypes.c_int64(0), ctypes.c_int64(0), _WRITE)


def _named(handle: int | None, path: str) -> bool:
    """Give the file its name, or make an empty one; whether nobody was faster."""
    try:
        if handle is None:
            _empty(path)
        else:  # a folder's handle makes it linkat, which alone follows the way to the open file
            os.link(f"{_HELD}/{handle}", path, src_dir_fd=handle, follow_symlinks=True)
    except FileExistsError:
        return False
    return True


def _empty(path: str) -> None:
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
    try:
        os.close(os.open(path, flags, 0o666))
    except FileNotFoundError:
        os.makedirs(path.rpartition("/")[0], exist_ok=True)  # noqa: PTH103
        os.close(os.open(path, flags, 0o666))


def _unnamed(folder: str) -> int:
    return os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o666)


_libc = ctypes.CDLL(None)

__all__ = ["TOGETHER", "Item", "begin_writing", "can", "create_all", "written"]
