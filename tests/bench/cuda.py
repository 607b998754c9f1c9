"""The CUDA execution on a GPU: parity with the float64 references, then bytes moved and time.

Without a CUDA device nothing is run and no figure is written. `python -m tests.bench.cuda` rehearses the steps with
tiny sizes in Triton's interpreter instead; what that prints are no figures.
"""

from __future__ import annotations

import io
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import numpy as np
import torch

from kernels.blend import DISSOLVE, MODES
from kernels.composite import Layer, composite
from kernels.faces import iou
from tests.bench.measure import NotRun, Row, picture, shown

SEVEN = ("multiply", "screen", "overlay", "darken", "lighten", "linear_dodge", "normal")
TOGETHER = ("hue", "saturation", "color", "luminosity")
SIGMAS = (1, 5, 12, 30, 100)
NORMAL_SHARE, SEVEN_SHARE = 0.7, 0.5
"""Of what a plain copy moves: the goals."""
CLIP = Path(__file__).parents[1] / "fixtures" / "video_clips" / "face_clip.mp4"
BATCHED = 4
"""Times the frames/s of one frame a batch: the goal."""
SURE = 0.625
"""A raw score of YuNet of 0.7."""
SAME_FACE, SAME_SHARE = 0.9, 0.98
"""IoU with the box that OpenCV finds, and the least share of boxes that have it."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Where it runs, and how large everything is."""

    device: str = "cuda"
    rounds: int = 20
    copied: int = 1 << 30
    large: tuple[int, int] = (3840, 2160)
    middle: tuple[int, int] = (1920, 1080)
    layers: int = 32
    small: tuple[int, int] = (256, 256)
    batch: int = 64
    frames: int = 32
    """Of the batch that the face detector is given."""
    parity: tuple[tuple[int, int], ...] = ((131, 5), (517, 67))


REHEARSAL = Scale("cpu", 1, 1 << 12, (133, 5), (40, 3), 2, (9, 3), 2, 2, ((131, 2),))


def run(home: Path) -> list[Row]:
    if not torch.cuda.is_available():
        raise NotRun("no CUDA device")
    try:
        import triton  # noqa: F401
    except ImportError:
        raise NotRun("triton is not installed: pip install -e '.[cuda]'") from None
    return list(rows(Scale()))


def rows(scale: Scale) -> Iterator[Row]:
    yield from parity(scale)
    copy = copied(scale)
    yield Row("a copy moves", copy, "GB/s")
    yield from moved(scale, copy)
    yield from launched(scale)
    yield from whole(scale)
    yield from blurred(scale)
    yield from encoded(scale)
    yield from detected(scale)


def milliseconds(scale: Scale, call: Callable[[], object]) -> float:
    """The median of `rounds` calls after three that warm up, by events of the device."""
    if scale.device == "cpu":
        began = time.perf_counter()
        call()
        return (time.perf_counter() - began) * 1000
    took = []
    for number in range(scale.rounds + 3):
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        first.record()
        call()
        last.record()
        torch.cuda.synchronize()
        if number >= 3:
            took.append(first.elapsed_time(last))
    return statistics.median(took)


def parity(scale: Scale) -> Iterator[Row]:
    """Whether every mode keeps the policy of kernels.composite."""
    from tests.unit import kernel_parity

    for size in scale.parity:
        for linear in (False, True):
            found = kernel_parity.modes(scale.device, size, linear=linear)
            light = ", linear light" if linear else ""
            what = f"pixels off the reference, {len(found)} modes, {size[0]}×{size[1]}{light}"
            yield Row(what, sum(found.values()), "", at_most=0)
    if scale.device != "cpu":  # its sizes take the interpreter long: tests/unit runs it there
        kernel_parity.geometry(scale.device)


def copied(scale: Scale) -> float:
    """GB/s, read and written, of a copy that is larger than any cache."""
    source = torch.randint(0, 255, (scale.copied,), dtype=torch.uint8, device=scale.device)
    target = torch.empty_like(source)
    took = milliseconds(scale, lambda: target.copy_(source))
    return 2 * scale.copied / took / 1e6


def stack(modes: tuple[str, ...], count: int, size: tuple[int, int]) -> list[Layer]:
    """`count` different pictures of noise, the first one opaque, the modes in turn."""
    pixels = [picture(seed, *size, opaque=seed == 0) for seed in range(count)]
    return [Layer(one, mode=modes[i % len(modes)] if i else "normal", opaque=i == 0) for i, one in enumerate(pixels)]


def moved(scale: Scale, copy: float) -> Iterator[Row]:
    """Layers of 4K: what the kernel reads and writes in its time, as a share of a copy's."""
    from kernels.composite_cuda import draw, upload

    size, megabytes = scale.large, (scale.layers + 1) * scale.large[0] * scale.large[1] * 4 / 1e6

    def share(modes: tuple[str, ...], *, linear: bool = False) -> float:
        resident = upload([stack(modes, scale.layers, size)], *size, scale.device)
        took = milliseconds(scale, lambda: draw(resident, linear=linear))
        return megabytes / took / copy

    what = f"{scale.layers} layers of {size[0]}×{size[1]}"
    yield Row(f"{what}, normal, of a copy", share(("normal",)), "×", at_least=NORMAL_SHARE)
    yield Row(f"{what}, seven modes in turn, of a copy", share(SEVEN), "×", at_least=SEVEN_SHARE)
    for mode in MODES if scale.device != "cpu" else (DISSOLVE, "color_dodge", "hue"):
        if mode != "normal":
            goal = SEVEN_SHARE if mode in SEVEN else None
            yield Row(f"{what}, {mode}, of a copy", share((mode,)), "×", at_least=goal)
    yield Row(f"{what}, hue to luminosity in turn, of a copy", share(TOGETHER), "×")
    yield Row(f"{what}, normal in linear light, of a copy", share(("normal",), linear=True), "×")
    hidden = [*stack(("normal",), scale.layers - 1, size), Layer(picture(0, *size, opaque=True), opaque=True)]
    resident = upload([hidden], *size, scale.device)
    yield Row(f"{what}, the topmost hides all", milliseconds(scale, lambda: draw(resident)))


def launched(scale: Scale) -> Iterator[Row]:
    """Small compositions in one launch and in one each, and the kernel's programs from a disk that knows them."""
    from kernels.composite_cuda import draw, upload, warm

    size = scale.small
    stacks = [stack(SEVEN, 8, size)] * scale.batch
    together = upload(stacks, *size, scale.device)
    apart = [upload([one], *size, scale.device) for one in stacks]
    one = milliseconds(scale, lambda: draw(together))
    each = milliseconds(scale, lambda: [draw(resident) for resident in apart])
    what = f"{scale.batch} compositions of 8 layers, {size[0]}×{size[1]}"
    yield Row(f"{what}, one launch", one, against={"a launch each": each})
    began = time.perf_counter()
    warm(scale.device)
    yield Row("the kernel's programs, already compiled", time.perf_counter() - began, "s")


def whole(scale: Scale) -> Iterator[Row]:
    """From main memory to main memory, beside the CPU's compiled loops."""
    from kernels.composite_cuda import composite_batch

    for size, name in ((scale.middle, "1080p"), (scale.large, "4K")):
        layers = stack(SEVEN, 8 if scale.device != "cpu" else 2, size)
        took, cpu = [], []
        for _ in range(scale.rounds):
            for times, call in (
                (took, lambda layers=layers, size=size: composite_batch([layers], *size, scale.device)),
                (cpu, lambda layers=layers, size=size: composite(layers, *size, threads=os.cpu_count() or 1)),
            ):
                began = time.perf_counter()
                call()
                times.append((time.perf_counter() - began) * 1000)
        against = {"the CPU, all cores": statistics.median(cpu)}
        yield Row(f"8 layers {name}, uploaded, drawn, fetched", statistics.median(took), against=against)


def blurred(scale: Scale) -> Iterator[Row]:
    """1080p RGBA on the device, its error on hard edges, and OpenCV's time on the CPU."""
    import cv2

    from kernels.blur import gaussian_reference
    from kernels.blur_torch import gaussian_planes

    size = scale.middle
    pixels = picture(0, *size, opaque=True)
    planes = torch.from_numpy(pixels).to(scale.device).movedim(-1, 0).float()
    edges = (torch.rand((150, 210), generator=torch.Generator().manual_seed(0)) > 0.7).double()
    for sigma in SIGMAS:
        expected = gaussian_reference(edges, sigma, edge="replicate")
        got = gaussian_planes(edges.float().to(scale.device), sigma, edge="replicate").cpu()
        off = float((got - expected).abs().max()) * 255
        yield Row(f"blur, sigma {sigma}: error of 255, before rounding", off, "", at_most=0.5)
        took = milliseconds(scale, lambda sigma=sigma: gaussian_planes(planes, sigma, edge="replicate"))
        began = time.perf_counter()
        cv2.GaussianBlur(pixels, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        against = {"OpenCV on the CPU": (time.perf_counter() - began) * 1000}
        yield Row(f"blur, 1080p RGBA, sigma {sigma}", took, against=against)


def encoded(scale: Scale) -> Iterator[Row]:
    """A picture as JPEG by nvjpeg, from main memory to bytes, against Pillow; nothing without torchvision."""
    from PIL import Image

    from deployments.drawing import nvjpeg

    noise = Image.fromarray(picture(0, 480, 270)[..., :3])
    rgb = np.asarray(noise.resize(scale.middle, Image.Resampling.BICUBIC))

    def pillow(pixels: np.ndarray, quality: int) -> bytes:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=quality)
        return file.getvalue()

    def rehearsed(planes: torch.Tensor, quality: int) -> torch.Tensor:
        file = pillow(planes.permute(1, 2, 0).contiguous().numpy(), quality)
        return torch.frombuffer(bytearray(file), dtype=torch.uint8)

    coder = rehearsed if scale.device == "cpu" else nvjpeg.coder()
    if coder is None:
        return
    options = {"quality": 85, "dpi": 72, "profile": bytes(600), "by": coder, "device": scale.device}
    took: dict[str, list[float]] = {"nvjpeg": [], "Pillow": []}
    for _ in range(scale.rounds + 1):
        for name, call in (
            ("nvjpeg", lambda: nvjpeg.encode_jpeg(rgb, **options)),
            ("Pillow", lambda: pillow(rgb, 85)),
        ):
            began = time.perf_counter()
            call()
            took[name].append((time.perf_counter() - began) * 1000)
    ours, theirs = (statistics.median(times[1:]) for times in took.values())
    yield Row("JPEG q85 of 1080p by nvjpeg, colours whole", ours, against={"Pillow, colours halved": theirs})
    sizes = [len(nvjpeg.encode_jpeg(rgb, **options)) / 1e3, len(pillow(rgb, 85)) / 1e3]
    yield Row("the same, size", sizes[0], "KB", against={"Pillow, colours halved": sizes[1]})


def detected(scale: Scale) -> Iterator[Row]:
    """Faces of the repository's clip by the torch detector, from main memory to boxes: one frame a batch and many; and
    how many of its boxes OpenCV's detector has. Nothing where the weights are not at hand."""
    from configs.models import Models, WeightsMissing
    from configs.settings import Settings
    from deployments.engines.video_regions.detectors import make_detector

    settings = Settings(device=scale.device)
    try:
        ours, theirs = (
            make_detector(name, Models(settings).path, settings)
            for name in ("torch_face_detector", "opencv_face_detector")
        )
    except WeightsMissing:
        return
    with av.open(str(CLIP)) as clip:
        frames = np.stack([frame.to_ndarray(format="bgr24") for frame in islice(clip.decode(video=0), scale.frames)])

    def rate(count: int) -> float:
        """Frames/s in batches of `count`; what comes back is numpy's, so nothing is still under way."""
        began = time.perf_counter()
        for first in range(0, len(frames), count):
            ours(frames[first : first + count])
        return len(frames) / (time.perf_counter() - began)

    together, alone = [], []
    for _ in range(scale.rounds + 1):
        together.append(rate(len(frames)))
        alone.append(rate(1))
    many, one = (statistics.median(rates[1:]) for rates in (together, alone))
    what = f"faces in {len(frames)} frames of {frames.shape[2]}×{frames.shape[1]}"
    yield Row(f"{what}, one batch", many, "frames/s", against={"a batch each": one})
    yield Row(f"{what}, one batch over a batch each", many / one, "×", at_least=BATCHED)
    pairs = [
        (a, b)
        for mine, other in zip(ours(frames), theirs(frames), strict=True)
        for a, b in ((mine, other), (other, mine))
    ]
    agreed = [iou(a[a[:, 4] >= SURE, :4], b[:, :4]).max(axis=1, initial=0) >= SAME_FACE for a, b in pairs]
    yield Row(f"{what}, boxes that OpenCV has too", float(np.concatenate(agreed).mean()), "×", at_least=SAME_SHARE)


if __name__ == "__main__":
    os.environ["TRITON_INTERPRET"] = "1"
    for row in rows(REHEARSAL):
        sys.stdout.write(f"rehearsed: {row.what}: {shown(row.figure)} {row.unit}\n")
        assert np.isfinite(row.figure)
