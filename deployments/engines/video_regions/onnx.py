"""Weights and graph of a small ONNX file, read without another dependency; and the same file for pictures of any size.

Only what a detector's file holds is read: nodes with integer attributes, and float and int64 tensors. The format is
protobuf (https://protobuf.dev/programming-guides/encoding), its messages those of onnx.proto (github.com/onnx/onnx).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Value = int | memoryview
_GRAPH, _NODE, _TENSOR = 7, 1, 5
_INPUT, _OUTPUT, _VALUE_INFO = 11, 12, 13
_FLOAT = b"\x08\x01"
"""elem_type of a TypeProto.Tensor."""
_TYPES: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 7: np.dtype("<i8")}


@dataclass(frozen=True, slots=True)
class Node:
    op: str
    inputs: list[str]
    outputs: list[str]
    ints: dict[str, list[int]]
    """Attributes that are integers or lists of them."""


@dataclass(frozen=True, slots=True)
class Graph:
    nodes: list[Node] = field(default_factory=list)
    """In the order of computation."""
    tensors: dict[str, np.ndarray] = field(default_factory=dict)


def read(path: Path) -> Graph:
    """The file's graph. Raises ValueError for bytes that are no such file."""
    graph = Graph()
    try:
        for number, value in _fields(memoryview(path.read_bytes())):
            if number == _GRAPH:
                for part, inner in _fields(_bytes(value)):
                    if part == _NODE:
                        graph.nodes.append(_node(_bytes(inner)))
                    elif part == _TENSOR:
                        name, tensor = _tensor(_bytes(inner))
                        graph.tensors[name] = tensor
    except (IndexError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name} is no ONNX file that can be read here") from error
    return graph


def opened(path: Path) -> bytes:
    """The file with one picture [1, 3, height, width] of any size as its input, and nothing else.

    A file names the size that it was exported at, and older ones list their weights among the inputs: a runtime then
    takes no weight for constant, and neither folds nor lays them out for speed. Raises ValueError as `read` does.
    """
    weights = set(read(path).tensors)
    return b"".join(
        _field(number, _free(_bytes(value), weights)) if number == _GRAPH else whole
        for number, value, whole in _spans(memoryview(path.read_bytes()))
    )


def _free(graph: memoryview, weights: set[str]) -> bytes:
    """The graph's message with its sizes left open."""
    kept = []
    for number, value, whole in _spans(graph):
        if number == _INPUT and _name(value) not in weights:
            dims = b"".join(_field(1, dim) for dim in (b"\x08\x01", b"\x08\x03", b"\x12\x01h", b"\x12\x01w"))
            kept.append(_field(number, _value_info(_name(value), _FLOAT + _field(2, dims))))
        elif number == _OUTPUT:
            kept.append(_field(number, _value_info(_name(value), _FLOAT)))
        elif number not in (_INPUT, _VALUE_INFO):
            kept.append(whole)
    return b"".join(kept)


def _value_info(name: str, tensor: bytes) -> bytes:
    return _field(1, name.encode()) + _field(2, _field(1, tensor))


def _name(value: Value) -> str:
    """Of a ValueInfoProto."""
    return next(_text(inner) for number, inner in _fields(_bytes(value)) if number == 1)


def _field(number: int, data: bytes) -> bytes:
    """A message of this number and these bytes."""
    return _to_varint(number << 3 | 2) + _to_varint(len(data)) + data


def _to_varint(value: int) -> bytes:
    said = bytearray()
    while value > 0x7F:
        said.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*said, value])


def _node(data: memoryview) -> Node:
    node = Node("", [], [], {})
    op = ""
    for number, value in _fields(data):
        if number == 1:
            node.inputs.append(_text(value))
        elif number == 2:
            node.outputs.append(_text(value))
        elif number == 4:
            op = _text(value)
        elif number == 5:
            name, ints = _attribute(_bytes(value))
            node.ints[name] = ints
    return Node(op, node.inputs, node.outputs, node.ints)


def _attribute(data: memoryview) -> tuple[str, list[int]]:
    name, ints = "", []
    for number, value in _fields(data):
        if number == 1:
            name = _text(value)
        elif number == 3 and isinstance(value, int):
            ints.append(_signed(value))
        elif number == 8:
            ints += [_signed(value)] if isinstance(value, int) else [_signed(one) for one in _varints(value)]
    return name, ints


def _tensor(data: memoryview) -> tuple[str, np.ndarray]:
    name, kind, dims = "", 1, list[int]()
    raw: bytes = b""
    for number, value in _fields(data):
        if number == 1:
            dims += [value] if isinstance(value, int) else list(_varints(value))
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number == 4:
            raw = bytes(_bytes(value))  # packed floats lie as raw ones do
        elif number == 7:
            ints = [value] if isinstance(value, int) else list(_varints(value))
            raw += np.array([_signed(one) for one in ints], np.int64).tobytes()
        elif number == 8:
            name = _text(value)
        elif number == 9:
            raw = bytes(_bytes(value))
    return name, np.frombuffer(raw, _TYPES[kind]).reshape(dims)


def _fields(data: memoryview) -> Iterator[tuple[int, Value]]:
    """(field number, integer or bytes) of a message."""
    return ((number, value) for number, value, _ in _spans(data))


def _spans(data: memoryview) -> Iterator[tuple[int, Value, bytes]]:
    """The same, each with the bytes that it is written as."""
    at = 0
    while at < len(data):
        first = at
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield key >> 3, value, bytes(data[first:at])
            continue
        size, at = (8, at) if kind == 1 else (4, at) if kind == 5 else _varint(data, at)
        yield key >> 3, data[at : at + size], bytes(data[first : at + size])
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _varints(data: memoryview) -> Iterator[int]:
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        yield value


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _bytes(value: Value) -> memoryview:
    if isinstance(value, int):
        raise TypeError
    return value


def _text(value: Value) -> str:
    return bytes(_bytes(value)).decode()


__all__ = ["Graph", "Node", "opened", "read"]
