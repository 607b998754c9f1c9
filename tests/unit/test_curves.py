"""Keyframes: the curves of CSS, held to points of the Bezier curves themselves."""

from __future__ import annotations

import numpy as np
import pytest

from kernels import curves


@pytest.mark.parametrize("easing", list(curves.BEZIERS))
def test_easing_is_the_bezier_curve_of_css(easing: str) -> None:
    """At parameters t the curve passes through (x(t), y(t)): de Casteljau's points."""
    x1, y1, x2, y2 = curves.BEZIERS[easing]
    points = np.array([[0, 0], [x1, y1], [x2, y2], [1, 1]], float)
    for t in np.linspace(0, 1, 21):
        level = points
        while len(level) > 1:
            level = level[:-1] * (1 - t) + level[1:] * t
        x, y = level[0]
        assert curves.eased(float(x), easing) == pytest.approx(y, abs=1e-6)


def test_values_between_and_outside_keyframes() -> None:
    keys = [(100, 10.0, "linear"), (200, 20.0, "hold"), (300, 0.0, "linear")]
    assert [curves.value(keys, ms) for ms in (0, 100, 150, 200, 299, 300, 900)] == [10, 10, 15, 20, 20, 0, 0]
    with pytest.raises(ValueError, match="at least one"):
        curves.value([], 0)
    with pytest.raises(ValueError, match="ease_in_out"):
        curves.eased(0.5, "bounce")
