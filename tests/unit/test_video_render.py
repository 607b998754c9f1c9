"""Renders of the shared clips: faces gone, everything else kept, the same bytes each time."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from artifacts import Asset, Draft, Record, Registry, Scope, Store, keys
from artifacts.errors import NotFound
from artifacts.kinds import check_meta
from configs.profiles import profiles
from configs.settings import Settings
from deployments.engines.video_regions.detectors import make_detector
from deployments.engines.video_render import frames
from deployments.engines.video_render.faces import Painter, Track, Tracks
from deployments.engines.video_render.models import FaceBlur, RenderRequest, Style
from deployments.engines.video_render.plan import answer, plan, preview
from deployments.engines.video_render.work import render
from deployments.errors import InvalidRequest, MissingDependency, UndecodableMedia, UnknownPreset, WrongAsset
from deployments.inputs import StoredInputs
from deployments.media.probe import probe
from deployments.operation import JSON, Context, Output, Parts, Plan, Stopped, Tools
from deployments.replicas.kept import Kept
from deployments.timeline import sequences
from deployments.timeline.models import SequenceRequest
from kernels.yuv import to_yuv

SCOPE = Scope("t_acme", "dev")
CONTEXT = Context(SCOPE, "request-1")
CUTS = (0, 175, 249, 369, 443, 517)
"""First frames of face_clip's shots; the one from 249 shows no face."""
STYLES: tuple[Style, ...] = ("blur", "mosaic", "solid")
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


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def speakers(shop: Shop, shared_data: Path) -> Asset:
    return shop.asset(shared_data / "media" / "face_clip.mp4")


@pytest.fixture(scope="module")
def truth(shared_data: Path) -> list[list[list[float]]]:
    """face_clip's known faces as tracks, one a shot."""
    boxes = json.loads((shared_data / "media" / "face_clip.boxes.json").read_text())["frames"]
    tracks: dict[tuple[int, int], list[list[float]]] = {}
    for number, faces in enumerate(boxes):
        shot = max(cut for cut in CUTS if cut <= number)
        for which, face in enumerate(faces):
            x1, y1, x2, y2 = face["box"]
            tracks.setdefault((shot, which), []).append([number * TICK, x1, y1, x2 - x1, y2 - y1])
    return list(tracks.values())


@pytest.fixture(scope="module")
def blurred(shop: Shop, speakers: Asset, truth: list[list[list[float]]]) -> JSON:
    return timeline(speakers.id, face_blur(shop.summary(speakers, truth).id))


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


# faces


class CenterFace:
    """Our own CenterFace at 0.5, held to photographs by test_detectors.py, as boxes x1 y1 x2 y2."""

    def __init__(self, weights: Callable[[str], Path]) -> None:
        self._detect = make_detector("centerface", weights, Settings())

    def __call__(self, bgr: np.ndarray) -> np.ndarray:
        found = self._detect(bgr[None])[0]
        boxes = found[found[:, 4] >= 0.5, :4]
        return np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])


class YuNet:
    """OpenCV's detector at 0.6, as boxes x1 y1 x2 y2."""

    def __init__(self, weights: Path, size: tuple[int, int]) -> None:
        self._net = cv2.FaceDetectorYN.create(str(weights), "", size, 0.6)

    def __call__(self, bgr: np.ndarray) -> np.ndarray:
        found = self._net.detect(bgr)[1]
        boxes = np.zeros((0, 4)) if found is None else found[:, :4]
        return np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes x1 y1 x2 y2."""
    width, height = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    both = max(0.0, float(width)) * max(0.0, float(height))
    return both / float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both)


@pytest.mark.parametrize("style", ["blur", "mosaic", "solid"])
def test_no_detector_finds_a_face_where_there_was_one(
    style: str, shop: Shop, blurred: JSON, speakers: Asset, shared_data: Path, weights: Callable[[str], Path]
) -> None:
    filters = [blurred["sequence"]["tracks"][0]["clips"][0]["filters"][0]]
    filters[0] = {**filters[0], "params": filters[0]["params"] | {"style": style}}
    output = shop.render(timeline(speakers.id, *filters))
    source = shared_data / "media" / "face_clip.mp4"
    detectors = [YuNet(shared_data / "models" / "face_detection_yunet_2023mar.onnx", (640, 360))]
    if style == "blur":  # the slow detector on what is painted by default
        detectors.append(CenterFace(weights))
    seen, left = 0, []
    for number, (before, after) in enumerate(zip(decoded(source), decoded(file(output)), strict=True)):
        if number % 5:
            continue
        for detector in detectors:
            faces = detector(before.to_ndarray(format="bgr24"))
            again = detector(after.to_ndarray(format="bgr24"))
            seen += len(faces)
            left += [(number, type(detector).__name__) for a in faces for b in again if overlap(a, b) >= 0.3]
    assert seen > 80 * len(detectors)
    assert left == []


def test_the_rest_is_kept(shop: Shop, blurred: JSON, shared_data: Path) -> None:
    """Size, times of every frame, colors' meaning, sound to the sample."""
    output = shop.render(blurred)
    source, made = shared_data / "media" / "face_clip.mp4", file(output)
    before, after = list(decoded(source)), list(decoded(made))
    assert [frame.pts for frame in after] == [frame.pts for frame in before]
    assert {(frame.width, frame.height) for frame in after} == {(640, 360)}
    with av.open(str(source)) as old, av.open(str(made)) as new:
        for a, b in zip(old.streams, new.streams, strict=True):
            assert (a.duration, a.start_time, a.time_base) == (b.duration, b.start_time, b.time_base)
        a, b = old.streams.video[0].codec_context, new.streams.video[0].codec_context
        assert (a.colorspace, a.color_range) == (b.colorspace, b.color_range)
        assert "encoder" not in new.metadata
    assert np.array_equal(samples(source), samples(made))
    assert output.meta["duration_ms"] == 23640
    assert (output.meta["frames"], output.meta["audio"]) == (591, "copied")
    head = made.read_bytes()
    assert head.find(b"moov") < head.find(b"mdat")
    shot = [np.abs(a.to_ndarray().astype(int) - b.to_ndarray()).mean() for a, b in zip(before, after, strict=True)]
    assert max(shot[249:369]) < 2  # the shot without faces is only encoded anew


def test_equal_bytes_twice(shop: Shop, blurred: JSON) -> None:
    request = timeline_cut(blurred, 1000, 3000)
    first, second = (file(shop.render(request, parts=Forgetful())).read_bytes() for _ in range(2))
    assert first == second


def timeline_cut(request: JSON, in_ms: int, out_ms: int) -> JSON:
    tracks = json.loads(json.dumps(request["sequence"]["tracks"]))
    tracks[0]["clips"][0] |= {"in_ms": in_ms, "out_ms": out_ms}
    return {"sequence": {"tracks": tracks}}


def test_nothing_of_later_frames_is_painted(shared_data: Path, truth: list[list[list[float]]]) -> None:
    """Later frames whose faces are noise instead are painted bit-equal: the cells are held."""
    body = {"time_base": [1, 12800], "tracks": [
        {"track_id": n, "region": "face", "boxes": rows} for n, rows in enumerate(truth)
    ]}  # fmt: skip
    random = np.random.default_rng(0)
    base = Fraction(1, 12800)
    for style in STYLES:
        one, other = Painter(Tracks(body), "strong", style), Painter(Tracks(body), "strong", style)
        for number, frame in enumerate(decoded(shared_data / "media" / "face_clip.mp4")):
            if number > 40:
                break
            original = [np.array(plane) for plane in frames.planes(frame)]
            changed = [plane.copy() for plane in original]
            faces = one.faces(number * TICK, base)
            for x, y, w, h in (map(int, row[1:5]) for rows in truth for row in rows if row[0] == number * TICK):
                for index, plane in enumerate(changed):
                    scale = 2 if index else 1
                    part = plane[y // scale + 1 : (y + h) // scale, x // scale + 1 : (x + w) // scale]
                    if number:
                        part[...] = random.integers(0, 256, part.shape)
            one.paint((original[0], original[1], original[2]), faces)
            other.paint((changed[0], changed[1], changed[2]), other.faces(number * TICK, base))
            assert all(np.array_equal(a, b) for a, b in zip(original, changed, strict=True))


def test_frames_without_faces_are_not_painted(shared_data: Path, truth: list[list[list[float]]]) -> None:
    body = {"time_base": [1, 12800], "tracks": [
        {"track_id": n, "region": "face", "boxes": rows} for n, rows in enumerate(truth)
    ]}  # fmt: skip
    painter = Painter(Tracks(body), "strong", "blur")
    with_faces = {int(row[0]) for rows in truth for row in rows}
    for number in range(591):
        assert bool(painter.faces(number * TICK, Fraction(1, 12800))) == (number * TICK in with_faces)


def test_a_box_is_found_in_another_time_base_and_between_frames() -> None:
    track = Track(1, [0, 100, 200], [(0, 0, 10, 10), (10, 0, 10, 10), (30, 0, 10, 20)])
    assert track.at(Fraction(100)) == (10, 0, 10, 10)
    assert track.at(Fraction(150)) == (20, 0, 10, 15)
    assert track.at(Fraction(-1)) is None
    assert track.at(Fraction(201)) is None
    assert track.at(Fraction(200)) == (30, 0, 10, 20)
    tracks = Tracks({"time_base": [1, 1000], "tracks": [
        {"track_id": 7, "region": "face", "boxes": [[40, 1, 2, 30, 40, 0.9, 1], [80, 1, 2, 30, 40, 0.9, 1]]}
    ]})  # fmt: skip
    assert list(tracks.at(512, Fraction(1, 12800))) == [(7, (1, 2, 30, 40))]
    assert list(tracks.at(1025, Fraction(1, 12800))) == []


def test_small_faces_are_left_when_asked_for() -> None:
    body = {"time_base": [1, 1000], "tracks": [
        {"track_id": n, "region": "face", "boxes": [[0, 1, 2, size, size, 0.9, 1]]} for n, size in enumerate((10, 40))
    ]}  # fmt: skip
    assert [track for track, _ in Tracks(body, 20).at(0, Fraction(1, 1000))] == [1]
    assert [track for track, _ in Tracks(body).at(0, Fraction(1, 1000))] == [0, 1]


def test_a_filter_mask_limits_the_blur(shop: Shop, speakers: Asset, truth: list[list[list[float]]]) -> None:
    """Left of the middle the face is as in a render without the filter, right of it painted."""
    pixels = np.zeros((360, 640), np.uint8)
    pixels[:, 340:] = 255
    filtered = face_blur(shop.summary(speakers, truth).id, style="solid") | {"mask_artifact_id": shop.mask(pixels).id}
    part = {"in_ms": 0, "out_ms": 400}
    limited = next(decoded(file(shop.render(timeline(speakers.id, filtered, **part))))).to_ndarray(format="gray")
    plain = next(decoded(file(shop.render(timeline(speakers.id, **part))))).to_ndarray(format="gray")
    difference = np.abs(limited.astype(int) - plain)
    assert difference[100:280, 250:330].mean() < 3
    assert difference[100:280, 350:420].mean() > 10


# pictures and captions


def test_an_overlay_is_where_and_when_it_should_be(shop: Shop, tmp_path: Path) -> None:
    """Against a composite in RGB, in float64, of what was decoded without the overlay."""
    base = shop.asset(clip(tmp_path / "c.mp4", [n * 40 for n in range(10)], (128, 96)))
    pixels = np.random.default_rng(1).integers(0, 256, (24, 32, 4), dtype=np.uint8)
    pixels = np.repeat(np.repeat(pixels[::8, ::8], 8, axis=0), 8, axis=1)  # blocks, which encoding keeps
    picture = shop.asset(png(pixels), "image/png")
    over = {"asset_id": picture.id, "position": [41, 30], "opacity": 0.6, "start_ms_on_timeline": 120, "out_ms": 120}
    plain = [f.to_ndarray() for f in decoded(file(shop.render(timeline(base.id))))]
    made = [f.to_ndarray() for f in decoded(file(shop.render(timeline(base.id, overlays=(over,)))))]
    for number, (a, b) in enumerate(zip(plain, made, strict=True)):
        luma = a[:96].astype(float)
        if 3 <= number < 6:
            alpha = pixels[..., 3] / 255 * 0.6
            painted = to_yuv(pixels[..., :3] / 255, "bt601")[..., 0]
            part = luma[30:54, 41:73]
            part[...] = part * (1 - alpha) + painted * alpha
        assert np.abs(b[:96] - luma).mean() < 1.5
        assert np.abs(b[40:44, 50:54] - luma[40:44, 50:54]).mean() < 6


def test_a_matte_cuts_the_overlay_and_scale_enlarges_it(shop: Shop, tmp_path: Path) -> None:
    base = shop.asset(clip(tmp_path / "c.mp4", [0, 40, 80], (128, 96)))
    picture = shop.asset(png(np.full((20, 20, 3), 255, np.uint8)), "image/png")
    half = np.zeros((20, 20), np.uint8)
    half[:, 10:] = 255
    over = {"asset_id": picture.id, "position": [40, 20], "scale": 2.0, "mask_artifact_id": shop.mask(half).id}
    luma = next(decoded(file(shop.render(timeline(base.id, overlays=(over,)))))).to_ndarray()[:96]
    plain = next(decoded(file(shop.render(timeline(base.id))))).to_ndarray()[:96]
    assert luma[24:56, 64:76].min() > 225
    assert np.abs(luma[24:56, 44:54].astype(int) - plain[24:56, 44:54]).max() < 8


def test_a_clips_own_matte_shows_black_around_it(shop: Shop, tmp_path: Path) -> None:
    base = shop.asset(clip(tmp_path / "c.mp4", [0, 40, 80], (128, 96)))
    matte = np.zeros((96, 128), np.uint8)
    matte[:, 64:] = 255
    request = timeline(base.id, mask_artifact_id=shop.mask(matte).id, opacity=0.5)
    luma = next(decoded(file(shop.render(request)))).to_ndarray()[:96].astype(int)
    plain = next(decoded(file(shop.render(timeline(base.id))))).to_ndarray()[:96].astype(int)
    assert luma[:, :56].max() < 20
    assert np.abs(luma[:, 72:] - (16 + (plain[:, 72:] - 16) * 0.5)).max() < 6


def test_captions_are_drawn_low_and_only_while_they_last(shop: Shop, tmp_path: Path) -> None:
    base = shop.asset(clip(tmp_path / "c.mp4", [n * 40 for n in range(50)], (320, 240)))
    record = shop.transcript(base, [(600, 1000, ["Hello there,", "world"]), (1400, 1800, ["W" * 42])])
    plain = [f.to_ndarray()[:240].astype(int) for f in decoded(file(shop.render(timeline(base.id))))]
    request = timeline(base.id) | {"burn_in_captions": {"artifact_id": record.id}}
    made = [f.to_ndarray()[:240].astype(int) for f in decoded(file(shop.render(request)))]
    for number, (a, b) in enumerate(zip(plain, made, strict=True)):
        shown = 600 <= number * 40 < 1000 or 1400 <= number * 40 < 1800
        difference = np.abs(a - b)
        assert (difference.max() > 60) == shown
        assert difference[:140].max() < 16
        assert difference[232:].max() < 16
        if shown:
            columns = np.nonzero((difference > 40).any(axis=0))[0]
            assert columns.min() >= 8
            assert columns.max() < 312
            assert abs((columns.min() + columns.max()) / 2 - 160) < 8


def test_captions_follow_a_cut(shop: Shop, tmp_path: Path) -> None:
    base = shop.asset(clip(tmp_path / "c.mp4", [n * 40 for n in range(50)], (320, 240)))
    record = shop.transcript(base, [(600, 1000, ["Hello"])])
    request = timeline(base.id, in_ms=800, out_ms=1600) | {"burn_in_captions": {"artifact_id": record.id}}
    bright = [f.to_ndarray()[180:232, 100:220].min() < 25 for f in decoded(file(shop.render(request)))]
    assert bright == [True] * 5 + [False] * 15


# times, sizes, sound


def test_uneven_times_are_kept(shop: Shop, tmp_path: Path) -> None:
    times = [0, 40, 45, 200, 210, 700]
    asset = shop.asset(clip(tmp_path / "c.mp4", times))
    found = [float(f.pts * f.time_base * 1000) for f in decoded(file(shop.render(timeline(asset.id))))]
    assert found == pytest.approx(times, abs=0.01)


def test_a_cut_begins_with_the_frame_on_screen(shop: Shop, tmp_path: Path) -> None:
    asset = shop.asset(clip(tmp_path / "c.mp4", [0, 100, 200, 300, 400], grey=True))
    output = shop.render(timeline(asset.id, in_ms=150, out_ms=350))
    made = list(decoded(file(output)))
    assert [float(f.pts * f.time_base * 1000) for f in made] == pytest.approx([0, 50, 150], abs=0.01)
    assert [round(float(f.to_ndarray()[:48].mean())) for f in made] == pytest.approx([31, 32, 33], abs=1)


def test_cut_sound_is_the_sources(shop: Shop, speakers: Asset, shared_data: Path) -> None:
    """The second from 2.5 s, up to the codec's own error, without any shift."""
    output = shop.render(timeline(speakers.id, in_ms=2500, out_ms=3500))
    assert output.meta["audio"] == "encoded"
    with av.open(str(file(output))) as made:
        rate = made.streams.audio[0].rate
        assert made.duration == pytest.approx(1_000_000, abs=45_000)
    source = samples(shared_data / "media" / "face_clip.mp4").mean(axis=0)[int(2.5 * rate) : int(3.5 * rate)]
    cut = samples(file(output)).mean(axis=0)[: len(source)]
    assert len(cut) == len(source)
    shifts = range(-64, 65)
    scores = [float(np.corrcoef(source[64:-64], np.roll(cut, shift)[64:-64])[0, 1]) for shift in shifts]
    assert max(scores) > 0.98
    assert shifts[int(np.argmax(scores))] == 0


def test_sound_that_mp4_does_not_take_is_encoded(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "c.webm"
    with av.open(str(path), "w", format="webm") as out:
        video = out.add_stream("libvpx-vp9", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = out.add_stream("libopus", rate=48000, layout="stereo")
        resampler = av.AudioResampler("s16", "stereo", 48000)
        tone = np.sin(np.arange(48000) * 0.05)[None].repeat(2, 0).astype(np.float32)
        for start in range(0, 48000, 960):
            part = av.AudioFrame.from_ndarray(np.ascontiguousarray(tone[:, start : start + 960]), "fltp", "stereo")
            part.sample_rate, part.pts, part.time_base = 48000, start, Fraction(1, 48000)
            out.mux(sound.encode(resampler.resample(part)[0]))
        for _ in range(25):
            out.mux(video.encode(av.VideoFrame(64, 48, "yuv420p")))
        out.mux(video.encode(None))
        out.mux(sound.encode(None))
    output = shop.render(timeline(shop.asset(path, "video/webm").id))
    assert output.meta["audio"] == "encoded"
    with av.open(str(file(output))) as made:
        assert made.streams.audio[0].codec_context.name == "aac"
    before, after = samples(path)[0, 4800:38400], samples(file(output))[0]
    scores = [float(np.corrcoef(before, after[4800 + n : 38400 + n])[0, 1]) for n in range(-60, 61)]
    assert max(scores) > 0.99
    assert abs(int(np.argmax(scores)) - 60) <= 48  # a millisecond: webm's clock; the tone's period is 126


def test_a_turned_clip_stands_upright(shop: Shop, tmp_path: Path) -> None:
    asset = shop.asset(clip(tmp_path / "c.mp4", [0, 40], (64, 48), turn=90))
    source = next(decoded(tmp_path / "c.mp4"))
    expected = np.rot90(source.to_ndarray()[:48], round(source.rotation / 90) % 4)
    made = next(decoded(file(shop.render(timeline(asset.id)))))
    assert (made.width, made.height, made.rotation) == (48, 64, 0)
    assert np.abs(made.to_ndarray()[:64].astype(int) - expected).mean() < 3


@pytest.mark.parametrize("name", ["draft_480p_fast", "social_1_1_h264"])
def test_a_profile_contains_the_picture(name: str, shop: Shop, tmp_path: Path) -> None:
    asset = shop.asset(clip(tmp_path / "c.mp4", [0, 40], (64, 48)))
    profile = profiles()[name]
    made = next(decoded(file(shop.render(timeline(asset.id) | {"render_profile": name}))))
    assert (made.width, made.height) == (profile.width, profile.height)
    luma = made.to_ndarray()[: made.height].astype(int)
    side, top = (made.width - made.height * 4 // 3) // 2, (made.height - made.width * 3 // 4) // 2
    if side > 2:
        assert luma[:, : side - 4].max() < 20
        assert luma[:, side + 4 : side + 12].mean() > 25
    if top > 2:
        assert luma[: top - 4].max() < 20
        assert luma[top + 4 : top + 12].mean() > 60


def test_a_constant_rate_repeats_and_drops(shop: Shop, tmp_path: Path) -> None:
    asset = shop.asset(clip(tmp_path / "c.mp4", [0, 100, 110, 120, 400, 440], (64, 48)))
    over = {"asset_id": shop.asset(png(np.full((8, 8, 4), 200, np.uint8)), "image/png").id}
    request = timeline(asset.id, overlays=(over,)) | {"render_profile": "1080p_30_web"}
    made = list(decoded(file(shop.render(request))))
    assert [f.pts * f.time_base for f in made] == [Fraction(n, 30) for n in range(len(made))]
    assert len(made) == pytest.approx(0.48 * 30, abs=2)
    corner = [int(f.to_ndarray()[4, 4]) for f in made]
    assert max(corner) - min(corner) <= 4  # repeated frames are painted once each


def test_odd_sizes_lose_a_column(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "odd.webm"
    with av.open(str(path), "w", format="webm") as out:
        stream = out.add_stream("libvpx-vp9", rate=25)
        stream.width, stream.height, stream.pix_fmt = 65, 49, "yuv420p"
        out.mux(stream.encode(av.VideoFrame(65, 49, "yuv420p")))
        out.mux(stream.encode(None))
    made = next(decoded(file(shop.render(timeline(shop.asset(path, "video/webm").id)))))
    assert (made.width, made.height) == (64, 48)


def test_stop_ends_the_work(shop: Shop, speakers: Asset) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        shop.render(timeline(speakers.id), stop)


def test_a_damaged_clip_is_a_clean_error(shop: Shop, tmp_path: Path) -> None:
    data = clip(tmp_path / "c.mp4", [n * 40 for n in range(20)])
    asset = shop.asset(data)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: len(data) // 3])
    made = shop.plan(timeline(asset.id))
    inputs: Any = {asset.id: type("Source", (), {"path": lambda self: cut, "media_type": "video/mp4"})()}
    tools = tools_for(shop, tmp_path)
    with pytest.raises(UndecodableMedia):
        asyncio.run(render(made, inputs, tools))


# several clips


def luma(path: Path, height: int) -> list[float]:
    """The mean of each frame."""
    return [float(f.to_ndarray()[:height].mean()) for f in decoded(path)]


def test_clips_one_after_another(shop: Shop, tmp_path: Path) -> None:
    """A grey a frame says which frame of which clip is shown; the gap is black; the second clip is cut and re-timed."""
    one = shop.asset(clip(tmp_path / "a.mp4", [n * 40 for n in range(10)], grey=True))
    two = shop.asset(clip(tmp_path / "b.mp4", [n * 20 for n in range(50)], grey=True))
    clips = [
        {"asset_id": one.id},
        {"asset_id": two.id, "in_ms": 200, "out_ms": 600, "start_ms_on_timeline": 480},
    ]
    output = shop.render({"sequence": {"tracks": [{"kind": "video", "clips": clips}]}})
    found = luma(file(output), 48)
    expected = [30 + n for n in range(10)] + [16, 16] + [30 + 10 + 2 * n for n in range(10)]
    assert len(found) == len(expected)
    assert np.abs(np.array(found) - expected).max() < 1.5
    assert (output.meta["fps"], output.meta["duration_ms"]) == (25, 880)


def test_a_part_of_the_timeline(shop: Shop, tmp_path: Path) -> None:
    one = shop.asset(clip(tmp_path / "a.mp4", [n * 40 for n in range(10)], grey=True))
    tracks = [{"kind": "video", "clips": [{"asset_id": one.id}, {"asset_id": one.id}]}]
    whole = {"sequence": {"tracks": tracks}}
    found = luma(file(shop.render(whole | {"start_ms": 200, "end_ms": 600})), 48)
    assert np.abs(np.array(found) - [30 + n for n in (5, 6, 7, 8, 9, 0, 1, 2, 3, 4)]).max() < 1.5
    first = shop.plan(whole | {"end_ms": 400})
    assert first.cache_key == shop.plan(timeline(one.id)).cache_key
    for wrong in ({"start_ms": 800}, {"start_ms": 5000, "end_ms": 6000}):
        with pytest.raises(InvalidRequest, match="start_ms"):
            shop.plan(whole | wrong)
    with pytest.raises(ValidationError, match="does not lie after"):
        shop.plan(whole | {"start_ms": 5, "end_ms": 5})


def test_a_still_picture_between_clips(shop: Shop, tmp_path: Path) -> None:
    one = shop.asset(clip(tmp_path / "a.mp4", [n * 40 for n in range(5)], grey=True))
    white = shop.asset(png(np.full((48, 64, 3), 255, np.uint8)), "image/png")
    clips = [{"asset_id": one.id}, {"asset_id": white.id, "out_ms": 200}, {"asset_id": one.id}]
    found = luma(file(shop.render({"sequence": {"tracks": [{"kind": "video", "clips": clips}]}})), 48)
    assert np.abs(np.array(found) - [*range(30, 35), *[235] * 5, *range(30, 35)]).max() < 2
    alone = shop.plan({"sequence": {"tracks": [{"kind": "video", "clips": [{"asset_id": white.id}]}]}})
    assert alone.parameters["profile"]["name"] == "social_1080p_h264"


def test_the_sound_of_several_clips_is_joined(shop: Shop, speakers: Asset, shared_data: Path) -> None:
    """Against the source's own samples: 1.0 to 1.8 s, 0.2 s of silence, 5.0 to 5.6 s at half the amplitude."""
    clips = [
        {"asset_id": speakers.id, "in_ms": 1000, "out_ms": 1800},
        {"asset_id": speakers.id, "in_ms": 5000, "out_ms": 5600, "start_ms_on_timeline": 1000, "volume_db": -6.0206},
    ]
    request = {"sequence": {"tracks": [{"kind": "video", "clips": clips}]}, "render_profile": "draft_480p_fast"}
    output = shop.render(request)
    assert output.meta["audio"] == "encoded"
    with av.open(str(file(output))) as made:
        rate = made.streams.audio[0].rate
    source, joined = samples(shared_data / "media" / "face_clip.mp4").mean(axis=0), samples(file(output)).mean(axis=0)
    assert len(joined) == pytest.approx(1.6 * rate, abs=2100)
    for start, first, last, gain in ((0.0, 1.0, 1.8, 1.0), (1.0, 5.0, 5.6, 0.5)):
        a = source[int((first + 0.05) * rate) : int((last - 0.05) * rate)]
        b = joined[int((start + 0.05) * rate) :][: len(a)]
        assert np.corrcoef(a, b)[0, 1] > 0.97
        assert np.abs(b).mean() == pytest.approx(gain * np.abs(a).mean(), rel=0.08)
    assert np.abs(joined[int(0.85 * rate) : int(0.95 * rate)]).max() < 0.01


def test_soft_captions_are_a_text_track(shop: Shop, tmp_path: Path) -> None:
    base = shop.asset(clip(tmp_path / "c.mp4", [n * 40 for n in range(50)]))
    record = shop.transcript(base, [(600, 1000, ["<Hello> & there,", "wörld"]), (1400, 9000, ["to the end"])])
    output = shop.render(timeline(base.id, in_ms=200) | {"soft_captions": {"artifact_id": record.id}})
    with av.open(str(file(output))) as made:
        (stream,) = made.streams.subtitles
        rows = [(p.pts, p.duration, bytes(p)[2:].decode()) for p in made.demux(stream) if p.size > 2]
    assert stream.codec_context.name == "mov_text"
    assert rows == [(400, 400, "<Hello> & there,\nwörld"), (1200, 600, "to the end")]
    shop.registry.set_latest(SCOPE, record)
    assert shop.plan(timeline(base.id) | {"soft_captions": True}).parameters["soft_captions"] == {base.id: record.id}
    assert shop.plan(timeline(base.id) | {"soft_captions": False}).parameters["soft_captions"] is None


# plans


def test_names_are_not_part_of_the_key(shop: Shop, speakers: Asset) -> None:
    """A stored sequence and the same one inline are one render; defaults are filled in."""
    spelled = timeline(speakers.id, in_ms=0, out_ms=23640, opacity=1.0) | {"render_profile": "source"}
    request = SequenceRequest.model_validate(timeline(speakers.id)["sequence"])
    stored = sequences.create(shop.registry, SCOPE, sequences.new_id(SCOPE), request)
    found = {shop.plan(r).cache_key for r in (spelled, timeline(speakers.id), {"sequence_id": stored.body["id"]})}
    assert len(found) == 1


def test_what_changes_bytes_changes_the_key(shop: Shop, blurred: JSON, speakers: Asset) -> None:
    filters = blurred["sequence"]["tracks"][0]["clips"][0]["filters"]
    softer = [{**filters[0], "params": filters[0]["params"] | {"filter_strength": 0.6}}]
    requests = [
        blurred, timeline(speakers.id), timeline(speakers.id, *softer), timeline(speakers.id, out_ms=1000),
        timeline(speakers.id, opacity=0.5), timeline(speakers.id) | {"render_profile": "draft_480p_fast"},
    ]  # fmt: skip
    assert len({shop.plan(request).cache_key for request in requests}) == len(requests)
    same = [{**filters[0], "params": filters[0]["params"] | {"filter_strength": 0.9}}]
    assert shop.plan(timeline(speakers.id, *same)).cache_key == shop.plan(blurred).cache_key


def test_the_answer_and_its_notices(shop: Shop, blurred: JSON, speakers: Asset) -> None:
    made = shop.plan(blurred)
    meta = {"profile": "source", "duration_ms": 1, "width": 1, "height": 1, "fps": 25, "plan_hash": "x",
            "encoder": "e", "dependencies": []}  # fmt: skip
    record = shop.artifact("render", "video/mp4", b"x", meta, speakers.id)
    said = answer(made, record, shop.registry)
    assert (said["artifact_id"], said["asset_id"], said["uri"]) == (record.id, speakers.id, record.uri)
    assert said["render_profile"] == "source"
    assert said["plan_preview"]["width"] == 640
    (notice,) = said["dependency_notices"]
    assert set(notice) == {"kind", "artifact_id", "backend_version", "cache_key", "asset_id", "level", "message"}
    assert (notice["kind"], notice["level"]) == ("video_region_summary", "info")
    assert preview(made, shop.registry)["dependency_notices"] == said["dependency_notices"]
    assert {item.role for item in made.inputs} == {"video", "summary", "tracks"}


def test_a_stub_is_pointed_out(shop: Shop, speakers: Asset, truth: list[list[list[float]]]) -> None:
    stub = shop.summary(speakers, truth, stub=True, stub_reason="no weights")
    (notice,) = preview(shop.plan(timeline(speakers.id, face_blur(stub.id))), shop.registry)["dependency_notices"]
    assert notice["level"] == "warning"
    assert "no weights" in notice["message"]


def test_captions_default_to_the_latest(shop: Shop, tmp_path: Path) -> None:
    asset = shop.asset(clip(tmp_path / "c.mp4", [0, 40, 80, 120, 160]))
    with pytest.raises(MissingDependency, match="POST /video/captions/generate"):
        shop.plan(timeline(asset.id) | {"burn_in_captions": {}})
    record = shop.transcript(asset, [(0, 100, ["Hi"])])
    shop.registry.set_latest(SCOPE, record)
    made = shop.plan(timeline(asset.id) | {"burn_in_captions": {}})
    assert made.parameters["captions"]["transcripts"] == {asset.id: record.id}
    assert len(made.parameters["captions"]["style"]["font_sha256"]) == 64


def test_faces_are_never_left_open_in_silence(shop: Shop, speakers: Asset, truth: list[list[list[float]]]) -> None:
    with pytest.raises(MissingDependency, match="POST /video/regions"):
        shop.plan(timeline(speakers.id, face_blur("regions_aaaaaaaa")))
    deleted = shop.summary(speakers, truth)
    shop.registry.delete(SCOPE, deleted.id)
    with pytest.raises(MissingDependency):
        shop.plan(timeline(speakers.id, face_blur(deleted.id)))
    with pytest.raises(InvalidRequest, match="tracks_only"):
        shop.plan(timeline(speakers.id, face_blur(shop.summary(speakers, truth).id, tracks_only=[1])))


def test_tracks_that_a_filter_names_are_checked_as_anonymise_checks_them(
    shop: Shop, speakers: Asset, truth: list[list[list[float]]], tmp_path: Path
) -> None:
    """A face_blur that was put on a clip directly: what it names is there, is a face_tracks, the clip's own, whole."""
    summary = shop.summary(speakers, truth)
    about = {"width": 640, "height": 360, "tracks_count": 1}
    row = {"track_id": 1, "boxes": [[0, 10, 10, 40, 40]]}
    good = {"time_base": [1, 1000], "tracks": [row]}

    def kept(body: Any, parent: str = speakers.id, **meta: int) -> str:
        return shop.artifact("face_tracks", "application/json", json.dumps(body).encode(), about | meta, parent).id

    def planned(id: str) -> Plan:
        return shop.plan(timeline(speakers.id, face_blur(summary.id, tracks_artifact_id=id)) | {"proof": "off"})

    own = kept(good)
    assert planned(own).parameters["clips"][0]["face_blur"]["tracks_id"] == own
    other = shop.asset(clip(tmp_path / "c.mp4", [0, 40, 80, 120, 160])).id
    cases: list[tuple[str, type[Exception], str]] = [
        ("tracks_aaaaaaaa", NotFound, ""),
        (summary.id, InvalidRequest, "give a face_tracks"),
        (kept(good, other), WrongAsset, "the clip shows"),
        (kept(good, width=320), InvalidRequest, "320x360"),
        (kept({"tracks": []}), InvalidRequest, "time_base"),
        (kept(good | {"tracks": [row | {"boxes": [[0, 10, 10, 40]]}]}), InvalidRequest, r"tracks\.0\.boxes\.0"),
        (kept(good | {"time_base": [1, 0]}), InvalidRequest, r"time_base\.1"),
    ]
    for id, error, said in cases:
        with pytest.raises(error, match=said) as refused:
            planned(id)
        field = refused.value.field if isinstance(refused.value, NotFound) else refused.value.details["field"]  # type: ignore[attr-defined]
        assert field == "sequence.tracks[0].clips[0].filters[0].params.tracks_artifact_id"


def test_another_assets_summary_is_refused(
    shop: Shop, speakers: Asset, truth: list[list[list[float]]], tmp_path: Path
) -> None:
    other = shop.asset(clip(tmp_path / "c.mp4", [0, 40, 80, 120]))
    with pytest.raises(WrongAsset):
        shop.plan(timeline(other.id, face_blur(shop.summary(speakers, truth).id)))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tracks": []}, "sequence.tracks"),
        ({"twice": True}, "start_ms_on_timeline"),
        ({"clip": {"crop": [0, 0, 642, 360]}}, "crop"),
        ({"clip": {"filters": [{"type": "sepia"}]}}, "filters[0].type"),
    ],
)
def test_what_is_not_served_is_refused_by_name(change: JSON, field: str, shop: Shop, speakers: Asset) -> None:
    request = timeline(speakers.id, **change.get("clip", {}))
    tracks = request["sequence"]["tracks"]
    if "tracks" in change:
        request["sequence"]["tracks"] = []
    if change.get("twice"):
        tracks[0]["clips"] = [clip | {"start_ms_on_timeline": n * 500} for n, clip in enumerate(tracks[0]["clips"] * 2)]
    with pytest.raises(InvalidRequest) as caught:
        shop.plan(request)
    assert field in caught.value.details["field"]


def test_a_mask_of_another_size_is_refused(shop: Shop, speakers: Asset) -> None:
    small = shop.mask(np.zeros((10, 10), np.uint8))
    with pytest.raises(InvalidRequest, match="640x360"):
        shop.plan(timeline(speakers.id, mask_artifact_id=small.id))


def test_unknown_profiles_are_listed(shop: Shop, speakers: Asset) -> None:
    with pytest.raises(UnknownPreset, match="draft_480p_fast"):
        shop.plan(timeline(speakers.id) | {"render_profile": "vhs"})


def test_one_sequence_is_given() -> None:
    for body in ({}, {"sequence_id": "sequence_aaaaaaaa", "sequence": {"tracks": []}}):
        with pytest.raises(ValidationError, match="one of sequence_id, project_id and sequence"):
            RenderRequest.model_validate(body)


@pytest.mark.parametrize(
    ("params", "look", "grade"),
    [
        ({}, "strong", "irreversible"),
        ({"filter_strength": 0.8}, "strong", "irreversible"),
        ({"filter_strength": 0.79}, "medium", "reversible"),
        ({"filter_strength": 0.49}, "light", "reversible"),
        ({"filter_strength": 0.1, "preset": "strong"}, "strong", "irreversible"),
        ({"preset": "light", "style": "solid"}, "light", "irreversible"),
    ],
)
def test_presets_and_grades(params: JSON, look: str, grade: str) -> None:
    found = FaceBlur(source_summary_id="regions_aaaaaaaa", **params)
    assert (found.look, found.grade) == (look, grade)


def test_every_profile_fixes_its_threads() -> None:
    assert {"source", "draft_480p_fast", "preview_720p_fast", "social_1080p_h264"} <= set(profiles())
    for name, profile in profiles().items():
        assert int(profile.options["threads"]) >= 1, name
