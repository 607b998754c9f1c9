"""What a composition's layers hold in memory: they are blended in one pass, so that all of them are there at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from deployments.errors import InvalidRequest
from kernels.composite_tree import Node


class Held:
    """The planes of the layers drawn so far, each counted once, up to `most` bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._owners: dict[int, np.ndarray] = {}
        self._bytes = 0

    def add(self, nodes: Sequence[Node], field: str) -> None:
        """What one layer became, without its children and what is clipped to it, which are layers of their own. Raises
        InvalidRequest naming `field` where there is no room for it."""
        for plane in (plane for node in nodes for plane in _planes(node)):
            owner = _owner(plane)
            if id(owner) not in self._owners:
                self._owners[id(owner)] = owner
                self._bytes += owner.nbytes
        if self._bytes > self._most:
            raise InvalidRequest(
                f"{field}: with this layer, all that is drawn up to it takes {self._bytes} bytes; at most {self._most} "
                "(MAX_LAYER_BYTES): draw some layers into a picture of their own first",
                field=field,
            )


def unpinned(plane: np.ndarray) -> np.ndarray:
    """The plane, or a copy where it is a small part of a larger one that it alone would keep in memory."""
    return plane.copy() if 2 * plane.nbytes < _owner(plane).nbytes else plane


def _owner(plane: np.ndarray) -> np.ndarray:
    while isinstance(plane.base, np.ndarray):
        plane = plane.base
    return plane


def _planes(node: Node) -> Iterator[np.ndarray]:
    layers = [*([] if node.layer is None else [node.layer]), *node.inside]
    for plane in (node.mask, *(plane for layer in layers for plane in (layer.pixels, layer.mask))):
        if plane is not None:
            yield plane


__all__ = ["Held", "unpinned"]
