"""Faces hidden in a clip: ours at each proof against deface and against decoding and encoding alone, in one run.

`python -m tests.bench faces` runs it over HTTP on a service that it starts; CLIP names a clip of your own, else it is
the repository's. `python -m tests.bench.faces` runs one round in this process, without Ray: to see that it works.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from PIL import Image

from configs.models import Models
from configs.profiles import profiles
from configs.settings import Settings
from demo.__main__ import service
from demo.client import Client
from deployments.engines.video_regions.detectors import make_detector
from deployments.media.decoding import small_size
from deployments.media.probe import probe
from kernels.faces import iou
from tests.bench.measure import Row, optional

JSON = dict[str, Any]
FIXTURE = Path(__file__).parents[1] / "fixtures" / "video_clips" / "face_clip.mp4"
BATCH = 16
PROOFS = ("off", "sampled", "full")
REPEATED = ("off", "sampled")
"""In each round; what has no goal takes as long as both of them six times over, and is timed in the first one."""
ROUNDS = 3
SAME = 0.3
"""Least IoU of a face found in a result with its counterpart in the source."""
SIDE = 640
"""Longest side that faces which are left are looked for at: that of a proof."""
SEARCHERS = ("centerface", "opencv_face_detector")
"""CenterFace at 0.5 and YuNet at 0.6: 0.5 on the common scale."""
PLAIN, OVERLAID = "a plain transcode", "a render with an overlay"
DEFACE = """
import sys, time
from deface.centerface import CenterFace
from deface.deface import video_detect
detector = CenterFace(in_shape=None, backend="auto")
began = time.perf_counter()
wanted = {"codec": "libx264"}
video_detect(sys.argv[1], sys.argv[2], detector, 0.2, False, False, False, "blur", 1.3, True, False, wanted)
print(time.perf_counter() - began)
"""
"""Its own defaults, its imports and its model's loading left out of the time."""


@dataclass(slots=True)
class Best:
    """The fastest round of one way to do it."""

    seconds: float
    path: Path


def floor(clip: Path, target: Path) -> float:
    """Seconds of decoding and encoding in YUV as the profile `source` does, with nothing between."""
    wanted, threads = profiles()["source"], Settings(mattebox_home=target.parent).threads
    began = time.perf_counter()
    with av.open(str(clip)) as container, av.open(str(target), "w", format="mp4") as out:
        given = container.streams.video[0]
        given.thread_type, given.codec_context.thread_count = "AUTO", threads
        stream: Any = out.add_stream(wanted.codec, rate=given.average_rate, options=dict(wanted.options))
        stream.width, stream.height, stream.pix_fmt = given.width, given.height, wanted.pixels
        stream.codec_context.time_base, stream.codec_context.thread_type = given.time_base, "FRAME"
        for frame in container.decode(given):
            frame.pict_type = av.video.frame.PictureType.NONE
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return time.perf_counter() - began


def deface(clip: Path, target: Path) -> float:
    """Seconds of its own program, its start-up aside."""
    done = subprocess.run(
        [sys.executable, "-c", DEFACE, str(clip), str(target)], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def ours(client: Client, clip: Path, proof: str, target: Path) -> tuple[float, float]:
    """Seconds of all from the uploaded clip to the finished file, and of the render alone."""
    asset = client.upload(clip)["id"]
    began = time.perf_counter()
    sequence = client.post("/video/anonymise/faces", {"asset_id": asset})["sequence_id"]
    found = time.perf_counter()
    made = client.post("/video/render", {"sequence_id": sequence, "proof": proof})
    ended = time.perf_counter()
    client.save(made["artifact_id"], target)
    return ended - began, ended - found


def overlaid(client: Client, clip: Path, picture: Path | None) -> float:
    """Seconds of a render at 480 lines, with the picture over all of it or without one."""
    tracks: list[JSON] = [{"kind": "video", "clips": [{"asset_id": client.upload(clip)["id"]}]}]
    if picture:
        over = {"asset_id": client.upload(picture)["id"], "position": [40, 30], "opacity": 0.8}
        tracks.append({"kind": "overlay", "clips": [over]})
    began = time.perf_counter()
    client.post("/video/render", {"sequence": {"tracks": tracks}, "render_profile": "draft_480p_fast"})
    return time.perf_counter() - began


def residual(clip: Path, made: Path, settings: Settings, side: int = SIDE) -> dict[str, int]:
    """Detector -> faces that it finds in any frame of the result, where it finds one in the source's frame too, both at
    most `side` pixels long."""
    models = Models(settings)
    left = {}
    for name in SEARCHERS:
        detector = make_detector(name, models.path, settings)
        left[name] = 0
        for pairs in _batches(zip(_frames(clip, side), _frames(made, side), strict=True)):
            before, after = (np.stack(frames) for frames in zip(*pairs, strict=True))
            found = [_sure(faces) for faces in detector(after)]
            hit = [n for n, boxes in enumerate(found) if len(boxes)]
            scale = np.array([before.shape[2] / after.shape[2], before.shape[1] / after.shape[1]] * 2)
            for n, faces in zip(hit, detector(before[hit]) if hit else [], strict=True):
                there = _sure(faces)
                if len(there):
                    left[name] += int((iou(found[n] * scale, there).max(axis=1) >= SAME).sum())
    return left


def _batches(pairs: Iterator[tuple[np.ndarray, np.ndarray]]) -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
    while batch := list(islice(pairs, BATCH)):
        yield batch


def kept(clip: Path, made: Path, settings: Settings) -> tuple[float, float]:
    """Whether the size and the sound are the source's, as 1 or 0."""
    a, b = (probe(path, "video/mp4", settings) for path in (clip, made))
    size = (a["width"], a["height"]) == (b["width"], b["height"])
    sound = a.get("audio_channels") == b.get("audio_channels") and a.get("sample_rate") == b.get("sample_rate")
    return float(size), float(sound)


def measured(url: str, clip: Path, folder: Path, settings: Settings, rounds: int) -> list[Row]:
    """Rounds that do each way once, each in a scope of its own, so that nothing is found again."""
    picture = folder / "overlay.png"
    pixels = cv2.resize(np.random.default_rng(1).integers(0, 256, (9, 16, 4), np.uint8), (320, 180))
    Image.fromarray(pixels).save(picture)
    best: dict[str, Best] = {}
    alone: dict[str, float] = {}
    peer = optional("imageio_ffmpeg") and optional("deface")

    def timed(name: str, seconds: float, path: Path) -> None:
        if name not in best or seconds < best[name].seconds:
            best[name] = Best(seconds, path)

    for number in range(rounds):
        timed("floor", floor(clip, folder / "floor.mp4"), folder / "floor.mp4")
        for proof in PROOFS if number == 0 else REPEATED:
            target, client = folder / f"{proof}.mp4", Client(url, f"t_bench{number}{proof}{os.getpid()}")
            whole, render = ours(client, clip, proof, target)
            timed(proof, whole, target)
            alone[proof] = min(render, alone.get(proof, render))
        if peer:
            timed("deface", deface(clip, folder / "deface.mp4"), folder / "deface.mp4")
        client = Client(url, f"t_bench{number}over{os.getpid()}")
        timed(PLAIN, overlaid(client, clip, None), clip)
        timed(OVERLAID, overlaid(client, clip, picture), clip)
    return _rows(clip, best, alone, settings)


def _rows(clip: Path, best: dict[str, Best], alone: dict[str, float], settings: Settings) -> list[Row]:
    frames = sum(1 for _ in _frames(clip))
    rate = {name: frames / one.seconds for name, one in best.items()}
    theirs = rate.get("deface", float("nan"))
    against = {"deface": theirs, "decode and encode": rate["floor"]}
    render = {proof: frames / seconds for proof, seconds in alone.items()}
    rows = [Row("decode and encode in YUV", rate["floor"], "frames/s")]
    rows += [Row(f"clip to file, proof {proof}", rate[proof], "frames/s", against) for proof in PROOFS]
    rows += [Row(f"render alone, proof {proof}", render[proof], "frames/s", against) for proof in PROOFS]
    rows += [
        Row("decode and encode over the render, proof off", rate["floor"] / render["off"], "×", at_most=2),
        Row("decode and encode over clip to file, proof off", rate["floor"] / rate["off"], "×"),
        Row("clip to file over deface, proof sampled", rate["sampled"] / theirs, "×", at_least=6),
        Row(OVERLAID, rate[OVERLAID], "frames/s", {PLAIN: rate[PLAIN]}),
    ]
    results = {name: best[name].path for name in (*PROOFS, "deface") if name in best}
    left = {name: residual(clip, path, settings) for name, path in results.items()}
    same = {name: kept(clip, path, settings) for name, path in results.items()}
    for proof in PROOFS:
        for detector in SEARCHERS:
            peer = {"deface": float(left["deface"][detector])} if "deface" in left else {}
            most = 0 if proof == "full" else None
            rows.append(Row(f"faces left, proof {proof}, {detector}", left[proof][detector], "", peer, most))
    for place, what in enumerate(("size", "sound")):
        peer = {"deface": same["deface"][place]} if "deface" in same else {}
        rows.append(Row(f"{what} kept", min(same[proof][place] for proof in PROOFS), "(1: yes)", peer))
    return rows


def _frames(path: Path, side: int = SIDE) -> Iterator[np.ndarray]:
    """Every frame, uint8 [h, w, 3] BGR, the longer side at most `side`."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            width, height = small_size(frame.width, frame.height, side)
            how = "AREA" if width < frame.width else None
            yield frame.to_ndarray(width=width, height=height, format="bgr24", interpolation=how)


def _sure(found: np.ndarray) -> np.ndarray:
    boxes: np.ndarray = found[found[:, 4] >= 0.5, :4].astype(np.float64)
    return boxes


def run(home: Path) -> list[Row]:
    clip, folder = Path(os.environ.get("CLIP", FIXTURE)), home / "bench_faces"
    folder.mkdir(exist_ok=True)
    with service(home) as url:
        return measured(url, clip, folder, Settings(mattebox_home=home), ROUNDS)


@contextmanager
def here(home: Path) -> Iterator[str]:
    """The application in this process."""
    import uvicorn

    from deployments.gateway.http import build_http
    from deployments.replicas.local import local_runner

    settings = Settings(mattebox_home=home)
    runner = local_runner(settings)
    config = uvicorn.Config(build_http(runner, runner.registry, settings), port=0, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def main() -> None:
    from rich.console import Console

    from tests.bench.__main__ import as_table

    home = Path(os.environ.get("MATTEBOX_HOME", Path.cwd() / "var")).absolute()
    folder = home / "bench_faces"
    folder.mkdir(parents=True, exist_ok=True)
    with here(home) as url:
        clip = Path(os.environ.get("CLIP", FIXTURE))
        rows = measured(url, clip, folder, Settings(mattebox_home=home), 1)
    Console(width=150).print(as_table("faces", rows))


if __name__ == "__main__":
    main()
