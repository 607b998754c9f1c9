"""Some frames of a stream: the right ones, and little beside them."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from deployments.media.decoding import spread, towards

CLIP = Path(__file__).parents[1] / "fixtures" / "video_clips" / "face_clip.mp4"


def planes(frame: av.VideoFrame) -> np.ndarray:
    return frame.to_ndarray()


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("every", [1, 2, 3, 7, 40])
def test_the_wanted_frames_are_those_of_a_whole_decoding(threads: int, every: int) -> None:
    with av.open(str(CLIP)) as container:
        whole = {frame.pts: planes(frame) for frame in container.decode(video=0)}
    wanted = set(sorted(whole)[1::every])
    with av.open(str(CLIP)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "AUTO", threads
        given = list(towards(wanted, container.demux(stream), stream.codec_context))
    found = {frame.pts: planes(frame) for frame in given}
    assert wanted <= found.keys()
    assert [frame.pts for frame in given] == sorted(found)
    for pts in found:
        assert np.array_equal(found[pts], whole[pts])
    if every >= 7:
        assert len(given) < 0.8 * len(whole)


def test_packets_without_a_time_are_all_decoded() -> None:
    with av.open(str(CLIP)) as container:
        stream = container.streams.video[0]
        packets = list(container.demux(stream))
        for packet in packets:
            packet.pts = None
        assert len(list(towards((), packets, stream.codec_context))) == stream.frames


@pytest.mark.parametrize(("size", "threads"), [((1024, 512), 1), ((1026, 512), 3), ((512, 1024), 1)])
def test_small_pictures_are_decoded_by_one_thread(size: tuple[int, int], threads: int, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    shape = (size[1], size[0], 3)
    shown = [np.full(shape, 8 * n, np.uint8) for n in range(6)]
    with av.open(str(path), "w") as out:
        made = out.add_stream("libx264", rate=25, options={"preset": "ultrafast", "threads": "1"})
        made.width, made.height = size
        for picture in shown:
            out.mux(made.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(made.encode(None))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        spread(stream, 3)
        assert stream.codec_context.thread_count == threads
        found = [float(planes(frame)[: size[1]].mean()) for frame in container.decode(stream)]
    assert found == pytest.approx([16 + 8 * n * 219 / 255 for n in range(6)], abs=2)
