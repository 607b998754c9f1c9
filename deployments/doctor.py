"""`python -m deployments doctor` and `gc`: what works on this machine, and what the store holds."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from typing import NamedTuple

from artifacts import Registry, Store
from artifacts.errors import RegistryError
from artifacts.sweep import fsck as check_store
from artifacts.sweep import gc
from configs.fonts import font_path, fonts
from configs.models import Models
from configs.settings import Settings
from deployments.engines.video_captions.backends import BACKENDS as SPEECH
from deployments.engines.video_regions.models import DETECTORS

ENCODERS = ("libx264", "libx265", "libsvtav1", "libvpx-vp9", "aac", "libopus", "h264_nvenc", "hevc_nvenc")


class Finding(NamedTuple):
    """One line of the doctor's report."""

    what: str
    works: bool
    said: str
    cure: str = ""
    """What to do where it does not work."""


def examine(settings: Settings) -> list[Finding]:
    """What works here: store, GPU, encoders, backends with their weights, fonts."""
    return [line for look in (_store, _gpu, _encoders, _detectors, _speech, _fonts) for line in look(settings)]


def run(settings: Settings, *, fsck: bool, as_json: bool) -> int:
    """Print the report; 1 when the store does not work or fsck finds a fault, else 0: the rest is told, not judged."""
    found = examine(settings)
    report: dict[str, object] = {"findings": [line._asdict() for line in found]}
    failed = any(line.what == "store" and not line.works for line in found)
    if not as_json:
        for line in found:
            print(f"{'ok' if line.works else 'no'}  {line.what}: {line.said}")
            if line.cure and not line.works:
                print(f"    -> {line.cure}")
    if fsck and not failed:
        checked = check_store(Registry(Store(settings.store_url)))
        report["fsck"] = asdict(checked)
        failed = bool(checked.problems)
        if not as_json:
            print("\n".join(checked.problems + [f"{key}: no record names it" for key in checked.orphans]))
            print(
                f"{checked.assets} assets, {checked.records} records, {checked.bytes} bytes read: "
                f"{len(checked.problems)} problems, {len(checked.orphans)} orphans"
            )
    if as_json:
        print(json.dumps(report))
    return int(failed)


def collect(settings: Settings, *, grace_s: float, as_json: bool) -> int:
    """Run gc and print what it did; 1 when the store cannot be opened."""
    try:
        registry = Registry(Store(settings.store_url))
    except (RegistryError, OSError) as error:
        print(f"the store cannot be opened: {error}", file=sys.stderr)
        return 1
    done = asdict(gc(registry, grace_s=grace_s))
    print(json.dumps(done) if as_json else ", ".join(f"{name} {count}" for name, count in done.items()))
    return 0


def _store(settings: Settings) -> list[Finding]:
    try:
        Store(settings.store_url)
    except (RegistryError, OSError) as error:
        cure = "set ARTIFACT_STORE_URL to a store that this machine may write, or MATTEBOX_HOME to an absolute folder"
        return [Finding("store", False, str(error), cure)]
    return [Finding("store", True, settings.store_url)]


def _gpu(settings: Settings) -> list[Finding]:
    import torch

    from deployments.drawing import nvjpeg

    if torch.cuda.is_available():
        kernel = importlib.util.find_spec("triton") is not None
        said = "one kernel a composition" if kernel else "tensor formulas a layer: triton is not installed"
        found = [
            Finding("GPU", True, torch.cuda.get_device_name(0)),
            Finding("GPU compositor", kernel, said, "pip install -e '.[cuda]'"),
        ]
        if settings.jpeg_encoder == nvjpeg.NAME:
            here = nvjpeg.coder() is not None
            cure = "pip install -e '.[nvjpeg]', beside a torch that is no CPU build"
            found.append(Finding("GPU encoder nvjpeg", here, "JPEG" if here else "JPEGs are Pillow's", cure))
        return found
    built = torch.version.cuda
    cure = (
        "install a driver for CUDA"
        if built
        else "make clean, then make install without TORCH_INDEX: this torch is a CPU build"
    )
    return [Finding("GPU", False, "none that torch can use; everything runs on the CPU", f"if there is one: {cure}")]


def _encoders(settings: Settings) -> list[Finding]:
    nvenc = "it takes a GPU with an encoder, which data-centre GPUs often lack; libx264 does without"
    return [
        _tried(f"encoder {name}", partial(_encoder, name), nvenc if name.endswith("_nvenc") else "make install")
        for name in ENCODERS
    ]


def _encoder(name: str) -> str:
    import av

    context = av.VideoCodecContext if name not in ("aac", "libopus") else av.AudioCodecContext
    codec = context.create(name, "w")
    if name.endswith("_nvenc"):  # the name is there without the hardware: only opening it tells
        codec.width, codec.height, codec.pix_fmt, codec.framerate = 256, 256, "yuv420p", 25  # type: ignore[attr-defined]
        codec.open()
    return name


def _detectors(settings: Settings) -> list[Finding]:
    return [
        _backend(name, ("cv2",), "make install", (row.model,), settings)
        for name, row in DETECTORS.items()
        if row.model != "stub"
    ]


def _speech(settings: Settings) -> list[Finding]:
    model = Models(settings).named("speech", settings.video_captions_model).name
    return [
        _backend(f"{name} ({model})", row.requires, row.install, row.rows(model), settings)
        for name, row in SPEECH.items()
        if row.open
    ]


def _backend(name: str, packages: Iterable[str], install: str, weights: Iterable[str], settings: Settings) -> Finding:
    """Whether a backend's packages and weights lie here; nothing is fetched."""
    what = f"backend {name}"
    absent = [package for package in packages if importlib.util.find_spec(package) is None]
    if absent:
        return Finding(what, False, f"{', '.join(absent)} is not installed", install)
    models = Models(settings)
    places = [*settings.models_folders, settings.models_home]
    missing = [row.name for row in map(models.row, weights) if not any((at / row.target).is_file() for at in places)]
    if missing:
        said = f"its weights are not here yet ({', '.join(missing)})"
        return Finding(what, False, said, "fetched on first use; `make models` fetches what the defaults need")
    return Finding(what, True, "packages and weights are here")


def _fonts(settings: Settings) -> list[Finding]:
    return [_tried(f"font {name}", partial(font_path, name), "make install") for name in fonts()]


def _tried(what: str, look: Callable[[], object], cure: str) -> Finding:
    try:
        return Finding(what, True, str(look()))
    except Exception as error:
        return Finding(what, False, f"{type(error).__name__}: {error}", cure)


__all__ = ["Finding", "collect", "examine", "run"]
