"""`python -m docs.render_sheets`: the pictures of docs/video.md, made by the code from the repository's own clips."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame
from PIL import Image

from artifacts import Draft, Registry, Scope, Store
from configs.settings import Settings
from deployments.engines.video_render import frames
from deployments.engines.video_render.board import Board
from deployments.media.receive import UploadFields, adopt
from deployments.operation import Context
from deployments.replicas.local import local_runner
from docs.sheets import FOLDER, page
from kernels.transitions import KINDS

JSON = dict[str, Any]
CLIPS = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "video_clips"
SMALL, WIDE = (128, 72), (320, 180)
SHARE = 0.4
"""Of each transition's time that is gone: in the very middle a dip shows nothing but its color."""
BETWEEN = (("broll", 2.5), ("face", 1.0))
SHOWN_S = 1.0
"""Where the finished render is looked at."""
CONTEXT = Context(Scope("t_docs", "dev"), "docs")
CARD: JSON = {
    "composition": {
        "width": 220,
        "height": 64,
        "layers": [
            {"type": "solid", "color": "#14213dcc"},
            {"type": "text", "text": "mattebox", "x": 24, "y": 8, "text_size": 36, "text_color": "#ffffff"},
        ],
    }
}
WORDS = ["A picture over it, a caption,", "and a face that nobody knows."]


def frame_of(path: Path, seconds: float, size: tuple[int, int]) -> VideoFrame:
    """The first frame at or after a time, at this size."""
    with av.open(str(path)) as container:
        found = next(frame for frame in container.decode(video=0) if frame.time >= seconds)
    return found.reformat(width=size[0], height=size[1], interpolation="AREA")


def pixels(frame: VideoFrame) -> np.ndarray:
    """uint8 [h, w, 3]"""
    return np.asarray(frame.to_ndarray(format="rgb24"))


def transitions() -> np.ndarray:
    """Every kind, SHARE of its time gone, from one of the clips into the other."""
    tiles = []
    for kind in KINDS:
        first, second = (
            frames.as_yuv420(frame_of(CLIPS / f"{name}_clip.mp4", seconds, SMALL))[0] for name, seconds in BETWEEN
        )
        board = Board(SMALL, "bt709", first)
        board.pass_into(Board(SMALL, "bt709", second), kind, SHARE)
        tiles.append((kind, pixels(board.seen())))
    return page(tiles, 4)


def render() -> np.ndarray:
    """A frame of a clip, and of its render with faces hidden, a picture over it and a caption."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(os.environ.get("MATTEBOX_HOME", Path.cwd() / "var")).absolute()
        settings = Settings(mattebox_home=home)
        made = asyncio.run(_rendered(settings, Path(folder)))
        shown = [
            (title, pixels(frame_of(path, SHOWN_S, WIDE)))
            for title, path in (("the clip", CLIPS / "face_clip.mp4"), ("its render", made))
        ]
    return page(shown, 2)


async def _rendered(settings: Settings, folder: Path) -> Path:
    """The render's file: every step as it is asked for over HTTP, on the local dispatch and a store in memory."""
    runner = local_runner(settings, Registry(Store("memory://")))
    data = (CLIPS / "face_clip.mp4").read_bytes()
    receiving = runner.registry.receive(CONTEXT.scope, len(data))
    await receiving.write(data)
    asset = (await adopt(runner, CONTEXT, receiving, UploadFields())).id
    card = await runner.run("image_render", CARD, CONTEXT)
    own = await runner.run("video_anonymise", {"asset_id": asset}, CONTEXT)
    sequence = runner.registry.documents.get(CONTEXT.scope, "sequences", own["sequence_id"])
    assert sequence
    clip = {name: sequence.body["tracks"][0]["clips"][0][name] for name in ("asset_id", "filters")}
    tracks = [
        {"kind": "video", "clips": [clip | {"out_ms": 1800}]},
        {"kind": "overlay", "clips": [{"artifact_id": card["artifact_id"], "position": [32, 28]}]},
    ]
    words = _transcript(runner.registry, asset)
    wanted = {"sequence": {"tracks": tracks}, "burn_in_captions": {"artifact_id": words}}
    answer = await runner.run("video_render", wanted, CONTEXT)
    path = folder / "render.mp4"
    path.write_bytes(
        runner.registry.read(CONTEXT.scope, runner.registry.artifact(CONTEXT.scope, answer["artifact_id"]))
    )
    return path


def _transcript(registry: Registry, asset: str) -> str:
    """A transcript that says WORDS."""
    meta: JSON = {"backend": "docs", "backend_version": "1", "model_used": "none", "cache_key": "docs"}
    meta |= {"duration_ms": 4000, "language": "en"}
    cues = [{"index": 1, "start_ms": 0, "end_ms": 4000, "lines": WORDS}]
    data = json.dumps({"language": "en", "segments": [], "cues": cues, "meta": {}}).encode()
    main = Draft("", "asr_transcript", "application/json", data, meta)
    key = hashlib.sha256(data).hexdigest()
    return registry.commit(CONTEXT.scope, cache_key=key, main=main, parent_asset_id=asset).id


SHEETS: Mapping[str, Callable[[], np.ndarray]] = {"transitions.png": transitions, "render.png": render}


if __name__ == "__main__":
    for name, draw in SHEETS.items():
        Image.fromarray(draw()).save(FOLDER / name, optimize=True)
    print(f"drew {', '.join(SHEETS)}")
    sys.exit(0)

__all__ = ["SHEETS"]
