"""SIGKILL of every kind of replica, on the real application: retried results or envelopes, and a whole store.

Slow, and bound to how fast a busy machine brings a replica back: what is waited for is stretched by how much longer
than on an idle one a Gateway's imports take at that moment.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import httpx
import pytest

from tests.serve.conftest import ROOT, Service

pytestmark = [pytest.mark.serve, pytest.mark.slow]
JSON = dict[str, Any]
CLIPS = ROOT / "tests" / "fixtures" / "video_clips"
REPLICAS = ("Imaging", "Video", "Speech", "Faces", "Jobs", "Gateway")
WEIGHTS = (2, 2, 2, 2, 2, 1)
"""Without the Gateway nothing reaches the others."""
BACK_S = 15.0
IMPORTS_S = 2.5
"""What a Gateway's imports take on two idle cores."""
TIMEOUT_S = 240.0
PAUSE_S = 1.5


def patience(seconds: float) -> float:
    """Seconds of an idle machine as seconds of this one."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "import deployments.replicas.serve"], cwd=ROOT, check=True)
    return seconds * max(1.0, (time.monotonic() - began) / IMPORTS_S)


def parents() -> dict[int, int]:
    """Parent by process id, from /proc."""
    found: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
    return found


def replica(service: Service, name: str) -> int | None:
    """The process of a deployment's replica, among the application's own descendants; None while there is none."""
    return next(replicas_of(service, name), None)


def replicas_of(service: Service, name: str) -> Iterator[int]:
    """The processes of a deployment's replicas."""
    above = parents()

    def ours(pid: int) -> bool:
        while pid in above:
            if pid == service.process.pid:
                return True
            pid = above[pid]
        return False

    for pid in above:
        try:
            title = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::ServeReplica:mattebox:" + name.encode()) and ours(pid):
            yield pid


def kill(service: Service, name: str) -> bool:
    pid = replica(service, name)
    if pid is None:
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def store(service: Service) -> Path:
    """The folder of the application's file store."""
    return Path(urlparse(service.environment["ARTIFACT_STORE_URL"]).path)


def eventually(found: Callable[[], Any], within_s: float, what: str) -> Any:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            if value := found():
                return value
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    pytest.fail(f"{what} did not come within {within_s:.0f} s")


@pytest.fixture(scope="module")
def http(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=service.url, headers={"X-Tenant-Id": "t_kills", "X-Env": "dev"}, timeout=TIMEOUT_S
    ) as client:
        yield client


@pytest.fixture(scope="module")
def clip(http: httpx.Client) -> str:
    eventually(lambda: http.get("/readyz").status_code == 200, 240, "readiness")
    with (CLIPS / "face_clip.mp4").open("rb") as file:
        return str(http.post("/media-v2/assets", files={"file": ("c.mp4", file)}).json()["id"])


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def picture(number: int, side: int = 64) -> JSON:
    layers = [{"type": "solid", "color": f"#{number % (1 << 24):06x}"}, {"type": "solid", "color": "#80402010"}]
    return {"composition": {"width": side, "height": side, "layers": layers}}


def running(http: httpx.Client) -> bool:
    return any(job["state"] == "running" for job in http.get("/jobs").json()["jobs"])


LONG: dict[str, tuple[str, JSON]] = {
    "Video": ("/video/regions", {"mode": "every_frame", "frame_sample_interval_ms": 700}),
    "Faces": ("/video/regions", {"mode": "every_frame", "frame_sample_interval_ms": 710}),
    "Speech": ("/video/captions/generate", {"language": "en"}),
}


@pytest.mark.parametrize("name", list(LONG))
def test_long_work_survives_its_workers_death(
    service: Service, http: httpx.Client, clip: str, beside: ThreadPoolExecutor, name: str
) -> None:
    path, more = LONG[name]
    answer: Future[httpx.Response] = beside.submit(http.post, path, json={"asset_id": clip} | more)
    eventually(lambda: running(http), 120, "the running job")
    assert kill(service, name)
    assert answer.result().status_code == 200, answer.result().text
    assert not running(http)


def test_pictures_survive_their_workers_death(service: Service, http: httpx.Client, beside: ThreadPoolExecutor) -> None:
    answers = [beside.submit(http.post, "/image/render", json=picture(number, 1500)) for number in range(8)]
    time.sleep(0.2)
    assert kill(service, "Imaging")
    for number, answer in enumerate(answers):
        said = answer.result()
        if said.status_code != 200:  # on a busy machine the replica may need more than the 15 s that it is given
            assert (said.status_code, said.json()["error"]["code"]) == (503, "worker_lost")
            again = picture(number, 1500)
            eventually(lambda body=again: http.post("/image/render", json=body).status_code == 200, 180, "the picture")


def test_a_picture_that_killed_its_worker_twice_is_refused(
    service: Service, http: httpx.Client, clip: str, beside: ThreadPoolExecutor
) -> None:
    """Its call goes by gRPC (dispatch.STRAIGHT), where Serve sees a death later than Ray does: it must neither give the
    work to the next replica by itself nor take the death for an error."""
    notes = store(service) / "tenants" / "t_kills" / "dev" / "documents" / "crashes"
    slow = [{"type": "bilateral", "radius": 24}] * 16  # takes many seconds, so that it is met running
    body = {"composition": {"width": 3000, "height": 3000, "layers": [{"color": "#123456", "filters": slow}]}}

    def suspected(before: set[Path]) -> bool:
        new = set(notes.glob("*")) - before
        return any(b'"began":true' in note.read_bytes() for note in new)

    noted = set(notes.glob("*"))
    answer: Future[httpx.Response] = beside.submit(http.post, "/image/render", json=body)
    time.sleep(2)
    assert not answer.done()
    assert kill(service, "Imaging")
    eventually(lambda: suspected(noted) or answer.done(), 60, "the repeat")
    if answer.done():  # on a busy machine the replica may need more than the 15 s that it is given
        assert (answer.result().status_code, answer.result().json()["error"]["code"]) == (503, "worker_lost")
        return
    assert kill(service, "Imaging")
    for said in (answer.result(), http.post("/image/render", json=body)):
        assert (said.status_code, said.json()["error"]["code"]) == (422, "input_crashed_worker")
    eventually(lambda: http.post("/image/render", json=picture(7)).status_code == 200, 180, "another picture")


def test_the_gateways_death_ends_connections_and_not_the_work(
    service: Service, http: httpx.Client, clip: str, beside: ThreadPoolExecutor
) -> None:
    body = {"asset_id": clip, "mode": "every_frame", "frame_sample_interval_ms": 720}  # long enough to be met running
    allowed = patience(BACK_S)  # which takes as long as the work does
    first: Future[httpx.Response] = beside.submit(http.post, "/video/regions", json=body)
    eventually(lambda: running(http), 120, "the running job")
    assert kill(service, "Gateway")
    with suppress(httpx.HTTPError):
        assert first.result().status_code == 500
    eventually(lambda: http.post("/image/render", json=picture(1)).status_code == 200, allowed, "the next answer")
    again = http.post("/video/regions", json=body)
    assert again.status_code == 200, again.text
    masks = {entry["mask_artifact_id"] for entry in again.json()["summary"]["entries"]}
    assert masks


def test_an_input_that_killed_its_worker_twice_is_refused(
    service: Service, http: httpx.Client, clip: str, beside: ThreadPoolExecutor
) -> None:
    notes = store(service) / "tenants" / "t_kills" / "dev" / "documents" / "crashes"

    def repeated() -> bool:
        return any(b'"began":true' in note.read_bytes() for note in notes.glob("*"))

    for interval in range(740, 746):
        body = {"asset_id": clip, "mode": "every_frame", "frame_sample_interval_ms": interval}
        answer: Future[httpx.Response] = beside.submit(http.post, "/video/regions", json=body)
        eventually(lambda: running(http), 120, "the running job")
        assert kill(service, "Video")
        eventually(lambda answer=answer: repeated() or answer.done(), 120, "the repeat")
        if not answer.done():
            break  # else the replica died before the work had come to it, and Serve gave it to the next one
    assert kill(service, "Video")
    for said in (answer.result(), http.post("/video/regions", json=body)):
        assert (said.status_code, said.json()["error"]["code"]) == (422, "input_crashed_worker")
    other = http.post("/video/regions", json=body | {"frame_sample_interval_ms": 750})
    assert other.status_code == 200, other.text


def test_a_job_outlives_its_owner_and_its_events_tell_of_it(service: Service, http: httpx.Client, clip: str) -> None:
    body = {"asset_id": clip, "mode": "every_frame", "frame_sample_interval_ms": 760}
    job = http.post("/video/regions", json=body, headers={"Prefer": "respond-async"}).json()
    events = f"/jobs/{job['id']}/events"
    eventually(lambda: http.get(f"/jobs/{job['id']}").json()["state"] == "running", 120, "the running job")
    with http.stream("GET", events) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        first = next(told(stream.iter_lines()))
    assert first["data"]["id"] == job["id"]
    assert kill(service, "Gateway")
    eventually(lambda: http.get("/healthz").status_code == 200, patience(BACK_S), "the next Gateway")
    with http.stream("GET", events, headers={"Last-Event-ID": first["id"]}) as stream:
        later = list(told(stream.iter_lines()))
    assert later[-1]["event"] == later[-1]["data"]["state"] == "succeeded"
    versions = [int(event["id"]) for event in (first, *later)]
    assert versions == sorted(set(versions))
    assert http.get(events, headers={"Last-Event-ID": later[-1]["id"]}).status_code == 204
    (summary,) = later[-1]["data"]["artifact_ids"]
    assert http.post("/video/regions", json=body).json()["summary_artifact_id"] == summary


def told(lines: Iterator[str]) -> Iterator[JSON]:
    """Server-sent events, with their data read."""
    event: JSON = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if not line and "data" in event:
            yield event
        event = {} if not line else event | {name: json.loads(value) if name == "data" else value}


def test_a_cancelled_job_frees_its_worker(http: httpx.Client, clip: str) -> None:
    body = {"asset_id": clip, "frame_sample_interval_ms": 730}
    job = http.post("/video/regions", json=body, headers={"Prefer": "respond-async"}).json()
    eventually(lambda: running(http), 120, "the running job")
    began = time.monotonic()
    assert http.delete(f"/jobs/{job['id']}").json()["state"] == "cancelled"
    assert time.monotonic() - began < 1
    small = http.post("/video/regions", json={"asset_id": clip, "mode": "sampled", "frame_sample_interval_ms": 5000})
    assert small.status_code == 200
    assert http.get(f"/jobs/{job['id']}").json()["state"] == "cancelled"


class Load:
    """Threads that send a mix of requests until told to stop, and note each answer that is no answer of ours."""

    def __init__(self, service: Service, clip: str) -> None:
        self.stop = threading.Event()
        self.strange: list[str] = []
        self.answers: Counter[str] = Counter()
        self.longest_s = 0.0
        self.gateway_died: list[float] = []
        self.outages: list[float] = []
        """Seconds from a death of the Gateway to the first good answer before its next one."""
        self._answered = 0.0
        self._service, self._clip = service, clip

    def run(self, seed: int) -> None:
        chance = random.Random(seed)
        headers = {"X-Tenant-Id": "t_kills", "X-Env": "dev"}
        with httpx.Client(base_url=self._service.url, headers=headers, timeout=TIMEOUT_S) as http:
            while not self.stop.is_set():
                path, body = self._request(chance)
                began = time.monotonic()
                kind = self._send(http, path, body, began)
                self.answers[kind] += 1
                self.longest_s = max(self.longest_s, time.monotonic() - began)

    def _send(self, http: httpx.Client, path: str, body: JSON, began: float) -> str:
        try:
            answer = http.post(path, json=body)
        except httpx.TimeoutException:
            self.strange.append(f"{path} hung for {TIMEOUT_S:.0f} s")
            return "hung"
        except httpx.HTTPError as error:
            self._blame(path, began, repr(error))
            return "closed connection"
        if answer.status_code == 200:
            self._back(began)
            return "good"
        if "application/json" not in answer.headers.get("content-type", ""):
            self._blame(path, began, f"{answer.status_code} {answer.text[:80]}")
            time.sleep(0.2)  # a proxy without a Gateway answers at once
            return f"proxy's own {answer.status_code}"
        code = answer.json()["error"]["code"]
        if code == "internal":
            self.strange.append(f"{path}: {answer.text[:300]}")
        return f"envelope {code}"

    def _request(self, chance: random.Random) -> tuple[str, JSON]:
        if chance.random() < 0.8:
            return "/image/render", picture(chance.randrange(1 << 24), chance.choice((64, 800)))
        if chance.random() < 0.7:
            interval = chance.randrange(500, 1500)
            return "/video/regions", {
                "asset_id": self._clip,
                "mode": "sampled",
                "frame_sample_interval_ms": interval,
            }
        return "/video/captions/generate", {"asset_id": self._clip, "language": chance.choice(("en", "de", "fr"))}

    def _back(self, began: float) -> None:
        """A request that began after the Gateway died was answered."""
        over = [died for died in self.gateway_died if died < began]
        if over and over[-1] > self._answered:
            self.outages.append(time.monotonic() - over[-1])
        self._answered = max(self._answered, began)

    def _blame(self, path: str, began: float, what: str) -> None:
        """Only a death of the Gateway may break a connection, or let the proxy answer."""
        if not any(died > began - self.allowed_s for died in self.gateway_died):
            self.strange.append(f"{path}: {what}")

    allowed_s = BACK_S


@pytest.mark.parametrize("kills", [10, 100])
def test_random_kills_under_load_leave_a_whole_store(
    service: Service, clip: str, kills: int, record_property: Callable[[str, object], None]
) -> None:
    load, chance = Load(service, clip), random.Random(kills)
    load.allowed_s = patience(2 * BACK_S)
    threads = [threading.Thread(target=load.run, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    done, began = Counter[str](), time.monotonic()
    while done.total() < kills:
        time.sleep(chance.uniform(0.2, 2 * PAUSE_S))
        (name,) = chance.choices(REPLICAS, WEIGHTS)
        if name == "Gateway":
            load.gateway_died.append(time.monotonic())  # before it happens, or a fast client could notice first
        if kill(service, name):
            done[name] += 1
        elif name == "Gateway":
            load.gateway_died.pop()
    load.stop.set()
    for thread in threads:
        thread.join(TIMEOUT_S + 10)
    fsck = subprocess.run(
        [sys.executable, "-m", "deployments", "doctor", "--fsck"],
        cwd=ROOT,
        env=service.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    said = f"{kills} kills in {time.monotonic() - began:.0f} s {dict(done)}; answers {dict(load.answers)}; "
    said += f"the longest took {load.longest_s:.1f} s; good again after the Gateway died: "
    said += ", ".join(f"{seconds:.1f}" for seconds in load.outages)
    print(said, fsck.stdout, sep="\n")
    record_property("kills", said)  # `--junitxml` shows it
    assert not any(thread.is_alive() for thread in threads)
    assert fsck.returncode == 0, fsck.stdout + fsck.stderr
    assert broken_records(store(service)) == []
    assert load.strange == []
    # work was done between the kills, though they come faster than a busy machine brings replicas back
    assert load.answers["good"] >= kills // 10, load.answers
    with httpx.Client(base_url=service.url, headers={"X-Tenant-Id": "t_kills", "X-Env": "dev"}, timeout=60) as http:
        allowed = patience(2 * BACK_S)
        eventually(lambda: http.post("/image/render", json=picture(7)).status_code == 200, allowed, "the next answer")


def broken_records(root: Path) -> list[str]:
    """The records whose bytes are absent, of another size or hash, or whose inputs are absent."""
    broken, records = [], sorted(root.glob("tenants/*/*/records/*.json"))
    for path in records:
        record = json.loads(path.read_bytes())
        content = root / record["uri"].removeprefix("store://")
        data = content.read_bytes() if content.is_file() else b""
        if (len(data), hashlib.sha256(data).hexdigest()) != (record["size_bytes"], record["sha256"]):
            broken.append(f"{record['id']}: its bytes")
        for item in record["inputs"]:
            folder = "assets" if item["id"].startswith("asset_") else "records"
            if not (path.parents[1] / folder / f"{item['id']}.json").is_file():
                broken.append(f"{record['id']}: its input {item['id']}")
    assert records
    return broken
