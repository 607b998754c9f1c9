"""The curve through a few points."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def natural_cubic(points: Sequence[Sequence[float]]) -> Callable[[Tensor], Tensor]:
    """The natural cubic spline through points [[x, y], …] of rising x; constant outside the outer ones."""
    x, y = (torch.tensor([float(point[axis]) for point in points], dtype=torch.float64) for axis in (0, 1))
    n = len(x)
    if n == 1:
        return lambda t: torch.full_like(t, y[0].item())
    step = x.diff()
    matrix, right = torch.eye(n, dtype=torch.float64), torch.zeros(n, dtype=torch.float64)
    for i in range(1, n - 1):
        matrix[i, i - 1], matrix[i, i], matrix[i, i + 1] = step[i - 1], 2 * (step[i - 1] + step[i]), step[i]
        right[i] = 6 * ((y[i + 1] - y[i]) / step[i] - (y[i] - y[i - 1]) / step[i - 1])
    bend = torch.linalg.solve(matrix, right)

    def spline(t: Tensor) -> Tensor:
        t = t.double().clamp(x[0].item(), x[-1].item())
        i = (torch.searchsorted(x, t.contiguous(), right=True) - 1).clamp(0, n - 2)
        d, to_next, from_last = step[i], x[i + 1] - t, t - x[i]
        curved = (bend[i] * to_next**3 + bend[i + 1] * from_last**3) / (6 * d)
        straight = (y[i] / d - bend[i] * d / 6) * to_next + (y[i + 1] / d - bend[i + 1] * d / 6) * from_last
        return curved + straight

    return spline


__all__ = ["natural_cubic"]
