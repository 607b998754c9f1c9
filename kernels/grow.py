"""Growing and shrinking coverage by a distance to its outline, which is known to a part of a pixel.

An outline is where coverage crosses one half. In each pixel there that is partly covered it is a short straight piece:
across the steepest way of coverage, where a straight edge would lie that covers as much, or, where coverage falls over
several pixels, where it reaches one half. A pixel of the grown plane is covered as a straight edge covers it that lies
across the way to the nearest piece, the growth away from that. Pixels that are wholly covered beside ones that are not
at all, and thin lines, are dots instead, whose growth falls off over one pixel whatever the way: as Photoshop's strokes
do about hard corners.

Equality policy: `grown` agrees with `grown_reference` within 1/255. Of rectangles, half-planes and circles both agree
with the exact coverage of the larger shape, see the test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from scipy.spatial import KDTree
from torch import Tensor

_STEEP = 0.3
"""Of coverage for a pixel: from here on an edge is taken to be a sharp one that was antialiased."""
_TRACE = 1 / 64
"""Coverage, or the lack of it, that tells no place."""
_HALF_PIECE = 0.5
"""Pixels to either side that a piece of an outline is straight."""
_NEAREST = 4
"""Pieces that each pixel is looked at from."""
_TIE = 1e-4
"""Pixels by which two pieces are as near as each other."""
_AT_A_TIME = 1 << 16
"""Pixels looked at together."""
_BAND = 1.6
"""Pixels about the new outline beyond which all is in or out: a piece lies within 0.75 of its pixel's middle, and a
pixel is whole from 0.71 on."""


def grown(plane: np.ndarray, pixels: float) -> np.ndarray:
    """Coverage float32 [H, W], 0..1, whose outline (where it is one half) is moved outwards by `pixels`, inwards where
    that is negative. What lies beyond the plane takes no part."""
    if pixels == 0:
        return plane
    if pixels < 0:
        return 1 - grown(1 - plane, -pixels)
    outline = _outline(plane)
    if outline is None:
        return plane if (plane >= 0.5).any() else np.zeros_like(plane)
    apart = cv2.distanceTransform(outline.elsewhere, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    inside = plane >= 0.5
    near = apart - pixels
    if pixels >= _BAND:
        near[inside] = -_BAND  # whose outline is far behind
    out = np.where(near <= -_BAND, np.float32(1), plane)
    band = (near < _BAND) & (out < 1)
    places = np.argwhere(band).astype(np.float64)
    if len(places):
        tree, count = KDTree(outline.places), min(_NEAREST, len(outline.places))
        values, of = plane[band], inside[band]
        for first in range(0, len(places), _AT_A_TIME):
            part = np.s_[first : first + _AT_A_TIME]
            which = tree.query(places[part], count)[1].reshape(-1, count)
            values[part] = np.maximum(values[part], _covered(outline, places[part], which, pixels, of[part]))
        out[band] = values
    return out


@dataclass(frozen=True, slots=True)
class _Outline:
    places: np.ndarray
    """float64 [n, 2]: y, x of the pieces' middles, pixel centres at whole numbers."""
    normals: np.ndarray
    """float64 [n, 2]: outwards, of length 1; 0 of a piece that is a dot."""
    radii: np.ndarray
    """float64 [n]: of dots."""
    elsewhere: np.ndarray
    """uint8 [H, W]: 0 at the pixels that have a piece."""


def _outline(plane: np.ndarray) -> _Outline | None:
    """None where all of a plane is inside, or all outside."""
    inside = (plane >= 0.5).astype(np.uint8)
    square = np.ones((3, 3), np.uint8)
    edge = cv2.dilate(inside, square) != cv2.erode(inside, square)
    if not edge.any():
        return None
    partial = edge & (np.abs(plane - 0.5) < 0.5 - _TRACE)
    whole = edge & (inside == 1) & (cv2.dilate(partial.astype(np.uint8), square) == 0)
    y, x = np.nonzero(partial | whole)
    padded = cv2.copyMakeBorder(plane.astype(np.float64), 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    slope = np.stack([_slope(padded, y + 1, x + 1, 1, 0), _slope(padded, y + 1, x + 1, 0, 1)], 1)
    steep = np.hypot(slope[:, 0], slope[:, 1])
    span = (cv2.dilate(plane, square) - cv2.erode(plane, square))[y, x]
    thin = (steep < _STEEP) & (span > 2 * _STEEP)  # as much falls off on one side as on the other
    dot = whole[y, x] | thin
    normals = np.where(dot[:, None], 0, -slope / np.maximum(steep, 1e-9)[:, None])
    cover = plane[y, x].astype(np.float64)
    away = np.where(steep >= _STEEP, _place(cover, normals), (cover - 0.5) / np.maximum(steep, 1e-3))
    places = np.stack([y, x], 1) + normals * np.clip(away, -0.75, 0.75)[:, None]
    return _Outline(places, normals, np.where(dot, cover - 0.5, 0), (~(partial | whole)).astype(np.uint8))


def _slope(padded: np.ndarray, y: np.ndarray, x: np.ndarray, down: int, across: int) -> np.ndarray:
    """Coverage for a pixel downwards or across: Sobel's mean of three central differences."""
    total = np.zeros(len(y))
    for beside, weight in ((-1, 1), (0, 2), (1, 1)):
        v, u = y + beside * across, x + beside * down
        total += weight * (padded[v + down, u + across] - padded[v - down, u - across])
    return total / 8


def _axes(normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The larger and the smaller part of directions."""
    parts = np.abs(normals)
    return parts.max(-1), parts.min(-1)


def _coverage(inwards: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """How much of a pixel a half-plane covers whose edge lies so far from the pixel's centre, inside it above 0."""
    a, b = _axes(normals)
    x = np.abs(inwards)
    corner = np.maximum((a + b) / 2 - x, 0) ** 2 / np.maximum(2 * a * b, 1e-12)
    more = np.where(x <= (a - b) / 2, 0.5 + x / np.maximum(a, 1e-12), 1 - corner)
    return np.where(inwards >= 0, more, 1 - more)


def _place(cover: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """How far from a pixel's centre the edge of a half-plane lies that covers so much of it: `_coverage` backwards."""
    a, b = _axes(normals)
    share = np.maximum(cover, 1 - cover)
    straight = (share - 0.5) * a
    corner = (a + b) / 2 - np.sqrt(2 * a * b * np.maximum(1 - share, 0))
    x = np.where(straight <= (a - b) / 2, straight, corner)
    return np.where(cover >= 0.5, x, -x)


def _covered(outline: _Outline, places: np.ndarray, which: np.ndarray, pixels: float, inside: np.ndarray) -> np.ndarray:
    """float32 [n]: the coverage of pixels at `places` [n, 2], of which the pieces `which` [n, k] are the nearest: from
    the nearest of all, of several the one that covers most."""
    way = places[:, None] - outline.places[which]
    normals = outline.normals[which]
    tangents = normals[..., ::-1] * (-1, 1)
    along, across = (way * normals).sum(-1), (way * tangents).sum(-1)
    beyond = np.sign(across) * np.maximum(np.abs(across) - _HALF_PIECE, 0)
    dot = ~normals.any(-1)
    direct = np.where(dot[..., None], way, normals * along[..., None] + tangents * beyond[..., None])
    length = np.hypot(direct[..., 0], direct[..., 1])
    direction = np.where(length[..., None] > 1e-6, direct / np.maximum(length, 1e-6)[..., None], normals)
    apart = length - outline.radii[which]
    inwards = pixels - np.where(inside[:, None], -apart, apart)
    covered = np.where(dot, np.clip(inwards + 0.5, 0, 1), _coverage(inwards, direction))
    nearest = apart <= apart.min(1, keepdims=True) + _TIE
    return np.asarray(np.where(nearest, covered, 0).max(1), np.float32)


def near(plane: np.ndarray, pixels: float) -> np.ndarray:
    """bool [H, W]: where the middle of a pixel lies within so many pixels of the middle of one that is covered by half.
    plane: float32 [H, W], 0..1."""
    outside = (plane < 0.5).astype(np.uint8)
    if pixels < 0 or outside.all():
        return np.zeros(plane.shape, bool)
    return cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= pixels


def grown_reference(plane: Tensor, pixels: float) -> Tensor:
    """The same, plain: the nearest pieces of the outline found by looking at all. plane: floating [H, W]."""
    if pixels < 0:
        return 1 - grown_reference(1 - plane, -pixels)
    given = plane.numpy().astype(np.float64)
    outline = _outline(given)
    if outline is None or pixels == 0 or not math.isfinite(pixels):
        return plane if pixels == 0 or (given >= 0.5).any() else torch.zeros_like(plane)
    places = np.argwhere(np.ones(given.shape, bool)).astype(np.float64)
    apart = np.hypot(*(places[:, None] - outline.places).transpose(2, 0, 1))
    which = np.argsort(apart, 1, kind="stable")[:, :_NEAREST]
    value = _covered(outline, places, which, pixels, (given >= 0.5).ravel()).reshape(given.shape)
    return torch.from_numpy(np.maximum(given, np.where(given == 1, 1, value))).to(plane.dtype)


__all__ = ["grown", "grown_reference", "near"]
