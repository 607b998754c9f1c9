"""Long renders over HTTP: memory beside the clip's length, cancelling, tenants beside each other, several replicas.

CLIP names a clip of your own with faces in it, else it is the repository's; it is repeated, packets as they are, to
five minutes. `python -m tests.bench.jobs memory | turns | replicas | cores` prints one part; `cores` gives each pair of
Video and Faces one thread and a core of its own, as if each were a machine of one core.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import httpx
import yaml

from deployments.cli import SERVE_CONFIG
from tests.bench.faces import FIXTURE
from tests.bench.measure import Row
from tests.serve.conftest import Service, serving
from tests.serve.test_kills import replica, replicas_of

JSON = dict[str, Any]
LONG_S, SHORT_S, SEQUENCE_S = 300, 10, 60
ROUNDS = 3
CANCELLED_S = 1.0
"""Goal: from the DELETE to the state, and to the end of the worker's work."""
FLAT = 1.15
"""Goal: the peak memory of five minutes over the clip's own."""
LONG_JOB = {"render_profile": "preview_720p_fast"}
"""Of the render that others come beside: some minutes of work."""
SWEPT_S = 5
"""So long after it a cancelled work may take to remove its folder: it waits for what Faces has in hand."""
QUIET_S = 0.4
"""A worker that took less than a tenth of so long a time of its processor has ended its work."""
TICK = os.sysconf("SC_CLK_TCK")
PAIR = ("Video", "Faces")
LIGHT = {"ray_actor_options": {"num_cpus": 0.1}}
"""So that two of each are let onto two cores."""
PARTS = ("memory", "turns", "replicas", "cores")


def of_length(source: Path, target: Path, seconds: float) -> Path:
    """The clip's packets, repeated or cut to a length."""
    with av.open(str(source)) as given:
        stream: Any = given.streams.video[0]
        turn = stream.frames / stream.average_rate
        rows = [(packet.stream.index, packet) for packet in given.demux() if packet.dts is not None]
        with av.open(str(target), "w") as out:
            outs = {one.index: out.add_stream_from_template(one) for one in given.streams}
            for number in range(int(seconds / turn) + 1):
                for index, packet in rows:
                    base = given.streams[index].time_base
                    at = packet.pts * base
                    if not 0 <= at < turn or at + number * turn >= seconds:
                        continue
                    shifted = av.Packet(bytes(packet))
                    shift = round(number * turn / base)
                    shifted.pts, shifted.dts, shifted.time_base = packet.pts + shift, packet.dts + shift, base
                    shifted.duration, shifted.is_keyframe = packet.duration, packet.is_keyframe
                    shifted.stream = outs[index]
                    out.mux(shifted)
    return target


class Tenant:
    """One tenant's requests."""

    def __init__(self, service: Service, name: str) -> None:
        self.http = service.client(f"t_{name}{os.getpid()}")

    def upload(self, path: Path) -> str:
        with path.open("rb") as file:
            return str(said(self.http.post("/media-v2/assets", files={"file": (path.name, file)}))["id"])

    def post(self, path: str, body: JSON) -> JSON:
        return said(self.http.post(path, json=body))

    def begin(self, path: str, body: JSON) -> str:
        """The id of a job."""
        return str(said(self.http.post(path, json=body, headers={"Prefer": "respond-async"}))["id"])

    def job(self, id: str) -> JSON:
        return said(self.http.get(f"/jobs/{id}"))

    def under_way(self, id: str, least: float) -> JSON:
        """The job, once so much of it is done."""
        while (found := self.job(id))["progress"] < least:
            if found["state"] not in ("queued", "running"):
                raise RuntimeError(f"the job ended before it was met: {found}")
            time.sleep(0.05)
        return found


def said(answer: httpx.Response) -> JSON:
    if not answer.is_success:
        raise RuntimeError(answer.text[:400])
    found: JSON = answer.json()
    return found


def tell(what: str, *figures: object) -> None:
    print(what, *figures, file=sys.stderr, flush=True)


@contextmanager
def started(home: Path, replicas: int = 1, bound: bool = False) -> Iterator[Service]:
    """An application of its own store, with so many replicas of Video that work at one render; `bound`: each with a
    replica of Faces, one thread each, both on one core that no other pair has."""
    with tempfile.TemporaryDirectory(prefix="mb-bench-") as folder:
        config = yaml.safe_load(SERVE_CONFIG.read_text())
        config["applications"][0]["args"]["video_render_parallel"] = replicas
        names = PAIR if bound else PAIR[:1]
        config["applications"][0]["deployments"] = [{"name": name, "num_replicas": replicas, **LIGHT} for name in names]
        if bound:
            config["applications"][0]["args"]["threads"] = 1
        path = Path(folder) / "serve_config.yaml"
        path.write_text(yaml.safe_dump(config))
        with serving(home, (Path(folder) / "store").as_uri(), Path(folder) / "serve.log", path) as service:
            yield service


# memory


def peak_mib(service: Service, name: str) -> float:
    """The peak of a replica's resident memory since it was last forgotten, in MiB; forgets it."""
    process = Path(f"/proc/{replica(service, name)}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    (process / "clear_refs").write_text("5")
    return int(status["VmHWM"].split()[0]) / 1024


def hidden(tenant: Tenant, clip: Path) -> tuple[float, float, JSON]:
    """Seconds of finding the faces and of the render, and its answer."""
    asset = tenant.upload(clip)
    began = time.perf_counter()
    sequence = tenant.post("/video/anonymise/faces", {"asset_id": asset})["sequence_id"]
    found = time.perf_counter()
    made = tenant.post("/video/render", {"sequence_id": sequence})
    return found - began, time.perf_counter() - found, made


def memory(service: Service, clip: Path, long: Path) -> list[Row]:
    """Faces found, hidden, rendered and proved: the clip, then its five minutes, in the same replicas."""
    rows = []
    for name in ("Video", "Faces"):
        peak_mib(service, name)
    times = hidden(Tenant(service, "clip"), clip)
    short = {name: peak_mib(service, name) for name in ("Video", "Faces")}
    tell("the clip", times[:2], short)
    times = hidden(Tenant(service, "long"), long)
    peaks = {name: peak_mib(service, name) for name in short}
    tell("five minutes", times[:2], peaks)
    for name, peak in peaks.items():
        rows += [
            Row(f"peak memory of {name}, five minutes", peak, "MiB", {"the clip": short[name]}),
            Row(f"the same over the clip's, {name}", peak / short[name], "×", at_most=FLAT),
        ]
    return rows


# turns and cancelling


def processor_s(pid: int) -> float:
    """Processor time that a process and its threads have taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


@dataclass(slots=True)
class Ended:
    """What a DELETE was seen to do, in seconds from its sending."""

    state: float
    work: float


def cancelled(service: Service, tenant: Tenant, id: str) -> Ended:
    """Cancel a running job; when it says so, and when Video has ended its last work for it."""
    pid = replica(service, "Video")
    assert pid
    began = time.perf_counter()
    document = said(tenant.http.delete(f"/jobs/{id}"))
    state = time.perf_counter() - began
    assert document["state"] == tenant.job(id)["state"] == "cancelled"
    seen = [(time.perf_counter() - began, processor_s(pid))]
    while seen[-1][0] < 20:
        time.sleep(0.05)
        seen.append((time.perf_counter() - began, processor_s(pid)))
        before = next((row for row in reversed(seen) if row[0] <= seen[-1][0] - QUIET_S), None)
        if before and seen[-1][1] - before[1] < QUIET_S / 10:
            return Ended(state, before[0])
    return Ended(state, seen[-1][0])


def left(service: Service, tenant: Tenant) -> set[str]:
    """What a cancelled job must not add to: the scratch folder, unfinished files of the store, its own artifacts."""
    root = Path(service.environment["ARTIFACT_STORE_URL"].removeprefix("file://"))
    own = root / "tenants" / tenant.http.headers["X-Tenant-Id"] / "dev"
    found = [*(service.home / "scratch").rglob("*"), *root.rglob("*#*"), *root.glob("incoming/*")]
    found += [path for name in ("render_*", "regions_*") for path in (own / "records").glob(name)]
    return {str(path) for path in found}


def turns(service: Service, short: Path, long: Path) -> list[Row]:
    """A job of ten seconds by itself and beside another tenant's five minutes, while that one finds faces and while it
    renders; then the long one is cancelled."""
    rows: list[Row] = []
    hidden(Tenant(service, "warm"), short)
    alone = min((hidden(Tenant(service, f"solo{n}"), short)[:2] for n in range(ROUNDS)), key=sum)
    tell("alone", alone)
    owner = Tenant(service, "long")
    asset = {"asset_id": owner.upload(long)}

    sequence = owner.post("/video/anonymise/faces", asset)["sequence_id"]
    ways: Mapping[str, Callable[[], str]] = {
        "finds faces": lambda: owner.begin("/video/regions", asset | {"mode": "every_frame"}),
        "renders": lambda: owner.begin("/video/render", {"sequence_id": sequence} | LONG_JOB),
    }
    for name, begin in ways.items():
        before = left(service, owner)
        id = begin()
        segment = 4 * 25 / owner.under_way(id, 0.02).get("frames_per_s", 100)
        times = [hidden(Tenant(service, f"beside{name[0]}{n}"), short)[:2] for n in range(ROUNDS)]
        running = owner.job(id)
        tell(f"beside one that {name}", times, {"segment": segment, "progress": running["progress"]})
        assert running["state"] == "running", running
        worst = max(sum(one) for one in times)
        rows += [
            Row(f"10 s beside five minutes, which {name}: the slowest of {ROUNDS}", worst, "s", {"alone": sum(alone)}),
            Row("the same over twice alone and one segment", worst / (2 * sum(alone) + segment), "×", at_most=1),
        ]
        time.sleep(1)
        ended = cancelled(service, owner, id)
        until = time.monotonic() + SWEPT_S
        while (remains := left(service, owner) - before) and time.monotonic() < until:
            time.sleep(0.1)
        tell("cancelled", ended, remains)
        rows += [
            Row(f"cancelled while it {name}: until the state", ended.state, "s", at_most=CANCELLED_S),
            Row("until the worker is free", ended.work, "s", at_most=CANCELLED_S),
            Row("files and renders left", len(remains), "", at_most=0),
        ]
    return rows


# replicas


def bind(service: Service, count: int) -> None:
    """So many replicas of Video, and as many of Faces, to a core each; threads that they start later stay there."""
    cores = sorted(os.sched_getaffinity(0))[:count]
    for name in PAIR:
        while len(found := sorted(replicas_of(service, name))) < count:
            time.sleep(0.3)
        for pid, core in zip(found, cores, strict=True):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), {core})


def busy(service: Service) -> list[float]:
    """Processor time of each replica of Video until now."""
    return [processor_s(pid) for pid in sorted(replicas_of(service, "Video"))]


def replicas(home: Path, film: Path, bound: bool = False) -> list[Row]:
    """A minute of faces hidden, by one replica of Video and then by two, for two tenants each."""
    took: dict[tuple[int, str], list[tuple[float, float]]] = {}
    made: dict[str, set[str]] = {}
    for count in (1, 2):
        with started(home, count, bound) as service:
            ready(Tenant(service, "ready"))
            if bound:
                bind(service, count)
            for number in range(2):
                tenant = Tenant(service, f"replicas{count}{number}")
                sequence = tenant.post("/video/anonymise/faces", {"asset_id": tenant.upload(film)})["sequence_id"]
                for proof in ("off", "sampled"):
                    began, before = time.perf_counter(), busy(service)
                    answer = tenant.post("/video/render", {"sequence_id": sequence, "proof": proof})
                    spent = [now - then for now, then in zip(busy(service), before, strict=True)]
                    took.setdefault((count, proof), []).append((time.perf_counter() - began, max(spent)))
                    tell(f"{count} replicas, proof {proof}: processor time of each Video", spent)
                    record = said(tenant.http.get(f"/media-v2/artifacts/{answer['artifact_id']}"))
                    made.setdefault(proof, set()).add(record["sha256"])
                tell(f"{count} replicas", {key[1]: times for key, times in took.items() if key[0] == count}, made)
    rows, each = [], " of a core each" if bound else ""
    for proof in ("off", "sampled"):
        (one, alone), (two, busier) = (tuple(map(min, zip(*took[count, proof], strict=True))) for count in (1, 2))
        rows.append(Row(f"a minute by two replicas{each}, proof {proof}", two, "s", {"one": one}))
        rows.append(Row(f"processor time of the busier one{each}, proof {proof}", busier, "s", {"one": alone}))
        rows.append(Row(f"different files{each}, proof {proof}", len(made[proof]), "", at_most=1))
    return rows


def ready(tenant: Tenant) -> None:
    while tenant.http.get("/readyz").status_code != 200:
        time.sleep(0.3)


def run(home: Path, parts: tuple[str, ...] = PARTS) -> list[Row]:
    clip, rows = Path(os.environ.get("CLIP", FIXTURE)), []
    with tempfile.TemporaryDirectory(prefix="mb-clips-") as folder:
        lengths = {"long": LONG_S, "short": SHORT_S, "film": SEQUENCE_S}
        clips = {name: of_length(clip, Path(folder) / f"{name}.mp4", seconds) for name, seconds in lengths.items()}
        if {"memory", "turns"} & set(parts):
            with started(home) as service:
                ready(Tenant(service, "clip"))
                if "memory" in parts:
                    rows += memory(service, clip, clips["long"])
                if "turns" in parts:
                    rows += turns(service, clips["short"], clips["long"])
        if "replicas" in parts:
            rows += replicas(home, clips["film"])
        if "cores" in parts:
            rows += replicas(home, clips["film"], bound=True)
    return rows


def main() -> None:
    from rich.console import Console

    from tests.bench.__main__ import as_table, told

    home = Path(os.environ.get("MATTEBOX_HOME", Path.cwd() / "var")).absolute()
    rows = run(home, tuple(sys.argv[1:]) or PARTS)
    Console(width=150).print(as_table("jobs", {"rows": [told(row) for row in rows]}))


if __name__ == "__main__":
    main()
