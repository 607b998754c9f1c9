"""Where compositions are painted: on the CPU, or on CUDA where DEVICE lets it and the composition is a flat stack."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import torch

from configs.settings import Device
from deployments.engines.image_core.meeting import Meeting
from kernels import composite, composite_tree
from kernels.composite_tree import Node

JSON = dict[str, Any]
Draw = Callable[..., list[np.ndarray]]
"""kernels.composite.composite_batch on some device: (stacks, width, height, linear=...) -> pictures"""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Painted:
    """A composition's pixels, and what its artifact's meta says of where they were made."""

    pixels: np.ndarray
    """uint8 [height, width, 4], straight RGBA"""
    meta: JSON
    """`device`; where that is not what DEVICE asks for, `device_requested` too"""


class Painter:
    """What a replica paints with. `draw` is what CUDA does, None where there is none."""

    def __init__(self, requested: Device, draw: Draw | None) -> None:
        self._requested = requested
        self._meeting = Meeting(draw) if draw and requested != "cpu" else None

    def paint(self, nodes: Sequence[Node], width: int, height: int, *, threads: int, linear: bool) -> Painted:
        """The nodes, bottom to top. Groups that are more than their layers, adjustments, clipping and effects within a
        shape are for the CPU, and so is what finds no room on the device."""
        flat = composite_tree.flattened(nodes) if self._meeting else None
        if self._meeting and flat is not None:
            try:
                return Painted(self._meeting.draw(flat, width, height, linear), self._facts("cuda"))
            except torch.OutOfMemoryError:
                log.warning("no room on the device for %dx%d pixels of %d layers", width, height, len(flat))
        pixels = composite_tree.composite_tree(nodes, width, height, threads=threads, linear=linear)
        return Painted(pixels, self._facts("cpu"))

    def _facts(self, ran: str) -> JSON:
        facts: JSON = {"device": ran}
        return facts if self._requested in ("auto", ran) else facts | {"device_requested": self._requested}


@cache
def painter(requested: Device) -> Painter:
    """This process's."""
    cuda = requested != "cpu" and torch.cuda.is_available()
    return Painter(requested, partial(composite.composite_batch, device="cuda") if cuda else None)


def warm(requested: Device) -> None:
    """Compiles ahead what compositions are painted with."""
    painter(requested)
    composite.warm("cuda" if requested != "cpu" and torch.cuda.is_available() else "cpu")


__all__ = ["Draw", "Painted", "Painter", "painter", "warm"]
