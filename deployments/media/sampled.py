"""A few frames of a video by their numbers, without the pictures between them.

decord (an optional extra) seeks and decodes only what is asked for. It serves a file on whose frames it agrees with
PyAV about number, time, size and turn, looked at when the file is opened; PyAV serves every other one. The two convert
colours by different code, so what is made from these pictures has to name `reader` among its parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import numpy.typing as npt

from deployments.errors import UndecodableMedia

Bytes = npt.NDArray[np.uint8]
AGREES_S = 1e-4
"""Seconds by which the two may differ in a frame's time: decord counts in single precision."""


class Sampled:
    """An opened video. Not for several threads at a time. Raises UndecodableMedia."""

    def __init__(self, path: Path, *, threads: int) -> None:
        self._path, self._threads = path, threads
        self.times = _times(path)
        """Seconds from the first frame to each, in the order of showing; float64 [n]."""
        self._decord = _decord(path, threads, self.times)

    @property
    def reader(self) -> Literal["decord", "pyav"]:
        """What the pictures come from."""
        return "pyav" if self._decord is None else "decord"

    def frames(self, numbers: Sequence[int]) -> Iterator[Bytes]:
        """uint8 [h, w, 3] RGB, as decoded (not turned), for each number: counted from 0, rising. IndexError beyond."""
        if any(not 0 <= number < len(self.times) for number in numbers):
            raise IndexError(f"there are {len(self.times)} frames")
        if list(numbers) != sorted(set(numbers)):
            raise ValueError("numbers must rise")
        if self._decord is not None:
            for number in numbers:
                yield self._decord[number].asnumpy()
            return
        wanted = set(numbers)
        with av.open(str(self._path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = self._threads
            stream.thread_type = "AUTO"
            for number, frame in enumerate(container.decode(stream)):
                if number in wanted:
                    yield frame.to_ndarray(format="rgb24")
                if number >= max(wanted, default=-1):
                    return


def _times(path: Path) -> npt.NDArray[np.float64]:
    """From the packets alone: nothing is decoded."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise UndecodableMedia("the file has no video stream")
            stream = container.streams.video[0]
            pts = sorted(packet.pts for packet in container.demux(stream) if packet.pts is not None)
            base = float(stream.time_base or 1)
    except av.FFmpegError as error:
        raise UndecodableMedia("the video cannot be read") from error
    return (np.asarray(pts, np.float64) - (pts[0] if pts else 0)) * base


def _decord(path: Path, threads: int, times: npt.NDArray[np.float64]) -> Any:
    """decord's reader of the file, or None where it is not installed or does not agree."""
    if find_spec("decord") is None or not len(times):
        return None
    import decord

    try:
        found = decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=threads)
        if len(found) != len(times):
            return None
        starts = found.get_frame_timestamp(range(len(times)))[:, 0].astype(np.float64)
        shape = found[0].shape[:2]
    except (decord.DECORDError, RuntimeError, IndexError):
        return None
    if np.abs(starts - starts[0] - times).max() > AGREES_S or shape != _upright_shape(path):
        return None
    return found


def _upright_shape(path: Path) -> tuple[int, int] | None:
    """(height, width) of the first frame; None where it is to be turned, which decord does by itself."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0), None)
    return None if frame is None or frame.rotation else (frame.height, frame.width)


__all__ = ["Sampled"]
