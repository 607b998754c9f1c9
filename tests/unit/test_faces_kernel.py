"""Boxes of faces: overlap, tracks, cuts, ellipses, against figures worked out by hand or by another library."""

from __future__ import annotations

import numpy as np
import pytest

from kernels.faces import Cuts, ellipse_mask, iou, pair, suppress
from kernels.tracks import Linking, Track, link

TIMES = np.arange(100) * 40.0


def face(x: float, confidence: float = 0.9, size: float = 40) -> list[float]:
    return [x, 20.0, size, size, confidence]


def rows(*faces: list[float]) -> np.ndarray:
    return np.array(faces, np.float64).reshape(-1, 5)


def link_all(found: list[np.ndarray], cuts: list[int] | None = None, **how: float) -> list[Track]:
    return link(found, range(len(found)), TIMES[: len(found)], cuts or [], Linking(**how))


def test_iou_of_known_boxes() -> None:
    a = [[0, 0, 10, 10], [0, 0, 0, 0]]
    b = [[0, 0, 10, 10], [5, 0, 10, 10], [10, 0, 10, 10], [0, 0, 5, 10], [0, 0, 0, 0]]
    assert iou(a, b) == pytest.approx(np.array([[1, 1 / 3, 0, 0.5, 0], [0, 0, 0, 0, 0]]))
    assert iou(np.zeros((0, 4)), b).shape == (0, 5)


def test_pairs_are_one_to_one_and_best_first() -> None:
    assert pair(np.array([[0.9, 0.8], [0.85, 0.1]]), 0.2) == [(0, 0)]
    assert pair(np.array([[0.9, 0.8], [0.85, 0.3]]), 0.2) == [(0, 0), (1, 1)]
    assert pair(np.zeros((0, 3)), 0.2) == []


def test_suppression_leaves_the_best_of_each_heap() -> None:
    random = np.random.default_rng(5)
    boxes = np.column_stack([random.uniform(0, 200, (300, 2)), random.uniform(20, 60, (300, 2))])
    scores = random.choice(np.linspace(0.1, 1, 40), 300)  # many are equal: the first of them goes first
    over, left, expected = iou(boxes, boxes), list(np.argsort(-scores, kind="stable")), []
    while left:
        expected.append(left[0])
        left = [other for other in left[1:] if over[left[0], other] <= 0.3]
    assert suppress(boxes, scores, 0.3).tolist() == expected
    assert len(expected) < 100


def test_neither_nothing_nor_one_box_is_suppressed() -> None:
    assert suppress(np.zeros((0, 4)), np.zeros(0), 0.3).shape == (0,)
    assert suppress(np.array([[0.0, 0, 4, 4]]), np.array([0.5]), 0.3).tolist() == [0]


def test_a_standing_face_is_one_track_with_its_own_boxes() -> None:
    (track,) = link_all([rows(face(100)) for _ in range(10)])
    assert (track.first, track.last) == (0, 9)
    assert track.boxes.tolist() == [[100, 20, 40, 40]] * 10
    assert track.detected.all()
    assert track.confidence == pytest.approx(0.9)


def test_two_faces_that_pass_each_other_keep_their_tracks() -> None:
    found = [rows(face(10 + 6 * n), [160 - 6.0 * n, 75.0, 40, 40, 0.8]) for n in range(25)]
    tracks = link_all(found)
    assert [track.boxes[-1][1] for track in tracks] == [20, 75]
    assert [len(track.boxes) for track in tracks] == [25, 25]


def test_a_fast_face_is_followed_by_its_motion() -> None:
    # 30 px a frame with boxes of 40 px: neighbours overlap by 1/7 only, the expected place by all
    found = [rows(face(8 * n * (n < 5) + (40 + 30 * (n - 5)) * (n >= 5))) for n in range(5)]
    found += [rows(face(32 + 8 * k + 3 * k * k)) for k in range(1, 8)]
    assert len(link_all(found)) == 1


def test_a_short_gap_is_filled_by_a_straight_line() -> None:
    found = [rows(face(100 + 2 * n)) if not 4 <= n <= 9 else rows() for n in range(15)]
    (track,) = link_all(found)
    assert track.boxes[:, 0] == pytest.approx(100 + 2 * np.arange(15))
    assert np.flatnonzero(~track.detected).tolist() == list(range(4, 10))


def test_a_gap_that_is_too_long_ends_a_track() -> None:
    found = [rows(face(100)) if n < 5 or n > 40 else rows() for n in range(46)]
    first, second = link_all(found, extend_ms=200, gap_ms=1000)
    assert (first.first, first.last) == (0, 9)  # five frames are 200 ms
    assert (second.first, second.last) == (36, 45)


def test_no_track_crosses_a_cut_even_at_the_same_place() -> None:
    found = [rows(face(100)) if n not in (9, 10) else rows() for n in range(20)]
    first, second = link_all(found, cuts=[10])
    assert (first.first, first.last, second.first, second.last) == (0, 9, 10, 19)


def test_a_track_goes_on_in_its_own_direction_and_stops_at_the_clip() -> None:
    found = [rows() for _ in range(30)]
    for n in range(10, 20):
        found[n] = rows(face(100 + 5 * n))
    (track,) = link_all(found, extend_ms=120)
    assert (track.first, track.last) == (7, 22)
    assert track.boxes[:, 0] == pytest.approx(100 + 5 * np.arange(7, 23))


def test_a_weak_box_carries_a_track_on_and_starts_none() -> None:
    found = [rows(face(100, 0.9 if n < 3 or n > 6 else 0.35), face(300, 0.45)) for n in range(10)]
    (track,) = link_all(found)
    assert np.flatnonzero(~track.detected).tolist() == [3, 4, 5, 6]
    assert track.confidence.min() == pytest.approx(0.9)
    assert link_all([rows(face(100, 0.49))] * 10) == []


def test_sampled_frames_give_boxes_to_the_frames_between() -> None:
    found = [rows(face(100)), rows(face(110)), rows()]
    (track,) = link(found, [0, 10, 20], TIMES[:30], [], Linking(extend_ms=200))
    assert (track.first, track.last) == (0, 15)
    assert track.boxes[:11, 0] == pytest.approx(np.linspace(100, 110, 11))


def test_a_cut_is_a_change_that_no_pan_makes() -> None:
    ramp = np.tile(np.linspace(0, 230, 92), (18, 1)).astype(np.uint8)
    pans = [ramp[:, n * 2 : n * 2 + 32] for n in range(30)] + [255 - ramp[:, n * 2 : n * 2 + 32] for n in range(30)]
    cuts = Cuts()
    assert [n for n, frame in enumerate(pans) if cuts.step(frame)] == [30]


def test_noise_without_end_is_no_row_of_cuts() -> None:
    cuts = Cuts()
    noise = np.random.default_rng(1).integers(0, 255, (50, 18, 32), np.uint8)
    assert not [n for n, frame in enumerate(noise) if cuts.step(frame)]


@pytest.mark.parametrize("box", [(10.0, 8.0, 30.0, 20.0), (10.3, 8.6, 7.7, 21.1), (-9.0, -4.0, 30.0, 20.0)])
def test_an_ellipse_covers_what_a_fine_grid_says(box: tuple[float, float, float, float]) -> None:
    x, y, w, h = box
    fine = (np.arange(64 * 32) + 0.5) / 32
    inside = ((fine[None, :] - x - w / 2) / (w / 2)) ** 2 + ((fine[: 40 * 32, None] - y - h / 2) / (h / 2)) ** 2 < 1
    share = inside.reshape(40, 32, 64, 32).mean((1, 3))
    assert np.abs(ellipse_mask(64, 40, box) - share * 255).max() <= 6
    assert ellipse_mask(64, 40, box).shape == (40, 64)


def test_an_ellipse_outside_the_frame_is_nothing() -> None:
    assert not ellipse_mask(64, 40, (100, 0, 10, 10)).any()
    assert not ellipse_mask(64, 40, (10, 10, 0, 5)).any()
