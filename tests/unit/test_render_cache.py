"""Segments kept: an edit makes those that it touches, a render goes on where it died, byte for byte a full one."""

from __future__ import annotations

import asyncio
import json
from array import array
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from artifacts import Asset
from artifacts.sweep import gc
from deployments import parts, repetition
from deployments.dispatch import LocalDispatch, lost
from deployments.engines.video_render import cut as cutting
from deployments.engines.video_render.cut import KIND, cut
from deployments.engines.video_render.faces import Tracks
from deployments.engines.video_render.film import Film, Stage
from deployments.engines.video_render.frames import planes
from deployments.engines.video_render.segments import runs, spread
from deployments.errors import ResidualFaces
from deployments.inputs import StoredInputs
from deployments.jobs import job
from deployments.jobs.runs import Joined
from deployments.operation import JSON, Output, Plan
from deployments.operations import OPERATIONS
from deployments.replicas.host import Host
from deployments.replicas.kept import Kept
from deployments.runner import Runner
from tests.unit.renders import CONTEXT, SCOPE, Forgetful, Shop, clip, decoded, face_blur, file, png, timeline, tools_for
from tests.unit.test_proof import Oracle, first_face, runner

__all__ = ["first_face"]
RATE = 10


@pytest.fixture
def own(tmp_path: Path) -> Shop:
    """A shop of this test's own, with nothing kept in it."""
    return Shop(tmp_path)


def film(shop: Shop, seconds: int, seed: int) -> Asset:
    """Frames of noise that differ from each other, ten a second, a key frame every 2.5 s."""
    path = shop.folder / f"film{seed}.mp4"
    random = np.random.default_rng(seed)
    with av.open(str(path), "w", format="mp4") as out:
        stream: Any = out.add_stream("libx264", rate=RATE, options={"qp": "10", "g": "25", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(seconds * RATE):
            picture = np.full((72, 64), 128, np.uint8)
            picture[:48] = random.integers(40, 200, (6, 8), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return shop.asset(path)


def edited(sequence: JSON, *path: Any, **fields: Any) -> JSON:
    """The sequence with these fields of one of its parts changed."""
    made: JSON = json.loads(json.dumps(sequence))
    place: Any = made
    for step in path:
        place = place[step]
    place.update(fields)
    return made


FIRST, SECOND, THIRD = (("tracks", 0, "clips", n) for n in range(3))
OVER = ("tracks", 1, "clips", 0)


@pytest.fixture(scope="module")
def sequence(shop: Shop) -> JSON:
    """25 s: 0 to 9 s, 9 to 17, 17 to 25, a crossfade from 16.5 to 17.5, a picture over 5 to 7 s; 7 segments."""
    one, two = film(shop, 12, 1), film(shop, 10, 2)
    shop.asset(png(np.full((16, 16, 3), 250, np.uint8)), "image/png")
    picture = shop.asset(png(np.full((16, 16, 4), 200, np.uint8)), "image/png")
    clips = [
        {"id": "a", "asset_id": one.id, "out_ms": 9000},
        {"id": "b", "asset_id": two.id, "in_ms": 1000, "out_ms": 9000},
        {"id": "c", "asset_id": one.id, "in_ms": 3000, "out_ms": 11000},
    ]
    over = {"asset_id": picture.id, "start_ms_on_timeline": 5000, "out_ms": 2000, "position": [7, 9], "opacity": 0.5}
    cross = {"kind": "crossfade", "from_clip_id": "b", "to_clip_id": "c", "duration_ms": 1000}
    tracks = [{"kind": "video", "clips": clips}, {"kind": "overlay", "clips": [over]}]
    return {"tracks": tracks, "transitions": [cross]}


EDITS = {
    "nothing": (lambda s: s, set()),
    "the sound of a clip": (lambda s: edited(s, *SECOND, volume_db=-6.0, audio_fade_in_ms=300), set()),
    "the opacity of the first clip": (lambda s: edited(s, *FIRST, opacity=0.8), {0, 1, 2}),
    "the opacity of the second clip": (lambda s: edited(s, *SECOND, opacity=0.8), {2, 3, 4}),
    "the end of the last clip": (lambda s: edited(s, *THIRD, out_ms=10600), {6}),
    "a longer last clip": (lambda s: edited(s, *THIRD, out_ms=11800), {6}),
    "the start of a clip, the frames staying": (
        lambda s: edited(s, *FIRST, in_ms=400, start_ms_on_timeline=400, out_ms=9000),
        {0},
    ),
    "the place of the picture": (lambda s: edited(s, *OVER, position=[8, 9]), {1}),
    "the time of the picture": (lambda s: edited(s, *OVER, start_ms_on_timeline=10_000), {1, 2}),
    "a crop from the middle of the last clip's source": (lambda s: edited(s, *THIRD, crop=[0, 0, 32, 24]), {4, 5, 6}),
    "the kind of the transition": (lambda s: edited(s, "transitions", 0, kind="wipe_left"), {4}),
    "no picture at all": (lambda s: s | {"tracks": s["tracks"][:1]}, {1}),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_makes_the_segments_that_it_touches_and_no_others(edit: str, shop: Shop, sequence: JSON) -> None:
    change, touched = EDITS[edit]
    if not shop.folder.joinpath("whole").exists():
        whole = shop.render({"sequence": sequence})
        assert (whole.meta["segments"], whole.meta["segments_found"]) == (7, 0)
        shop.folder.joinpath("whole").write_bytes(file(whole).read_bytes())
    made: list[int] = []

    class Watching(Kept):
        def keep(self, plan: Plan, output: Output) -> None:
            made.append(plan.parameters["index"])  # and kept by no one, so that the next edit starts from the whole

    request = {"sequence": change(sequence)}
    cached = shop.render(request, parts=Watching(shop.registry, shop.folder))
    assert set(made) == touched
    assert cached.meta["segments_found"] == 7 - len(touched)
    anew = shop.render(request, parts=Forgetful())
    assert anew.meta["segments_found"] == 0
    assert file(cached).read_bytes() == file(anew).read_bytes()
    same_pictures = not touched
    assert (file(cached).read_bytes() == shop.folder.joinpath("whole").read_bytes()) == same_pictures


def test_captions_and_keyframes_touch_their_own_segments(shop: Shop, sequence: JSON) -> None:
    """A cue of the second clip, at 10.5 s of the file; keyframes that differ only at its end, at 15 s."""
    clips = sequence["tracks"][0]["clips"]
    two = shop.registry.asset(SCOPE, clips[1]["asset_id"])
    keys: list[tuple[str, ...]] = []
    for text in ("Hello", "World"):
        cues = [(2500, 3500, [text]), (7000, 7500, ["the same"])]
        burn = {"burn_in_captions": {"artifact_id": shop.transcript(two, cues).id}}
        keys.append(_keys(shop, shop.plan({"sequence": sequence, "proof": "off"} | burn)))
    keys.append(_keys(shop, shop.plan({"sequence": sequence, "proof": "off"})))
    assert _different(keys[0], keys[1]) == {2}
    assert _different(keys[0], keys[2]) == {2, 3}
    rows = [{"ms": 0, "value": 0.5}, {"ms": 2000, "value": 0.6}, {"ms": 5000, "value": 0.7}, {"ms": 6000, "value": 0.8}]
    moved = []
    for last in (0.8, 0.9):
        plan = shop.plan({"sequence": sequence, "proof": "off"})
        keyed = [[[row["ms"] + 9000, row["value"], "linear"] for row in rows[:3]] + [[15_000, last, "linear"]]]
        plan.parameters["clips"][1]["curves"] = {"opacity": keyed}
        moved.append(_keys(shop, plan))
    assert _different(*moved) == {3, 4}


def _keys(shop: Shop, plan: Plan) -> tuple[str, ...]:
    return tuple(part.cache_key for part in cut(plan, StoredInputs(shop.registry, plan, shop.folder)))


def _different(one: tuple[str, ...], other: tuple[str, ...]) -> set[int]:
    return {n for n, (a, b) in enumerate(zip(one, other, strict=True)) if a != b}


async def test_a_render_goes_on_from_its_last_finished_segment(own: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker dies with the third segment in hand: what is done again finds two, and the file is a full render's."""
    request = timeline(film(own, 18, 3).id, opacity=0.9)
    keep, kept, backs = Kept.keep, [], []

    def dies(self: Kept, plan: Plan, output: Output) -> None:
        if len(kept) == 2 and not backs:
            raise lost("Video")
        keep(self, plan, output)
        kept.append(plan.parameters["index"])

    async def back(*of: Any) -> None:
        backs.append(of)

    monkeypatch.setattr(Kept, "keep", dies)
    monkeypatch.setattr(repetition, "back", back)
    run = runner(own, None)
    answer = await run.run("video_render", request, CONTEXT)
    record = own.registry.artifact(SCOPE, answer["artifact_id"])
    assert len(backs) == 1
    assert kept[:2] == [0, 1]
    assert sorted(kept[2:]) == [2, 3, 4]
    assert (record.meta["segments"], record.meta["segments_found"]) == (5, 2)
    anew = await asyncio.to_thread(own.render, request, None, Forgetful())
    assert own.registry.read(SCOPE, record) == file(anew).read_bytes()


async def test_another_process_goes_on_where_a_job_was_left(own: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner and its replica end with two segments kept; who takes the job up by its lease makes the others."""
    monkeypatch.setattr(job, "LEASE_S", 1.0)
    request = timeline(film(own, 18, 6).id, opacity=0.9)
    keep, kept, two = Kept.keep, [], asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(self: Kept, plan: Plan, output: Output) -> None:
        if len(kept) < 2 or two.is_set():
            keep(self, plan, output)
            kept.append(plan.parameters["index"])
        if len(kept) == 2 and not two.is_set():
            loop.call_soon_threadsafe(two.set)
            raise lost("Video")

    async def gone(*of: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Kept, "keep", slow)
    monkeypatch.setattr(repetition, "back", gone)  # the first owner never sees a replica again
    first, second = runner(own, None), runner(own, None)
    joined = await first.begin("video_render", request, CONTEXT)
    assert isinstance(joined, Joined)
    await two.wait()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    answer = await asyncio.wait_for(second.run("video_render", request, CONTEXT), 30)
    record = own.registry.artifact(SCOPE, answer["artifact_id"])
    assert sorted(kept) == [0, 1, 2, 3, 4]
    assert record.meta["segments_found"] == 2
    anew = await asyncio.to_thread(own.render, request, None, Forgetful())
    assert own.registry.read(SCOPE, record) == file(anew).read_bytes()


@pytest.mark.parametrize("deaths", [0, 1])
async def test_replicas_make_segments_side_by_side(own: Shop, deaths: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By three calls at a time and no more, of segments that follow each other; one whose worker dies is made again;
    what is joined is a full render's."""
    request = timeline(film(own, 46, 4).id, opacity=0.9)
    host = Host(own.settings, own.registry, OPERATIONS, None, slots=4)  # type: ignore[arg-type]
    now, most, made = 0, 0, []

    class Video:
        """Replicas: whole works are done in one of them."""

        async def execute(self, plan: Plan, *rest: Any) -> Any:
            nonlocal now, most, deaths
            if plan.kind != KIND:
                return await host.execute(plan, *rest)
            made.append([part.parameters["index"] for part in (*plan.before, plan)])
            now, most = now + 1, max(most, now + 1)
            try:
                if deaths:
                    deaths -= 1
                    raise lost("Video")
                done = await host.execute(plan, *rest)
                if done is None:  # one that was lost has all places, and is made alone
                    made.pop(made.index([part.parameters["index"] for part in (*plan.before, plan)]))
                return done
            finally:
                now -= 1

        def __getattr__(self, name: str) -> Any:
            return getattr(host, name)

    told: list[tuple[float, float, float]] = []
    monkeypatch.setattr(parts, "LOOK_S", 0.02)
    monkeypatch.setattr(parts.job, "report", lambda registry, scope, to, *said: told.append(said))
    settings = own.settings.model_copy(update={"video_render_parallel": 3})
    groups = [[0, 1], [2, 3], [4, 5], [6], [7], [8], [9], [10], [11]]
    repeated = [[0, 1]] * deaths
    run = Runner(own.registry, LocalDispatch({"Video": Video()}), settings)
    answer = await run.run("video_render", request, CONTEXT)
    record = own.registry.artifact(SCOPE, answer["artifact_id"])
    assert (sorted(made), most) == (sorted(groups + repeated), 3)
    assert (record.meta["segments"], record.meta["segments_found"]) == (12, 12)
    assert told
    shares, rates, etas = zip(*(said for said in told if said[1] is not None), strict=True)
    assert list(shares) == sorted(shares)
    assert 0 < shares[0] <= shares[-1] <= parts.SHARE
    assert min(rates) > 0
    assert min(etas) >= 0
    anew = await asyncio.to_thread(own.render, request, None, Forgetful())
    assert own.registry.read(SCOPE, record) == file(anew).read_bytes()


async def test_a_segment_with_a_face_left_in_it_is_not_kept(
    own: Shop, speakers: Asset, truth: list[list[list[float]]], first_face: list[list[float]], shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The face stands there up to the cut at 7 s; the second segment, which shows another shot, is kept."""
    monkeypatch.setattr("deployments.engines.video_render.covers.Cover.paint", lambda self, frame, number: None)
    monkeypatch.setattr("configs.models.resolver.Models.path", lambda self, name, progress=None: Path(name))
    monkeypatch.setattr(cutting, "GRID_MS", 1000)
    monkeypatch.setattr("deployments.engines.video_render.film.GRID_MS", 1000)
    monkeypatch.setattr("deployments.engines.video_render.reel.GRID_MS", 1000)
    blur = face_blur(shop.summary(speakers, truth[1:]).id, style="mosaic")
    request = timeline(speakers.id, blur, in_ms=6000, out_ms=8000)
    run = runner(shop, Oracle(first_face).detect)
    with pytest.raises(ResidualFaces) as caught:
        await run.run("video_render", request, CONTEXT)
    report = shop.registry.artifact(SCOPE, caught.value.details["report_artifact_id"])
    body = json.loads(shop.registry.read(SCOPE, report))
    assert body["render_frames"] == 50
    assert {row["frame"] for row in body["residual"]} <= set(range(25))
    assert body["residual_faces"] == len(body["residual"]) > 0
    plan = shop.plan(request)
    parts = cut(plan, StoredInputs(shop.registry, plan, shop.folder))
    found = [shop.registry.find(SCOPE, KIND, part.cache_key) for part in parts]
    assert [record is not None for record in found] == [False, True]
    assert found[1] is not None
    assert found[1].meta["proof"]["residual"]["count"] == 0


def test_a_segment_in_which_no_frame_begins(own: Shop, tmp_path: Path) -> None:
    """A picture that stands for nine seconds, and a last frame behind what the header says."""
    times = [0, 40, 9000, 9040, 9100]
    asset = own.asset(clip(tmp_path / "c.mp4", times))
    output = own.render(timeline(asset.id, opacity=0.9))
    assert (output.meta["segments"], output.meta["frames"]) == (3, 5)
    found = [float(f.pts * f.time_base * 1000) for f in decoded(file(output))]
    assert found == pytest.approx(times, abs=0.01)
    again = own.render(timeline(asset.id, opacity=0.9))
    assert again.meta["segments_found"] == 3
    assert file(again).read_bytes() == file(output).read_bytes()


@pytest.mark.parametrize("style", ["blur", "solid"])
def test_what_hides_a_face_is_the_same_wherever_a_pass_begins(
    style: str, shop: Shop, speakers: Asset, truth: list[list[list[float]]]
) -> None:
    """The second segment by itself, and after the first one: its track began in the first. In the first frames, before
    they are encoded."""
    plan = shop.plan(timeline(speakers.id, face_blur(shop.summary(speakers, truth).id, style=style)) | {"proof": "off"})
    inputs = StoredInputs(shop.registry, plan, shop.folder)
    first, second, *_ = cut(plan, inputs)
    scratch = shop.folder / f"wherever{style}"
    scratch.mkdir()
    tools = tools_for(shop, scratch)
    alone, after = Stage.of(inputs, tools), Stage.of(inputs, tools)
    Film(first, after).shoot(lambda: None)
    assert after.known.cells
    assert not alone.known.cells
    pairs = zip(Film(second, alone).pictures(), Film(second, after).pictures(), strict=True)
    for n, (a, b) in enumerate(pairs):
        assert all(np.array_equal(x, y) for x, y in zip(planes(a.frame()), planes(b.frame()), strict=True))
        if n == 3:
            break
    (held,) = alone.known.cells.values()
    for track, cells in held.items():
        assert all(
            np.array_equal(x, y) for x, y in zip(cells, next(iter(after.known.cells.values()))[track], strict=True)
        )


def test_tracks_are_read_once_for_all_segments(own: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long video's take longer to read than a segment takes to make."""
    asset, read = film(own, 14, 6), []

    class Counted(Tracks):
        def __init__(self, *of: Any) -> None:
            read.append(of[1:])
            super().__init__(*of)

    monkeypatch.setattr("deployments.engines.video_render.clip.Tracks", Counted)
    summary = own.summary(asset, [[[n * 1280.0, 10, 8, 20, 24] for n in range(140)]])
    made = own.render(timeline(asset.id, face_blur(summary.id)))
    assert (made.meta["segments"], made.meta["faces_painted"], len(read)) == (4, 140, 1)
    clips = [{"asset_id": asset.id, "filters": [face_blur(summary.id, **more)]} for more in ({}, {"min_face_px": 25})]
    other = own.render({"sequence": {"tracks": [{"kind": "video", "clips": clips}]}})
    assert (other.meta["faces_painted"], len(read)) == (140, 3)  # each filter's own


def test_segments_stay_through_gc_and_go_with_their_asset(own: Shop) -> None:
    asset = film(own, 6, 5)
    plan = own.plan(timeline(asset.id, opacity=0.9))
    own.render(timeline(asset.id, opacity=0.9))
    parts = cut(plan, StoredInputs(own.registry, plan, own.folder))
    gc(own.registry, grace_s=0)
    found = [own.registry.find(SCOPE, KIND, part.cache_key) for part in parts]
    assert [record and record.meta["index"] for record in found] == [0, 1]
    assert all(record and len(own.registry.read(SCOPE, record)) == record.size_bytes for record in found)
    own.registry.delete_asset(SCOPE, asset.id, cascade=True)
    assert [own.registry.find(SCOPE, KIND, part.cache_key) for part in parts] == [None, None]


@pytest.mark.parametrize("pts", [[], [5], [0, 1, 2, 3], [0, 512, 1024, 1100, 1200, 1300, 9000], [7, 7, 8, 100]])
def test_times_are_kept_as_runs(pts: list[int]) -> None:
    made = runs(array("q", pts))
    assert list(spread(json.loads(json.dumps(made)))) == pts
    if len(pts) == 4 and pts[0] == 0:
        assert made == [[0, 1, 4]]
