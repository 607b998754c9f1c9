"""Tracks where the camera moves, where a face is doubted, and where the camera leaves it and comes back."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from kernels.faces import iou
from kernels.motion import Camera, Stage, fit, fit_reference
from kernels.tracks import Linking, link

SIZE = (640, 360)


def texture(seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (90, 160)).astype(np.uint8)
    return cv2.resize(cv2.GaussianBlur(noise, (0, 0), 2), (480, 270), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize(("turn", "shift"), [(1 + 0j, 3 - 2j), (1.02 + 0j, -1 + 4j), (np.exp(0.02j), 0j)])
def test_the_cameras_step_is_measured(turn: complex, shift: complex) -> None:
    world = texture()
    moves = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    there = cv2.warpAffine(world, moves, (480, 270))
    camera = Camera()
    camera.step(world[100:190, 160:320])
    got_turn, got_shift = camera.step(there[100:190, 160:320])
    corner = 160 + 100j
    expected = turn * corner + shift - corner  # of the crop's own corner
    assert abs(got_turn - turn) < 0.003
    assert abs(got_turn * (80 + 45j) + got_shift - (turn * (80 + 45j) + expected)) < 0.3


def test_what_moves_by_itself_does_not_move_the_camera() -> None:
    here = np.arange(60) % 10 * 16 + 1j * (np.arange(60) // 10 * 15)
    there = here + 2
    there[:15] += 9j
    assert fit(here, there, 60) == (pytest.approx(1), pytest.approx(2))
    assert fit(here[:20], there[:20], 60) == (1, 0)


def test_a_fit_is_that_of_the_reference() -> None:
    random = np.random.default_rng(5)
    moved = 0
    for _ in range(300):
        count = random.integers(10, 61)
        here = random.uniform(0, 160, count) + 1j * random.uniform(0, 90, count)
        turn, shift = 1 + complex(*random.normal(0, 0.05, 2)), complex(*random.normal(0, 5, 2))
        there = turn * here + shift + random.normal(0, random.uniform(0, 0.6), count)
        astray = random.random(count) < random.uniform(0, 0.7)
        there[astray] += random.normal(0, 10, astray.sum())
        assert fit(here, there, 60) == pytest.approx(fit_reference(here, there, 60), abs=1e-9)
        moved += fit(here, there, 60) != (1, 0)
    assert 50 < moved < 250


def test_the_stage_gives_back_what_entered_it() -> None:
    steps = [(1 + 0j, 0j), (1.01 + 0j, 3 + 1j), (0.98 + 0j, -2 + 5j)]
    stage = Stage(steps, [0])
    boxes = np.array([[10.0, 20, 30, 40], [100, 50, 20, 20]])
    for frame in range(3):
        assert stage.leave(stage.enter(boxes, frame), frame) == pytest.approx(boxes)
    center = (10 + 15) * 1.01 + 3 + 1j * ((20 + 20) * 1.01 + 1)
    assert stage.leave(stage.enter(boxes[:1], 0), 1)[0] == pytest.approx(
        [center.real - 15.15, center.imag - 20.2, 30.3, 40.4]
    )


def jerky(count: int) -> tuple[list[tuple[complex, complex]], np.ndarray]:
    """A camera that jumps to and fro: its steps, and where a still face of the world is in each frame."""
    random = np.random.default_rng(3)
    shifts = [0j, *(complex(*random.uniform(-25, 25, 2)) for _ in range(count - 1))]
    at = np.cumsum(shifts) + (300 + 150j)
    return [(1 + 0j, shift) for shift in shifts], np.column_stack([at.real, at.imag, np.full((count, 2), 40.0)])


def test_between_two_searches_a_box_follows_the_camera() -> None:
    steps, boxes = jerky(21)
    frames = list(range(0, 21, 5))
    found = [np.array([[*boxes[n], 0.9]]) for n in frames]
    (track,) = link(found, frames, np.arange(21) * 40.0, motion=steps)
    assert (track.first, track.last) == (0, 20)
    assert track.boxes == pytest.approx(boxes)
    (still, *_) = link(found, frames, np.arange(21) * 40.0)
    assert iou(still.boxes, boxes).diagonal().min() < 0.7  # without the motion it does not


def test_a_track_reaches_to_the_frames_that_were_searched_before_and_after_it() -> None:
    box = [100.0, 100, 40, 40, 0.9]
    frames = [0, 12, 24, 36]
    found = [np.array([box] if n in (12, 24) else []).reshape(-1, 5) for n in frames]
    ends = {}
    for reach in (0.0, 479.0, 480.0):
        (track,) = link(found, frames, np.arange(40) * 40.0, how=Linking(reach_ms=reach))
        ends[reach] = track.first, track.last
    assert ends == {0.0: (7, 29), 479.0: (7, 29), 480.0: (1, 35)}
    (track,) = link(found, frames, np.arange(40) * 40.0, cuts=[10, 30], how=Linking(reach_ms=480))
    assert (track.first, track.last) == (10, 29)


def test_a_face_that_was_doubted_before_it_was_sure_is_carried_back() -> None:
    box = [100.0, 100, 40, 40]
    found = [np.array([[*box, 0.35 if n < 12 else 0.9]]) for n in range(24)]
    (track,) = link(found, range(24), np.arange(24) * 40.0, how=Linking(extend_ms=0))
    assert track.first == 0
    assert track.detected.tolist() == [False] * 12 + [True] * 12


def test_a_face_that_the_camera_left_and_found_again_is_one() -> None:
    steps = [(1 + 0j, 0j)] + [(1 + 0j, -20 + 0j)] * 40 + [(1 + 0j, 20 + 0j)] * 40
    x = 300 + np.cumsum([shift.real for _, shift in steps])
    found = [np.array([[at, 100.0, 40, 40, 0.9]]) if at > -20 else np.zeros((0, 5)) for at in x]
    times = np.arange(81) * 40.0
    (track,) = link(found, range(81), times, motion=steps, size=SIZE)
    assert (track.first, track.last) == (0, 80)
    assert len(link(found, range(81), times, motion=steps)) == 2
    assert len(link(found, range(81), times * 3, motion=steps, size=SIZE)) == 2  # too long ago
    assert len(link(found, range(81), times, cuts=[40], motion=steps, size=SIZE)) == 2


def test_boxes_grow_with_the_time_to_the_nearest_sight() -> None:
    found = [np.array([[100.0, 100, 40, 40, 0.9]])] * 2
    (track,) = link(found, [0, 10], np.arange(11) * 40.0, how=Linking(growth=0.1))
    assert track.boxes[[0, 5, 10], 2] == pytest.approx([40, 40 * 1.2, 40])
    assert track.boxes[5] == pytest.approx([96, 96, 48, 48])


def test_landmarks_lie_in_shares_of_the_box_and_are_filled_in() -> None:
    row = np.array([[100.0, 50, 40, 20, 0.9, *np.tile([110.0, 60.0], 5)]])
    (track,) = link([row, row], [0, 4], np.arange(5) * 40.0)
    assert track.points.shape == (5, 5, 2)
    assert track.points == pytest.approx(np.broadcast_to([0.25, 0.5], (5, 5, 2)))


@pytest.mark.slow
def test_a_moving_crowd_is_covered_and_each_face_keeps_its_track(shared_data: Path) -> None:
    from deployments.engines.video_render.faces import LOOKS
    from tests.bench.crowd import covered, plain, switches, tracked, truth

    weights = {"yunet": shared_data / "models" / "face_detection_yunet_2023mar.onnx"}
    faces = truth(shared_data)
    theirs = switches(faces, plain(shared_data, weights))
    for mode in ("auto", "every_frame"):
        boxes, *_ = tracked(mode, shared_data, weights)
        share, outside = covered(faces, boxes, 1.3)
        assert share >= 0.995
        assert outside <= 0.8
        assert 2 * switches(faces, boxes) < theirs
        if mode == "auto":  # what is painted by default
            share, outside = covered(faces, boxes, LOOKS["strong"].grow, ellipse=True)
            assert share >= 0.995
            assert outside <= 0.8
