"""Reading a CTranslate2 `model.bin`, binary version 6, without CTranslate2.

Layout, little-endian: uint32 binary version, text specification, uint32 revision, uint32 number of variables; a
variable is text name, uint8 rank, uint32 per dimension, uint8 dtype, uint32 bytes, data. Text is a uint16 length that
counts the closing NUL, then the characters. Aliases and the rest of the file follow, and are not needed here.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Variables = dict[str, NDArray[np.generic]]

VERSION = 6
DTYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)
"""In the order of CTranslate2's own numbers."""


class _Reader:
    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> memoryview:
        if self._at + count > len(self._data):
            raise ValueError(f"the file ends at byte {len(self._data)}, inside a value of {count} bytes")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, kind: str) -> int:
        return int(struct.unpack("<" + kind, self.take(struct.calcsize("<" + kind)))[0])

    def text(self) -> str:
        return bytes(self.take(self.number("H"))).rstrip(b"\0").decode()


def read(path: Path, specification: str) -> Variables:
    """The file's variables by name, views of one read; ValueError where it holds another version or specification."""
    reader = _Reader(memoryview(path.read_bytes()))
    version = reader.number("I")
    if version != VERSION:
        raise ValueError(f"{path.name} is no CTranslate2 binary of version {VERSION}: it says {version}")
    found, _revision = reader.text(), reader.number("I")
    if found != specification:
        raise ValueError(f"{path.name} holds a {found!r}, not a {specification!r}")
    variables: Variables = {}
    for _ in range(reader.number("I")):
        name = reader.text()
        shape = [reader.number("I") for _ in range(reader.number("B"))]
        kind = reader.number("B")
        if kind >= len(DTYPES):
            raise ValueError(f"{path.name}: {name} has the unknown dtype {kind}")
        variables[name] = np.frombuffer(reader.take(reader.number("I")), DTYPES[kind]).reshape(shape)
    return variables


__all__ = ["Variables", "read"]
