"""Growing and shrinking coverage by a distance, through the exact Euclidean distance to its outline.

Equality policy: `grown` agrees with `grown_reference` within 1/255.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from torch import Tensor


def grown(plane: np.ndarray, pixels: float) -> np.ndarray:
    """Coverage float32 [H, W], 0..1, whose outline (where it is one half) is moved outwards by `pixels`, inwards where
    that is negative. What lies beyond the plane takes no part. The outline's place inside a pixel is kept."""
    if pixels == 0:
        return plane
    if pixels < 0:
        return 1 - grown(1 - plane, -pixels)
    inside = plane >= 0.5
    if not inside.any():
        return np.zeros_like(plane)
    outside = np.where(inside, 0, 255).astype(np.uint8)
    distance, labels = cv2.distanceTransformWithLabels(
        outside, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    rows, columns = np.nonzero(inside)
    label = labels[rows, columns]
    place = np.zeros((label.max() + 1, 2), np.float32)
    place[label] = np.stack([rows, columns], 1)
    covered = np.zeros(label.max() + 1, np.float32)
    covered[label] = plane[rows, columns]
    y, x = np.indices(plane.shape, np.float32)
    nearest = place[labels]
    distance = np.hypot(y - nearest[..., 0], x - nearest[..., 1])
    return np.maximum(plane, np.clip(pixels - distance + covered[labels], 0, 1)).astype(np.float32)


def near(plane: np.ndarray, pixels: float) -> np.ndarray:
    """bool [H, W]: where the middle of a pixel lies within so many pixels of the middle of one that is covered by half.
    plane: float32 [H, W], 0..1."""
    outside = (plane < 0.5).astype(np.uint8)
    if pixels < 0 or outside.all():
        return np.zeros(plane.shape, bool)
    return cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= pixels


def grown_reference(plane: Tensor, pixels: float) -> Tensor:
    """The same, plain: every pixel against every one inside. plane: floating [H, W]."""
    if pixels < 0:
        return 1 - grown_reference(1 - plane, -pixels)
    inside = (plane >= 0.5).nonzero()
    if not len(inside):
        return torch.zeros_like(plane)
    places = torch.stack(torch.meshgrid(*(torch.arange(size) for size in plane.shape), indexing="ij"), -1)
    apart = torch.cdist(places.reshape(-1, 2).to(plane.dtype), inside.to(plane.dtype))
    distance, which = apart.min(1)
    covered = plane[inside[:, 0], inside[:, 1]][which]
    value = (pixels - distance + covered).clamp(0, 1).reshape(plane.shape)
    return torch.maximum(plane, value) if math.isfinite(pixels) else plane


__all__ = ["grown", "grown_reference", "near"]
