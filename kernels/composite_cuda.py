"""Stacks on a CUDA device: planes in one arena, layers as rows of a table, one launch for all that are of one size.

Equality policy: that of `kernels.composite`; `kernels.composite_triton` has the kernel and says what it reads. "cpu" is
a device too, in Triton's interpreter.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from kernels import composite_triton as kernel
from kernels.blend import DISSOLVE, MODES, NUMBERS, canonical
from kernels.blend_triton import BRANCHED, MULTIPLIED, OVER, PRODUCTS, STRAIGHT, TOGETHER

if TYPE_CHECKING:
    from kernels.composite import Layer

Device = torch.device | str
Stacks = Sequence[Sequence["Layer"]]

UNIT = 16
"""Bytes that the table counts offsets in."""
LARGEST_ARENA = UNIT << 31
"""Bytes: offsets are int32."""
MOST_COMPOSITIONS = 65_535
"""In one launch: the second dimension of a grid."""
TALL, FLAT = 8, 4
"""Rows of a tile: two or one for each thread. Linear light and forms other than source-over hold more in registers, of
which two rows would leave too few programs at a time to hide the loads' latency."""


@dataclass(frozen=True, slots=True)
class Resident:
    """Compositions of one size that lie on a device, to be drawn any number of times."""

    arena: Tensor
    """int32 [bytes / 4]: every plane once."""
    spans: Tensor
    rows: Tensor
    hiders: Tensor
    """int32 tables, see composite_triton.stack"""
    count: int
    width: int
    height: int
    form: int
    """The furthest of the layers' forms."""


def composite_batch(
    stacks: Stacks, width: int, height: int, device: Device, *, linear: bool = False
) -> list[np.ndarray]:
    """`kernels.composite.composite_batch` on a CUDA device. The layers are checked, their modes among BRANCHED.

    One launch for all stacks that take the same program of the kernel: a compiler may round elsewhere in another one,
    and a picture must not depend on what is drawn beside it. Raises what `upload` raises.
    """
    out: dict[int, np.ndarray] = {}
    by_program: dict[int, list[int]] = {}
    for number, layers in enumerate(stacks):
        by_program.setdefault(_program(furthest_form(layers)), []).append(number)
    with _on(device):
        for numbers in by_program.values():
            drawn = draw(upload([stacks[number] for number in numbers], width, height, device), linear=linear)
            host = torch.empty((len(numbers), height, width), dtype=torch.int32, pin_memory=drawn.is_cuda)
            host.copy_(drawn[..., :width])
            pictures = host.numpy().view(np.uint8).reshape(len(numbers), height, width, 4)
            out |= dict(zip(numbers, pictures, strict=True))
    return [out[number] for number in range(len(stacks))]


def furthest_form(layers: Sequence[Layer]) -> int:
    """OVER to TOGETHER: which of the kernel's programs draws them."""
    return max((_form(canonical(layer.mode)) for layer in layers), default=int(OVER.value))


def upload(stacks: Stacks, width: int, height: int, device: Device) -> Resident:
    """What of the layers is seen, each plane once however many layers show it, copied while the next is prepared.

    ValueError for more than MOST_COMPOSITIONS stacks; torch.OutOfMemoryError where there is no room for their layers.
    """
    if len(stacks) > MOST_COMPOSITIONS:
        raise ValueError(f"one launch draws at most {MOST_COMPOSITIONS} compositions; got {len(stacks)}")
    planes = _Planes()
    rows: list[tuple[int, ...]] = []
    hiders: list[tuple[int, ...]] = []
    spans: list[tuple[int, ...]] = []
    for layers in stacks:
        first, first_hider = len(rows), len(hiders)
        for layer in layers:
            h, w = layer.pixels.shape[:2]
            x0, x1 = max(layer.x, 0), min(layer.x + w, width)
            y0, y1 = max(layer.y, 0), min(layer.y + h, height)
            if x0 >= x1 or y0 >= y1:
                continue
            mode = canonical(layer.mode)
            part = layer.pixels[y0 - layer.y : y1 - layer.y, x0 - layer.x : x1 - layer.x]
            if layer.mask is None and mode == "normal" and layer.opaque and layer.opacity == 1:
                hiders.append((len(rows), x0, x1, y0, y1, 0, 0, 0))
            box = (x0 // 4, -(-x1 // 4), y0, y1)
            across = -(-width // UNIT)
            mask = -1 if layer.mask is None else planes.add(layer.mask, across, 0)
            offset = planes.add(part, box[1] - box[0], x0 % 4 * 4)
            stride = box[1] - box[0] if len(_distinct(part)) > 1 else 0
            opacity = int(np.float32(layer.opacity).view(np.int32))
            seed = int(np.uint32(layer.seed).view(np.int32))
            rows.append((offset, stride, *box, _form(mode), NUMBERS[mode], opacity, mask, across * 4, seed))
        spans.append((first, len(rows), first_hider, len(hiders)))
        rows.append((0,) * int(kernel.COLUMNS.value))  # the pixels of the layer behind the last one are asked for too
    hiders.append((0,) * int(kernel.HIDER.value))
    arena = planes.upload(device)
    tables = [np.array(part, np.int32).reshape(len(part), -1) for part in (spans, rows, hiders)]
    sizes = [part.size for part in tables]
    table = _staged(sum(sizes), device)
    np.concatenate([part.ravel() for part in tables], out=table.numpy())
    first, second, third = table.to(device, non_blocking=True).split(sizes)
    form = max((furthest_form(layers) for layers in stacks), default=int(OVER.value))
    return Resident(arena, first, second, third, len(stacks), width, height, form)


def draw(resident: Resident, *, linear: bool = False) -> Tensor:
    """The compositions, where they lie: int32 [N, height, width rounded up to 4], each number the four bytes of a
    straight RGBA pixel. One launch, nothing is waited for."""
    shape = (resident.count, resident.height, -(-resident.width // 4) * 4)
    out = torch.empty(shape, dtype=torch.int32, device=resident.arena.device)
    rows = FLAT if linear or resident.form > OVER.value else TALL
    tiles = -(-resident.width // kernel.TILE_WIDTH) * -(-resident.height // rows)
    with _on(out.device):
        kernel.stack[tiles, resident.count](*_arguments(resident, out, rows, linear), num_warps=kernel.WARPS)
    return out


def _arguments(resident: Resident, out: Tensor, rows: int, linear: bool) -> tuple[object, ...]:
    """The kernel's, of which the last four choose its program."""
    planes, masks = resident.arena.view(torch.uint32), resident.arena.view(torch.uint8)
    tables = (resident.spans, resident.rows, resident.hiders)
    size, program = (resident.width, resident.height), _program(resident.form)
    return (planes, masks, *tables, out.view(torch.uint32), *size, kernel.TILE_WIDTH, rows, linear, program)


def warm(device: Device) -> None:
    """Compiles every program of the kernel: one a form (straight ones share theirs with those of all channels), with
    and without linear light."""
    blank = torch.zeros(kernel.COLUMNS.value, dtype=torch.int32, device=device)
    for form in (OVER, MULTIPLIED, TOGETHER):
        for linear in (False, True):
            draw(Resident(blank, blank, blank, blank, 1, 1, 1, int(form.value)), linear=linear)


class _Planes:
    """The arena as it is laid out: planes, and where each begins, in units."""

    def __init__(self) -> None:
        self._parts: list[tuple[np.ndarray, int, int, int]] = []
        self._found: dict[tuple[object, ...], int] = {}
        self._end = 0

    def add(self, plane: np.ndarray, units: int, before: int) -> int:
        """Where a plane, uint8 [h, w] or [h, w, 4], of which each row gets so many units, with so many bytes of nothing
        before, begins."""
        plane = _distinct(plane) if plane.ndim == 3 else plane
        key = (plane.__array_interface__["data"][0], plane.strides, plane.shape, units, before)
        if key not in self._found:
            self._found[key] = self._end
            self._parts.append((plane, self._end, units, before))
            self._end += len(plane) * units
        return self._found[key]

    def upload(self, device: Device) -> Tensor:
        """int32, on the device; OutOfMemoryError from LARGEST_ARENA on, as from what the device has no room for."""
        size = self._end * UNIT
        if size >= LARGEST_ARENA:
            raise torch.OutOfMemoryError(f"the layers take {size} bytes, and a launch reads less than {LARGEST_ARENA}")
        arena = torch.empty(max(1, self._end) * UNIT // 4, dtype=torch.int32, device=device)
        for plane, begin, units, before in self._parts:
            words = len(plane) * units * UNIT // 4
            staged = _staged(words, device)
            padded = staged.numpy().view(np.uint8).reshape(len(plane), units * UNIT)
            end = before + plane[0].size
            padded[:, :before] = 0
            padded[:, end:] = 0
            target = padded[:, before:end]
            target.reshape(plane.shape, copy=False)[...] = plane
            begin = begin * UNIT // 4
            arena[begin : begin + words].copy_(staged, non_blocking=True)
        return arena


def _distinct(plane: np.ndarray) -> np.ndarray:
    """One row for all where all are the same memory."""
    return plane[:1] if plane.strides[0] == 0 else plane


def _staged(words: int, device: Device) -> Tensor:
    """int32 [words] of main memory, from where the device copies by itself; torch keeps it until it has."""
    return torch.empty(words, dtype=torch.int32, pin_memory=torch.device(device).type == "cuda")


def _form(mode: str) -> int:
    if mode in ("normal", DISSOLVE):
        return int(OVER.value)
    if mode in PRODUCTS:
        return int(MULTIPLIED.value)
    return int((STRAIGHT if MODES[mode].separable else TOGETHER).value)


def _program(form: int) -> int:
    """The program that draws a form."""
    return int(TOGETHER.value) if form > MULTIPLIED.value else form


def _on(device: Device) -> AbstractContextManager[object]:
    """Triton launches on the current device."""
    return torch.cuda.device(device) if torch.device(device).type == "cuda" else nullcontext()


__all__ = ["BRANCHED", "Resident", "composite_batch", "draw", "furthest_form", "upload", "warm"]
