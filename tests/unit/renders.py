"""A registry with what a test of renders puts into it, renders made from it, and what is read from their files."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from artifacts import Asset, Draft, Record, Registry, Scope, Store, keys
from artifacts.kinds import check_meta
from configs.settings import Settings
from deployments.engines.video_render import frames
from deployments.engines.video_render.models import RenderRequest
from deployments.engines.video_render.plan import plan
from deployments.engines.video_render.work import render
from deployments.inputs import StoredInputs
from deployments.media.probe import probe
from deployments.operation import JSON, Context, Output, Parts, Plan, Tools
from deployments.replicas.kept import Kept

SCOPE = Scope("t_acme", "dev")
CONTEXT = Context(SCOPE, "request-1")
CUTS = (0, 175, 249, 369, 443, 517)
"""First frames of face_clip's shots; the one from 249 shows no face."""
TICK = 512
"""Ticks of 1/12800 s a frame of face_clip."""


class Shop:
    """A registry with what a test puts into it, and renders made from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings(mattebox_home=folder)
        self.registry = Registry(Store("memory://"))
        self._count = 0

    def asset(self, data: bytes | Path, media_type: str = "video/mp4") -> Asset:
        raw = data if isinstance(data, bytes) else data.read_bytes()
        path = self.folder / f"upload{len(raw)}"
        path.write_bytes(raw)
        key = keys.incoming(SCOPE, "upload_aaaaaaaa")
        self.registry.store.create(key, raw)
        return self.registry.adopt(
            SCOPE, key, kind=media_type.partition("/")[0], media_type=media_type, size_bytes=len(raw),
            sha256=hashlib.sha256(raw).hexdigest(), meta=probe(path, media_type, self.settings),
        )  # fmt: skip

    def artifact(self, kind: str, media_type: str, data: bytes, meta: JSON, parent: str | None = None) -> Record:
        self._count += 1
        main = Draft("", kind, media_type, data, meta)
        return self.registry.commit(SCOPE, cache_key=f"{self._count:064x}", main=main, parent_asset_id=parent)

    def mask(self, pixels: np.ndarray) -> Record:
        data = io.BytesIO()
        Image.fromarray(pixels).save(data, "PNG")
        size = {"width": pixels.shape[1], "height": pixels.shape[0]}
        meta = size | {"feather": 0, "selection_hash": "x", "selection": {}}
        return self.artifact("mask", "image/png", data.getvalue(), meta)

    def summary(self, asset: Asset, tracks: list[list[list[float]]], **meta: Any) -> Record:
        """A summary and its tracks: rows of pts, x, y, w, h."""
        body = {
            "width": asset.meta["width"],
            "height": asset.meta["height"],
            "time_base": [1, 12800],
            "tracks": [
                {"track_id": n, "region": "face", "boxes": [[*row, 0.9, 1] for row in rows]}
                for n, rows in enumerate(tracks, start=1)
            ],
        }
        about = {"width": body["width"], "height": body["height"], "tracks_count": len(tracks)}
        kept = self.artifact("face_tracks", "application/json", json.dumps(body).encode(), about, asset.id)
        said = {"backend": "opencv_face_detector", "backend_version": "1", "model_used": "yunet", "cache_key": "c",
                "duration_ms": 1, "frame_sample_interval_ms": 500, "include_regions": ["face"],
                "face_tracks_artifact_id": kept.id} | meta  # fmt: skip
        summary = json.dumps({"asset_id": asset.id, "entries": [], "tracks": [], "meta": said}).encode()
        return self.artifact("video_region_summary", "application/json", summary, said, asset.id)

    def transcript(self, asset: Asset, cues: list[tuple[int, int, list[str]]]) -> Record:
        meta = {"backend": "b", "backend_version": "2", "model_used": "m", "cache_key": "c", "duration_ms": 1}
        rows = [{"index": n, "start_ms": a, "end_ms": b, "lines": text} for n, (a, b, text) in enumerate(cues, 1)]
        data = json.dumps({"language": "en", "segments": [], "cues": rows, "meta": {}}).encode()
        return self.artifact("asr_transcript", "application/json", data, meta | {"language": "en"}, asset.id)

    def plan(self, request: JSON) -> Plan:
        return plan(RenderRequest.model_validate(request), CONTEXT, self.registry, self.settings)

    def render(self, request: JSON, stop: threading.Event | None = None, parts: Parts | None = None) -> Output:
        """Without a proof, unless the request asks for one."""
        made = self.plan({"proof": "off"} | request)
        self._count += 1
        scratch = self.folder / f"scratch{self._count}"
        scratch.mkdir()
        tools = tools_for(self, scratch, stop, parts)
        output = asyncio.run(render(made, StoredInputs(self.registry, made, scratch), tools))
        check_meta("render", output.media_type, output.meta)
        return output


class Forgetful:
    """Finds nothing, keeps nothing."""

    def find(self, plan: Plan) -> None:
        pass

    def keep(self, plan: Plan, output: Output) -> None:
        pass


def tools_for(shop: Shop, scratch: Path, stop: threading.Event | None = None, parts: Parts | None = None) -> Any:
    async def thread(function: Any, *args: Any) -> Any:
        return function(*args)

    return Tools(
        scratch=scratch, stop=stop or threading.Event(), progress=lambda done, total: None, detect=None,  # type: ignore[arg-type]
        thread=thread, side_id=None, weights=None, settings=shop.settings,  # type: ignore[arg-type]
        parts=parts or Kept(shop.registry, scratch),
    )  # fmt: skip


def face_blur(summary_id: str, **params: Any) -> JSON:
    return {"type": "face_blur", "params": {"source_summary_id": summary_id, "backend_version": "1", **params}}


def timeline(asset_id: str, *filters: JSON, overlays: tuple[JSON, ...] = (), **clip: Any) -> JSON:
    clips = [{"asset_id": asset_id, "filters": list(filters), **clip}]
    tracks = [{"kind": "video", "clips": clips}, *({"kind": "overlay", "clips": [item]} for item in overlays)]
    return {"sequence": {"tracks": tracks}}


def decoded(path: Path) -> Iterator[av.VideoFrame]:
    with av.open(str(path)) as container:
        yield from container.decode(video=0)


def samples(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


def file(output: Output) -> Path:
    assert isinstance(output.data, Path)
    return output.data


def png(pixels: np.ndarray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


def clip(path: Path, times: list[int], size: tuple[int, int] = (64, 48), turn: int = 0, grey: bool = False) -> bytes:
    """A lossless clip whose frames stand at these ms; its picture is a gradient, or grey by number."""
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        if turn:
            stream.set_display_rotation(turn)
        for number, ms in enumerate(times):
            slope = np.tile(np.linspace(30, 220, size[0]), (size[1], 1))
            luma = np.full(size[::-1], 30 + number) if grey else slope
            frame = av.VideoFrame(*size, "yuv420p")
            y, u, v = frames.planes(frame)
            y[...], u[...], v[...] = luma, 128, 128
            frame.pts, frame.time_base = ms, Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path.read_bytes()


def luma(path: Path, height: int) -> list[float]:
    """The mean of each frame."""
    return [float(f.to_ndarray()[:height].mean()) for f in decoded(path)]
