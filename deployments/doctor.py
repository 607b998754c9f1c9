"""`python -m deployments doctor` and `gc`: what works on this machine, and what the store holds."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
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

ENCODERS = ("libx264", "libx265", "libsvtav1", "libvpx-vp9", "aac", "libopus", "h264_nvenc", "hevc_nvenc")
BACKENDS = {
    "opencv_face_detector": "cv2",
    "centerface": "cv2",
    "whisper_openai": "whisper",
    "faster_whisper": "faster_whisper",
}
"""Backend -> the package that it needs."""


class Finding(NamedTuple):
    """One line of the doctor's report."""

    what: str
    works: bool
    said: str


def examine(settings: Settings) -> list[Finding]:
    """What works here: store, GPU, encoders, backends, weights, fonts."""
    return [line for look in (_store, _gpu, _encoders, _backends, _weights, _fonts) for line in look(settings)]


def run(settings: Settings, *, fsck: bool, as_json: bool) -> int:
    """Print the report; 1 when the store does not work or fsck finds a fault, else 0: the rest is told, not judged."""
    found = examine(settings)
    report: dict[str, object] = {"findings": [line._asdict() for line in found]}
    failed = any(line.what == "store" and not line.works for line in found)
    if not as_json:
        for line in found:
            print(f"{'ok ' if line.works else 'no '} {line.what}: {line.said}")
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
        return [Finding("store", False, str(error))]
    return [Finding("store", True, settings.store_url)]


def _gpu(settings: Settings) -> list[Finding]:
    import torch

    found = torch.cuda.is_available()
    name = torch.cuda.get_device_name(0) if found else "none that torch can use; everything runs on the CPU"
    return [Finding("GPU", found, name)]


def _encoders(settings: Settings) -> list[Finding]:
    return [_tried(f"encoder {name}", partial(_encoder, name)) for name in ENCODERS]


def _encoder(name: str) -> str:
    import av

    context = av.VideoCodecContext if name not in ("aac", "libopus") else av.AudioCodecContext
    codec = context.create(name, "w")
    if name.endswith("_nvenc"):  # the name is there without the hardware: only opening it tells
        codec.width, codec.height, codec.pix_fmt, codec.framerate = 256, 256, "yuv420p", 25  # type: ignore[attr-defined]
        codec.open()
    return name


def _backends(settings: Settings) -> list[Finding]:
    return [
        Finding(f"backend {name}", importlib.util.find_spec(package) is not None, f"needs the package {package}")
        for name, package in BACKENDS.items()
    ]


def _weights(settings: Settings) -> list[Finding]:
    """Which weights lie here already; nothing is fetched."""
    places = [*settings.models_folders, settings.models_home]
    found = []
    for row in Models(settings).rows():
        here = next((folder for folder in places if (folder / row.target).is_file()), None)
        said = str(here) if here else "not here yet: fetched on first use, or by `make models`"
        found.append(Finding(f"weights {row.name}", here is not None, said))
    return found


def _fonts(settings: Settings) -> list[Finding]:
    return [_tried(f"font {name}", partial(font_path, name)) for name in fonts()]


def _tried(what: str, look: Callable[[], object]) -> Finding:
    try:
        return Finding(what, True, str(look()))
    except Exception as error:
        return Finding(what, False, f"{type(error).__name__}: {error}")


__all__ = ["Finding", "collect", "examine", "run"]
