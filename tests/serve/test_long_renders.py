"""Renders of minutes on the real application: their memory is that of seconds, and a cancelled one leaves nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.jobs import FLAT, LONG_JOB, LONG_S, Tenant, cancelled, hidden, left, of_length, peak_mib
from tests.serve.conftest import Service
from tests.serve.test_kills import CLIPS, eventually, store

pytestmark = [pytest.mark.serve, pytest.mark.slow]


@pytest.fixture
def tenant(service: Service) -> Iterator[Tenant]:
    made = Tenant(service, f"long{time.monotonic_ns()}")
    eventually(lambda: made.http.get("/readyz").status_code == 200, 240, "readiness")
    yield made
    made.http.close()


def test_five_minutes_take_the_memory_of_the_clip(
    service: Service, tenant: Tenant, shared_data: Path, tmp_path: Path
) -> None:
    """Faces found, hidden, rendered and proved."""
    clip = shared_data / "media" / "face_clip.mp4"
    long = of_length(clip, tmp_path / "long.mp4", LONG_S)
    peak_mib(service, "Video")
    hidden(tenant, clip)
    short = peak_mib(service, "Video")
    hidden(tenant, long)
    peak = peak_mib(service, "Video")
    print(f"Video: {short:.0f} MiB, five minutes {peak:.0f} MiB")
    assert peak <= FLAT * short


def test_a_cancelled_render_frees_its_worker_and_leaves_no_half_of_anything(
    service: Service, tenant: Tenant, tmp_path: Path
) -> None:
    """What it had finished is whole, and found by the render that is asked for next."""
    long = of_length(CLIPS / "face_clip.mp4", tmp_path / "long.mp4", 60)
    sequence = tenant.post("/video/anonymise/faces", {"asset_id": tenant.upload(long)})["sequence_id"]
    wanted = {"sequence_id": sequence} | LONG_JOB
    before = left(service, tenant)
    id = tenant.begin("/video/render", wanted)
    tenant.under_way(id, 0.2)
    ended = cancelled(service, tenant, id)
    print(ended)
    assert ended.state < 1
    assert ended.work < 3  # some frames' time, on a machine that others use too
    eventually(lambda: left(service, tenant) == before, 5, "an empty scratch folder")
    own = store(service) / "tenants" / tenant.http.headers["X-Tenant-Id"] / "dev"
    assert not list(own.rglob("render/*"))
    kept = len(list((own / "records").glob("segment_*.json")))
    assert 0 < kept < 15
    assert tenant.job(id)["state"] == "cancelled"
    made = tenant.post("/video/render", wanted)
    record = tenant.http.get(f"/media-v2/artifacts/{made['artifact_id']}").json()
    assert (record["meta"]["segments"], record["meta"]["segments_found"]) == (15, kept)
