"""Which hits of a proof are shown in its report."""

from __future__ import annotations

import threading

from deployments.engines.video_render import worst
from deployments.operation import JSON


def said(**frames: list[tuple[int, float]]) -> JSON:
    """Of each kind (frame, confidence) of 25 frames a second."""
    return {
        kind: {
            "count": len(frames.get(kind, [])),
            "rows": [
                {"frame": n, "time_ms": n * 40, "box": [0, 0, 9, 9], "confidence": sure}
                for n, sure in frames.get(kind, [])
            ],
        }
        for kind in ("artefacts", "repaired", "residual")
    }


def test_the_surest_of_each_kind_no_two_within_a_second() -> None:
    found = worst.rows(said(residual=[(0, 0.6), (10, 0.9), (35, 0.7)], artefacts=[(10, 0.99)], repaired=[(500, 0.8)]))
    assert [(row["kind"], row["frame"]) for row in found] == [
        ("residual", 10), ("residual", 35), ("repaired", 500), ("artefacts", 10)
    ]  # fmt: skip


def test_there_are_at_most_so_many_of_a_kind() -> None:
    many = [(n * 100, 0.5) for n in range(20)]
    found = worst.rows(said(residual=many, repaired=many, artefacts=many))
    assert {kind: sum(row["kind"] == kind for row in found) for kind in worst.MOST} == worst.MOST
    assert [row["frame"] for row in found[:8]] == [n * 100 for n in range(8)]  # of equals the first


def test_a_clean_render_has_none() -> None:
    assert worst.rows(said()) == []
    assert worst.pictures([], [], 1, threading.Event()) == []
