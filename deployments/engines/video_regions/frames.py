"""What a detector sees of a video or a picture: small upright frames, in batches, with the cuts between them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from deployments.errors import UndecodableMedia
from deployments.media.decoding import BATCH, Batch, Decoder, View, batches, small_size, turns_of
from kernels.faces import Cuts

Bytes = npt.NDArray[np.uint8]
LUMA = (32, 18)
"""Size of the picture that cuts are found in."""


class Reader(Decoder):
    """A video in batches, from its first frame to its last. Not for several threads at a time."""

    def __init__(
        self, path: Path, *, side: int, threads: int, stop: threading.Event, every_ms: int | None = None
    ) -> None:
        """`every_ms`: only the frames sampled at this interval are given out; None: all are."""
        super().__init__(path, threads=threads, stop=stop)
        self.cuts: list[int] = []
        self.view: View | None = None
        self._side = side
        pictures = self._pictures()
        self._found = batches(pictures if every_ms is None else self.sampled(pictures, every_ms))

    def batch(self) -> Batch | None:
        """The next frames, or None after the last. Raises UndecodableMedia, Stopped."""
        return next(self._found, None)

    def close(self) -> None:
        """Let go of the file before its end. A thread that is still in `batch` does so itself when it is stopped."""
        with suppress(ValueError):
            self._found.close()

    def _pictures(self) -> Iterator[tuple[int, Bytes, View]]:
        cuts = Cuts()
        for frame in self.decoded():
            small = small_size(frame.width, frame.height, self._side)
            turns = turns_of(frame)
            if self.view is None:
                self.view = View(frame.width, frame.height, small, turns)
            picture = frame.to_ndarray(width=small[0], height=small[1], format="bgr24", interpolation="AREA")
            luma = cv2.cvtColor(cv2.resize(picture, LUMA, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
            if cuts.step(luma.astype(np.uint8)):
                self.cuts.append(len(self.pts) - 1)
            view = View(self.view.width, self.view.height, small, turns)
            yield len(self.pts) - 1, np.ascontiguousarray(np.rot90(picture, turns)), view


def read_image(path: Path, *, side: int, most_pixels: int) -> Batch:
    """A picture as a batch of one, upright by its EXIF orientation, transparency on black. Raises UndecodableMedia."""
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > most_pixels:
                raise UndecodableMedia(f"the picture has {picture.width} x {picture.height} pixels, over the cap")
            upright = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UndecodableMedia("the picture cannot be decoded") from error
    height, width = upright.shape[:2]
    small = small_size(width, height, side)
    bgr = cv2.resize(upright[..., ::-1].copy(), small, interpolation=cv2.INTER_AREA)
    return Batch([0], np.ascontiguousarray(bgr[None], np.uint8), View(width, height, small))


__all__ = ["BATCH", "Batch", "Reader", "View", "read_image", "small_size"]
