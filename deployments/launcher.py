"""`make serve`: Ray, then signal handlers, then Serve, then the application; all of it ended by SIGTERM.

In this order, because `ray.init` overwrites handlers that were set before it. Ray starts with a temporary folder of its
own, so that an earlier unclean end cannot stop it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import yaml

from configs.settings import load

REFUSED = "RAY_SERVE_THROUGHPUT_OPTIMIZED"
HAPROXY = "RAY_SERVE_ENABLE_HA_PROXY"
UNWATCHED = {"RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "deployments.gateway.leaving:middlewares"}
"""Serve's hook for middlewares around its own handling. A Serve that did not know it would look out for clients that
leave itself, beside us: slower, and right."""
HAPROXY_FILES = {
    "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": "haproxy.cfg",
    "RAY_SERVE_HAPROXY_SOCKET_PATH": "admin.sock",
    "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": "",
    "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": "server-state",
}
"""What HAProxy keeps in one place a machine unless told otherwise, where two applications would meet."""


def read_args(config: Path) -> dict[str, Any]:
    """The `args` of the Serve config's one application."""
    args: dict[str, Any] = _application(config).get("args") or {}
    return args


def read_deployments(config: Path) -> list[dict[str, Any]]:
    """The options that the Serve config gives its one application's deployments."""
    rows: list[dict[str, Any]] = _application(config).get("deployments") or []
    return rows


def _application(config: Path) -> dict[str, Any]:
    (application,) = yaml.safe_load(config.read_text())["applications"]
    found: dict[str, Any] = application
    return found


def proxy_environment(kind: str, folder: Path, threads: int) -> dict[str, str]:
    """The variables that choose the proxy; Serve reads them when it is imported, and every process of Ray inherits
    them. `folder` is where HAProxy's files go."""
    if kind != "haproxy":
        return {}
    files = {name: str(folder / file) for name, file in HAPROXY_FILES.items()}
    return files | {HAPROXY: "1", "RAY_SERVE_HAPROXY_NBTHREAD": str(threads), **UNWATCHED}


SERVING: Mapping[str, str] = {
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
    "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
    "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS": "1000",
    "RAY_worker_niceness": "0",
}
"""What Serve and Ray are told, where the operator tells them nothing else (docs/performance/http.md has the figures).
One event loop a replica: nothing of ours blocks it, and each request crossed between two threads four times. Counters
are handed to Ray once a second and not ten times, in every process. Ray puts all workers behind whatever else runs on
the machine (niceness 15); here only the works' own threads stand back (replicas/threads.py), not the Gateway that
answers."""


TOGETHER_S = 0.05
"""Between two looks into the pipe of log lines: to wake up for each cost a tenth of a found artifact's time."""


def pipe_lines(path: Path) -> None:
    """Make a pipe, and print what comes through it on stderr from now on."""
    os.mkfifo(path, 0o600)
    lines = os.open(path, os.O_RDWR)  # a writer itself, so that it does not end when all others do

    def copy() -> None:
        while data := os.read(lines, 1 << 16):
            sys.stderr.buffer.write(data)
            sys.stderr.flush()
            time.sleep(TOGETHER_S)

    threading.Thread(target=copy, name="log lines", daemon=True).start()


def launch(config: Path) -> int:
    """Serve until SIGTERM or SIGINT; 0 after a clean end."""
    if os.environ.get(REFUSED, "0") not in ("", "0"):
        print(f"{REFUSED} is refused: it gains nothing here and rejects arguments over 4 MiB; use HAProxy instead")
        return 2
    args = read_args(config)
    settings = load(args)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_AUTH_MODE", "token")  # explicit, so that other drivers can be told to do the same
    folder = tempfile.mkdtemp(prefix="mb-")  # short: sockets' paths have a limit of 107 bytes
    proxy = proxy_environment(settings.http_proxy_kind, Path(folder), settings.threads)
    for name, value in {**SERVING, **proxy}.items():
        os.environ.setdefault(name, value)
    if not settings.log_file:
        os.environ["LOG_FILE"] = f"{folder}/log"
        pipe_lines(Path(folder) / "log")
    import ray
    from ray import serve

    from deployments.app import QUIET, build

    state = settings.mattebox_home / "serve.json"
    try:
        ray.init(address="local", _temp_dir=folder, include_dashboard=False, log_to_driver=True)
        ended = threading.Event()

        def end(_signal: int, _frame: FrameType | None) -> None:
            ended.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        http = {"host": settings.http_host, "port": settings.http_port, "request_timeout_s": None}
        serve.start(http_options=http, logging_config=QUIET)
        serve.run(build(args, read_deployments(config)), name="mattebox", route_prefix="/")
        address = ray.get_runtime_context().gcs_address
        settings.mattebox_home.mkdir(parents=True, exist_ok=True)
        state.write_text(json.dumps({"pid": os.getpid(), "ray_address": address, "http": _url(settings)}))
        print(
            f"mattebox answers on {_url(settings)}  (docs: {_url(settings)}/docs, Ray address for drivers: {address})",
            flush=True,
        )
        while not ended.wait(1):
            pass
        print("ending", flush=True)
        serve.shutdown()
    finally:
        state.unlink(missing_ok=True)
        ray.shutdown()
        time.sleep(2 * TOGETHER_S)  # for the last lines in the pipe
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _url(settings: Any) -> str:
    return f"http://{settings.http_host}:{settings.http_port}"


__all__ = ["launch", "read_args", "read_deployments"]
