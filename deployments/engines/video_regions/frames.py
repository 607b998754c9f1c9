"""What a detector sees of a video or a picture: small upright frames, in batches, with the cuts between them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange
from PIL import Image, ImageOps

from deployments.errors import UndecodableMedia
from deployments.media.decoding import BATCH, Batch, Decoder, View, batches, small_size, turns_of
from deployments.media.light import standard
from kernels.faces import Cuts
from kernels.motion import SMALL as MOTION
from kernels.motion import Camera, Step

Bytes = npt.NDArray[np.uint8]
Numbered = tuple[int, av.VideoFrame]
LUMA = (32, 18)
"""Size of the picture that cuts are found in."""
PLANAR = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"})
"""Formats whose luma is a plane of bytes."""
AUTO_MS = 160
"""`auto` searches a frame this often where something moves, and the first and the last of each shot: on a moving crowd
the boxes between cover as much of the faces as if each frame had been searched (docs/performance/faces.md)."""
QUIET_MS = 480
"""`auto` searches a frame this often where nothing moves."""
MOVED = 16
"""Something moves where a cell of LUMA has changed by so much, 0..255, since the last frame searched: a face of 16 in
640 pixels that comes in covers 16/25 of one. In crowds and pans some cell changes by 55 and more, around a speaker by
5 to 13."""


class Reader(Decoder):
    """A video from its first frame to its last: motion and cuts of every frame, pictures of those to be searched.

    Not for several threads at a time.
    """

    def __init__(
        self,
        path: Path,
        *,
        side: int,
        threads: int,
        stop: threading.Event,
        mode: str = "every_frame",
        interval_ms: int = 500,
    ) -> None:
        """mode: which frames are given out. `every_frame`; `auto`, every AUTO_MS, or QUIET_MS where nothing moves, and
        at the ends of each shot; `sampled`, those that the samples at `interval_ms` name."""
        super().__init__(path, threads=threads, stop=stop)
        cv2.setNumThreads(1)  # a second thread only spins beside planes this small: twice the processor time
        self.cuts: list[int] = []
        self.motion: list[Step] = []
        """The camera's step into each frame, in pixels of the source."""
        self.view: View | None = None
        self._side = side
        self._tiny: Bytes = np.zeros(LUMA[::-1], np.uint8)
        frames = self._watched()
        if mode == "sampled":
            frames = self.sampled(frames, interval_ms)
        elif mode == "auto":
            frames = self._spread(frames)
        self._found = batches(self._picture(number, frame) for number, frame in frames)

    def batch(self) -> Batch | None:
        """The next frames, or None after the last. Raises UndecodableMedia, Stopped."""
        return next(self._found, None)

    def close(self) -> None:
        """Let go of the file before its end. A thread that is still in `batch` does so itself when it is stopped."""
        with suppress(ValueError):
            self._found.close()

    def _watched(self) -> Iterator[Numbered]:
        """Every frame; its motion and whether it starts a shot are noted."""
        cuts, camera = Cuts(), Camera()
        for frame in self.decoded():
            if self.view is None:
                self.view = self._view(frame)
            luma = _luma(frame)
            turn, shift = camera.step(luma)
            self.motion.append((turn, shift * (frame.width / luma.shape[1])))
            self._tiny = cv2.resize(luma, LUMA, interpolation=cv2.INTER_AREA).astype(np.uint8)
            if cuts.step(self._tiny):
                self.cuts.append(len(self.pts) - 1)
            yield len(self.pts) - 1, frame

    def _spread(self, frames: Iterator[Numbered]) -> Iterator[Numbered]:
        """Of every frame, those that `auto` searches."""
        held: Numbered | None = None
        searched, before = 0, self._tiny
        for number, frame in frames:
            starts = number == 0 or self.cuts[-1:] == [number]
            if starts and held is not None:
                yield held
            held = None
            since = self.ticks[-1] - searched
            moved = since >= AUTO_MS * self.rate and int(cv2.absdiff(self._tiny, before).max()) >= MOVED
            if starts or moved or since >= QUIET_MS * self.rate:
                searched, before = self.ticks[-1], self._tiny
                yield number, frame
            else:
                held = number, frame
        if held is not None:
            yield held

    def _picture(self, number: int, frame: av.VideoFrame) -> tuple[int, Bytes, View]:
        view = self._view(frame)
        width, height = view.small
        # an interpolation that is named makes the scaler work, threefold slower, even where nothing is scaled
        seen = standard(frame, view.small)  # a detector does not know HDR's code: of its faces it misses a fifth
        how = None if (width, height) == (seen.width, seen.height) else "AREA"
        picture = seen.to_ndarray(width=width, height=height, format="bgr24", interpolation=how)
        assert self.view is not None
        shown = View(self.view.width, self.view.height, view.small, view.turns)
        return number, np.ascontiguousarray(np.rot90(picture, view.turns)), shown

    def _view(self, frame: av.VideoFrame) -> View:
        small = small_size(frame.width, frame.height, self._side)
        return View(frame.width, frame.height, small, turns_of(frame))


def _luma(frame: av.VideoFrame) -> Bytes:
    """uint8 [h, w], the longer side MOTION, 0..255. A plane that lies as bytes is read where it lies: the scaler takes
    twenty times as long for it."""
    size = small_size(frame.width, frame.height, MOTION)
    if frame.format.name not in PLANAR:
        return frame.reformat(*size, "gray8", interpolation="AREA").to_ndarray().astype(np.uint8, copy=False)
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
    small = cv2.resize(rows, size, interpolation=cv2.INTER_AREA)
    full = frame.format.name.startswith("yuvj") or frame.color_range == ColorRange.JPEG
    spread = small if full else cv2.convertScaleAbs(small, alpha=255 / 219, beta=-16 * 255 / 219)
    return spread.astype(np.uint8, copy=False)


def read_image(path: Path, *, side: int, most_pixels: int, scales: Sequence[int] = (1,)) -> list[Batch]:
    """A picture as batches of one, upright by its EXIF orientation, transparency on black. Raises UndecodableMedia.

    The first is at most `side` long; each further one is so many times that size, from the picture's own pixels.
    """
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > most_pixels:
                raise UndecodableMedia(f"the picture has {picture.width} x {picture.height} pixels, over the cap")
            upright = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UndecodableMedia("the picture cannot be decoded") from error
    height, width = upright.shape[:2]
    bgr = upright[..., ::-1].copy()
    small = small_size(width, height, side)
    batches = []
    for scale in scales:
        size = (small[0] * scale, small[1] * scale)
        how = cv2.INTER_LINEAR if size[0] > width else cv2.INTER_AREA
        seen = cv2.resize(bgr, size, interpolation=how)
        batches.append(Batch([0], np.ascontiguousarray(seen[None], np.uint8), View(width, height, size)))
    return batches


__all__ = ["AUTO_MS", "BATCH", "MOVED", "QUIET_MS", "Batch", "Reader", "View", "read_image", "small_size"]
