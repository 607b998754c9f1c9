"""Which frames are searched: samples, modes, small and turned pictures."""

from __future__ import annotations

import itertools
import json
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from deployments.engines.video_regions.frames import BATCH, Reader, View, small_size
from tests.unit.searches import (
    planned,
    run,
    sides,
)


def write_clip(path: Path, pts: list[int], time_base: Fraction = Fraction(1, 1000)) -> None:
    """A clip whose frames are shown at these pts; frame n is grey of level 8 n."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = time_base
        for number, at in enumerate(pts):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 8 * number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = at, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def read_all(reader: Reader) -> list[int]:
    numbers: list[int] = []
    while (batch := reader.batch()) is not None:
        numbers += batch.numbers
    return numbers


@pytest.mark.parametrize("every_ms", [None, 100])
def test_a_sample_is_the_last_frame_at_or_before_its_nominal_time(tmp_path: Path, every_ms: int | None) -> None:
    path = tmp_path / "uneven.mkv"
    write_clip(path, [0, 40, 99, 100, 101, 350, 380, 420])
    mode = "sampled" if every_ms else "every_frame"
    reader = Reader(path, side=640, threads=1, stop=threading.Event(), mode=mode, interval_ms=every_ms or 500)
    numbers = read_all(reader)
    assert reader.samples(100) == [(0, 0), (100, 3), (200, 4), (300, 4), (400, 6)]
    assert numbers == ([0, 3, 4, 6] if every_ms else list(range(8)))


def test_a_clip_that_starts_late_is_counted_from_its_container(shared_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "late.mkv"
    write_clip(path, [1400, 1440, 1480])
    reader = Reader(path, side=640, threads=1, stop=threading.Event())
    read_all(reader)
    assert reader.samples(40) == [(0, 0), (40, 1), (80, 2)]
    assert reader.pts == [1400, 1440, 1480]


def test_small_frames_keep_the_shape_and_never_grow() -> None:
    assert small_size(1280, 720, 640) == (640, 360)
    assert small_size(360, 640, 640) == (360, 640)
    assert small_size(100, 50, 640) == (100, 50)
    assert small_size(10000, 1, 640) == (640, 1)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_boxes_of_a_turned_picture_lie_on_the_decoded_pixels(turns: int) -> None:
    decoded = np.zeros((30, 50))
    decoded[4:10, 20:35] = 1
    rows, columns = np.nonzero(np.rot90(decoded, turns))
    seen = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
    view = View(100, 60, (50, 30), turns)
    assert view.to_source([seen]).tolist() == [[40, 8, 30, 12]]


def test_auto_searches_each_160_to_480_ms_and_the_ends_of_each_shot(shared_data: Path) -> None:
    path = shared_data / "media" / "face_clip.mp4"
    reader = Reader(path, side=64, threads=2, stop=threading.Event(), mode="auto")
    numbers = read_all(reader)
    edges = [0, 175, 249, 369, 443, 517, 591]
    assert {n for a, b in itertools.pairwise(edges) for n in (a, b - 1)} <= set(numbers)
    gaps = [b - a for a, b in itertools.pairwise(numbers) if b not in edges and b + 1 not in edges]
    assert min(gaps) == 4
    assert max(gaps) == 12
    assert len(reader.motion) == 591


@pytest.mark.parametrize(("step", "every"), [(0, 12), (5, 12), (15, 8), (16, 4)])
def test_auto_looks_closer_where_a_small_part_of_the_picture_changes(tmp_path: Path, step: int, every: int) -> None:
    """A patch of one cell, 20 of 640 pixels, becomes lighter by `step` every 4 frames."""
    path = tmp_path / "patch.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "gray"
        for number in range(49):
            picture = np.full((360, 640), 20, np.uint8)
            picture[100:120, 200:220] += np.uint8(number // 4 * step)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        container.mux(stream.encode(None))
    numbers = read_all(Reader(path, side=64, threads=1, stop=threading.Event(), mode="auto"))
    assert numbers == [*range(0, 49, every)]


def test_sampled_mode_searches_the_samples_alone_and_still_tracks_each_frame(
    shared_data: Path, yunet: dict[str, Path]
) -> None:
    calls: list[Any] = []
    output = run(planned(mode="sampled"), shared_data / "media" / "face_clip.mp4", yunet, calls=calls)
    assert sum(shape[0] for _, shape, _ in calls) == 48
    summary = json.loads(output.data)  # type: ignore[arg-type]
    assert {entry["time_ms"] for entry in summary["entries"]} == set(range(0, 10000, 500)) | set(
        range(15000, 24000, 500)
    )
    for track in json.loads(sides(output, "face_tracks")["face_tracks"].data)["tracks"]:
        frames = [row[0] // 512 for row in track["boxes"]]
        assert frames == list(range(frames[0], frames[-1] + 1))


def test_frames_travel_in_arrays_of_sixteen_two_at_a_time(shared_data: Path) -> None:
    """The first array is held until the second one is there."""
    calls: list[Any] = []
    second, count = threading.Event(), itertools.count()

    def detect(frames: np.ndarray) -> list[np.ndarray]:
        if next(count):
            second.set()
        else:
            assert second.wait(60)
        return [np.zeros((0, 15), np.float32)] * len(frames)

    path, loaded = shared_data / "media" / "crowd_real.mp4", {"opencv_face_detector": detect}
    run(planned(mode="every_frame"), path, {}, calls=calls, loaded=loaded)
    assert [shape for _, shape, _ in calls] == [(BATCH, 540, 960, 3)] * 6 + [(105 % BATCH, 540, 960, 3)]
    assert max(flying for _, _, flying in calls) == 2
