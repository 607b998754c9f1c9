"""Small fixed requests of each operation and the hashes of what they make: `python -m tests.unit.golden` records them.

golden.json holds, for each operation, the `backend_version` under which its hashes were recorded, and the platform: the
processor and the libraries that have a part in the bytes. On another platform the hashes say nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import platform
import struct
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from numba.core.codegen import get_host_cpu_features

from artifacts import Registry, Scope, Store
from configs.settings import Settings
from deployments.media.receive import UploadFields, adopt
from deployments.operation import Context
from deployments.replicas.local import local_runner
from deployments.runner import Runner

JSON = dict[str, Any]
FILE = Path(__file__).with_name("golden.json")
CLIP = Path(__file__).parents[1] / "fixtures" / "video_clips" / "face_clip.mp4"
WHO = Context(Scope("t_golden", "test"), "golden")
PHOTO, VIDEO = "asset_photophoto", "asset_videovideo"
"""Stand for the two uploads."""

LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "image_render": ("numpy", "numba", "opencv-python-headless", "pillow"),
    "image_masks": ("numpy", "numba", "opencv-python-headless", "pillow"),
    "typography_render": ("pillow", "numpy", "numba", "fontpkg-noto-sans"),
    "vector_scenes": (),
    "vector_render": ("resvg-py", "pillow", "numpy", "numba"),
    "video_regions": ("av", "onnxruntime", "opencv-python-headless", "pillow"),
    "video_visual_meta": ("av", "numpy", "onnxruntime", "opencv-python-headless"),
    "video_masks": ("numpy", "numba", "opencv-python-headless", "pillow"),
    "video_render": ("av", "numpy", "onnxruntime", "opencv-python-headless"),
}
STAR = {"type": "polygon", "points": [[32, 2], [50, 60], [4, 22], [60, 22], [14, 60]], "fill_rule": "evenodd"}
BRUSH = {"type": "brush", "strokes": [{"points": [[5, 5], [40, 50], [60, 8]], "width": 9, "hardness": 0.5}]}
LAYERS = [
    {"asset_id": PHOTO, "x": 3.25, "y": 2, "scale": 0.75, "rotation": 17, "mask": STAR | {"feather_radius": 3}},
    {"color": "#3060c080", "blend_mode": "soft_light"},
    {"asset_id": PHOTO, "blend_mode": "luminosity", "opacity": 0.5, "adjustments": {"contrast": 1.3, "hue": 30}},
    {"asset_id": PHOTO, "width": 20, "height": 20, "x": 30, "filters": [{"type": "blur", "radius": 2.5}]},
    {"layers": [{"color": "#ff8000"}], "mask": BRUSH, "blend_mode": "multiply"},
]
CANVAS = {"width": 64, "height": 64, "background_color": "#fefae0", "layers": LAYERS}
SCENE = {
    "width": 64,
    "height": 48,
    "elements": [
        {"type": "rect", "x": 4, "y": 4, "width": 40, "height": 30, "radius": 6, "style": {"fill": "#c03060"}},
        {"type": "path", "d": "M8 40 C 20 4 40 4 60 40 Z", "style": {"stroke": "#204080", "stroke_width": 3}},
    ],
}
SHORT = {"tracks": [{"kind": "video", "clips": [{"asset_id": VIDEO, "in_ms": 0, "out_ms": 400}]}]}
CASES: Mapping[str, Mapping[str, JSON]] = {
    "image_render": {
        "png": {"composition": CANVAS},
        "linear": {"composition": CANVAS | {"color_space": "linear"}},
        "webp": {"composition": CANVAS, "preset_id": "web_small", "format": "WEBP"},
        "jpeg": {"composition": CANVAS, "format": "JPEG", "quality": 80},
    },
    "image_masks": {
        "star": {"width": 64, "height": 64, "selection": STAR | {"feather_radius": 4, "inverted": True}},
        "brush": {"width": 64, "height": 64, "selection": BRUSH},
        "luminance": {"width": 64, "height": 64, "selection": {"type": "luminance", "asset_id": PHOTO, "grow": 2}},
    },
    "typography_render": {
        "box": {"text": "Falsches Üben, 128 AVA", "size": 24, "box": {"width": 120}, "align": "justify"},
        "stroke": {"text": "stroke", "size": 32, "stroke": {"width": 2}, "shadow": {}, "tracking": 40},
    },
    "vector_scenes": {"scene": {"scene": SCENE}},
    "vector_render": {"scene": {"scene": SCENE}},
    "video_regions": {"stub": {"asset_id": VIDEO, "backend": "stub", "frame_sample_interval_ms": 2000}},
    "video_visual_meta": {"stub": {"asset_id": VIDEO, "backend": "stub", "frame_sample_interval_ms": 1000}},
    "video_masks": {
        "ellipse": {"asset_id": VIDEO, "selection": {"type": "ellipse", "x": 9, "y": 9, "width": 99, "height": 50}}
    },
    "video_render": {"draft": {"sequence": SHORT, "render_profile": "draft_480p_fast"}},
}


def photo() -> bytes:
    """A 64 x 64 BMP, written here: no encoder has a part in it."""
    rows = b"".join(
        bytes(((5 * x) % 256, (3 * y + x * y) % 256, (7 * x + 2 * y) % 256)) for y in range(64) for x in range(64)
    )
    return (
        b"BM"
        + struct.pack("<IIIIiiHHIIiiII", 54 + len(rows), 0, 54, 40, 64, 64, 1, 24, 0, len(rows), 0, 0, 0, 0)
        + rows
    )


def platform_of(operation: str) -> JSON:
    """The processor and the libraries on which an operation's bytes may depend; nothing where they cannot."""
    libraries = {name: version(name) for name in LIBRARIES[operation]}
    features = hashlib.sha256(get_host_cpu_features().encode()).hexdigest()[:12]
    return {"machine": platform.machine(), "cpu": features} | libraries if libraries else {}


async def make(operations: list[str]) -> JSON:
    """operation -> {backend_version, platform, made: {case: [artifact id, sha256 of its bytes]}}."""
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(mattebox_home=Path(home), video_regions_min_confidence=0.5)
        runner = local_runner(settings, Registry(Store(f"file://{home}/artifacts")))
        ids = {PHOTO: await _upload(runner, photo()), VIDEO: await _upload(runner, CLIP.read_bytes())}
        told: JSON = {}
        for name in operations:
            row = told[name] = {"backend_version": "", "platform": platform_of(name), "made": {}}
            for case, request in CASES[name].items():
                text = json.dumps(request)
                for stand_in, id in ids.items():
                    text = text.replace(stand_in, id)
                made = await runner.make(name, json.loads(text), WHO)
                row["backend_version"] = made.plan.backend_version
                row["made"][case] = [made.record.id, made.record.sha256]
        return told


def hashes(row: JSON) -> JSON:
    """case -> sha256. The ids follow from the request's normal form too, and are left out."""
    return {case: sha256 for case, (_, sha256) in row["made"].items()}


async def _upload(runner: Runner, data: bytes) -> str:
    receiving = runner.registry.receive(WHO.scope, len(data))
    await receiving.write(data)
    return (await adopt(runner, WHO, receiving, UploadFields())).id


def main(arguments: list[str]) -> None:
    if arguments:
        print(json.dumps(asyncio.run(make(arguments))))
        return
    recorded = json.loads(FILE.read_text()) if FILE.exists() else {}
    now = asyncio.run(make(list(CASES)))
    for name, row in now.items():
        old = recorded.get(name)
        if old and old["platform"] == row["platform"] and old["backend_version"] == row["backend_version"]:
            changed = [case for case, (_, sha256) in row["made"].items() if old["sha256"].get(case, sha256) != sha256]
            if changed:
                sys.exit(f"{name}: {', '.join(changed)} changed; raise its backend_version before recording anew")
    kept = {
        name: {"backend_version": row["backend_version"], "platform": row["platform"], "sha256": hashes(row)}
        for name, row in now.items()
    }
    FILE.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
