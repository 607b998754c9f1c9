"""The Ray Serve application: `serve run serve_config.yaml`, or `make serve`."""

from __future__ import annotations

from typing import Any

from ray import serve
from ray.serve import Application

from configs.settings import Settings, load
from deployments.replicas.serve import Faces, Gateway, Worker

REQUESTS = 64
"""Calls that a replica takes at a time; the slots of its host bound the work itself."""


def build(args: dict[str, Any]) -> Application:
    """The graph: Gateway -> Imaging, Speech, Video -> Faces. `args` are settings; the environment wins over them."""
    settings = load(args)

    def deploy(kind: type, name: str, cpus: float, requests: int = REQUESTS) -> serve.Deployment:
        return serve.deployment(
            name=name,
            num_replicas=1,
            max_ongoing_requests=requests,
            max_queued_requests=4 * requests,
            health_check_timeout_s=30,
            graceful_shutdown_timeout_s=20,
            ray_actor_options={"num_cpus": cpus, "runtime_env": {"env_vars": _environment(settings)}},
        )(kind)

    faces = deploy(Faces, "Faces", 0.3).bind(settings)
    imaging = deploy(Worker, "Imaging", 0.3).bind(settings, 2, warm="deployments.engines.image_core.work:warm")
    speech = deploy(Worker, "Speech", 0.3).bind(settings, 1)
    video = deploy(Worker, "Video", 0.3).bind(settings, 1, faces)
    handles = {"Imaging": imaging, "Speech": speech, "Video": video}
    return deploy(Gateway, "Gateway", 0.2, 4 * REQUESTS).bind(settings, handles)


def _environment(settings: Settings) -> dict[str, str]:
    """Threads follow THREADS alone: Ray would set OMP_NUM_THREADS=1 for a replica that asks for less than a CPU."""
    return {
        "OMP_NUM_THREADS": str(settings.threads),
        "NUMBA_NUM_THREADS": str(settings.threads),
        "NUMBA_THREADING_LAYER": "omp",
        "NUMBA_CACHE_DIR": str(settings.mattebox_home / "numba"),
    }
