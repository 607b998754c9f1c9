"""From one picture into another: planes of YUV 4:2:0, 8 bits, limited range, both of the same size.

`share` is how much of the transition's time is gone, 0..1. At 0 each gives the first picture, at 1 the second.

| kind | picture at `share` |
| --- | --- |
| crossfade | (1 - share) · first + share · second |
| dip_to_black, dip_to_white | the first fades into the color until the half, the second out of it |
| wipe_left, _right, _up, _down | an edge moves that way; behind it lies the second picture |
| push_left, _right, _up, _down | the second picture moves in that way and pushes the first one out |

Edges and shifts are whole chroma samples (two pixels), so that luma and chroma stay in step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
Planes = tuple[Plane, Plane, Plane]

ONE = 32768
DIPS = {"dip_to_black": (16, 128, 128), "dip_to_white": (235, 128, 128)}
WAYS = {"left": (-1, 1), "right": (1, 1), "up": (-1, 0), "down": (1, 0)}
"""(direction, axis)"""
KINDS = ("crossfade", *DIPS, *(f"{what}_{way}" for what in ("wipe", "push") for way in WAYS))


def mix(first: Planes, second: Planes, kind: str, share: float) -> None:
    """The picture of a transition, into `first`. ValueError for an unknown kind, another size, a share beyond 0..1."""
    if kind not in KINDS:
        raise ValueError(f"there is no transition {kind!r}; there are {', '.join(KINDS)}")
    if not 0 <= share <= 1:
        raise ValueError(f"share is 0..1; got {share}")
    if any(a.shape != b.shape for a, b in zip(first, second, strict=True)):
        raise ValueError(f"pictures of one size; got {first[0].shape} and {second[0].shape}")
    if kind == "crossfade":
        for below, above in zip(first, second, strict=True):
            _lerp(below, above, share)
    elif kind in DIPS:
        _dip(first, second, DIPS[kind], share)
    else:
        what, _, way = kind.partition("_")
        direction, axis = WAYS[way]
        chroma = round(share * first[1].shape[axis])
        for index, (below, above) in enumerate(zip(first, second, strict=True)):
            length = below.shape[axis]
            gone = chroma if index else min(length, 2 * chroma)
            change = _wipe if what == "wipe" else _push
            change(np.moveaxis(below, axis, 0), np.moveaxis(above, axis, 0), gone, direction)


def _lerp(below: Plane, above: Plane | np.int32, share: float) -> None:
    weight = np.int32(round(share * ONE))
    old = below.astype(np.int32)
    below[...] = old + (((above - old) * weight + ONE // 2) >> 15)


def _dip(first: Planes, second: Planes, color: tuple[int, int, int], share: float) -> None:
    for below, above, value in zip(first, second, color, strict=True):
        if share < 0.5:
            _lerp(below, np.int32(value), 2 * share)
        else:
            below[...] = above
            _lerp(below, np.int32(value), 2 - 2 * share)


def _wipe(below: Plane, above: Plane, gone: int, direction: int) -> None:
    """[length, …] both; the edge has passed `gone` rows."""
    if direction > 0:
        below[:gone] = above[:gone]
    elif gone:
        below[-gone:] = above[-gone:]


def _push(below: Plane, above: Plane, gone: int, direction: int) -> None:
    length = below.shape[0]
    kept = below[gone:].copy() if direction < 0 else below[: length - gone].copy()
    if direction < 0:
        below[: length - gone], below[length - gone :] = kept, above[:gone]
    else:
        below[gone:], below[:gone] = kept, above[length - gone :]


__all__ = ["KINDS", "mix"]
