"""One real application for all serve tests: `python -m deployments serve` on a free port."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.conftest import SHARED

ROOT = Path(__file__).resolve().parents[2]
START_S = 240


@dataclass
class Service:
    """A running application."""

    url: str
    ray_address: str
    home: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes]

    def client(self, tenant: str = "t_acme") -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"X-Tenant-Id": tenant, "X-Env": "dev"}, timeout=600)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Started once; its models and compiled kernels are those of MATTEBOX_HOME, its store is its own."""
    store = tmp_path_factory.mktemp("store")
    home = Path(os.environ.get("MATTEBOX_HOME", ROOT / "var")).absolute()
    with serving(home, store.as_uri(), store / "serve.log") as started:
        yield started


@contextmanager
def serving(home: Path, store_url: str, log: Path, config: Path | None = None) -> Iterator[Service]:
    """An application over a store, ended with SIGTERM; `config` instead of serve_config.yaml."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "MATTEBOX_HOME": str(home),
        "MODELS_PATH": str(SHARED / "data" / "models"),
        "ARTIFACT_STORE_URL": store_url,
        "HTTP_PORT": str(port),
        "RAY_AUTH_MODE": "token",
    }
    other = ["--config", str(config)] if config else []
    subprocess.run([sys.executable, "-m", "deployments", "models"], cwd=ROOT, env=environment, check=True)
    (home / "serve.json").unlink(missing_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "deployments", "serve", *other],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
        )
    until = time.monotonic() + START_S
    while not (home / "serve.json").exists():
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            pytest.fail("the application did not start:\n" + "\n".join(log.read_text().splitlines()[-30:]))
        time.sleep(0.2)
    state = json.loads((home / "serve.json").read_text())
    service = Service(state["http"], state["ray_address"], home, environment, process)
    try:
        yield service
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
