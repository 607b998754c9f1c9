"""The Ray Serve application: `serve run serve_config.yaml`, or `make serve`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ray import serve
from ray.serve import Application

from configs.settings import load
from deployments.replicas.serve import Faces, Gateway, JobsFace, Worker

REQUESTS = 64
"""Calls that a replica takes at a time; the slots of its host bound the work itself."""

QUIET = {"enable_access_log": False, "log_level": "WARNING"}
"""Serve's own line for each call costs more than a found artifact, and at INFO it is made even where it is filtered
out; the Gateway writes one for each request itself."""


def build(args: dict[str, Any], deployments: Sequence[Mapping[str, Any]] = ()) -> Application:
    """The graph: Gateway, Jobs -> Imaging, Speech, Video -> Faces. `args` are settings; the environment wins over them.

    `deployments` are rows of a Serve config's list of that name, for a caller that is not Serve itself: each option
    there wins over the one here.
    """
    settings = load(args)
    chosen = {row["name"]: {key: value for key, value in row.items() if key != "name"} for row in deployments}

    def deploy(kind: type, name: str, cpus: float, requests: int = REQUESTS) -> serve.Deployment:
        options: dict[str, Any] = {
            "num_replicas": 1,
            "max_ongoing_requests": requests,
            "max_queued_requests": 4 * requests,
            "health_check_timeout_s": 30,
            "graceful_shutdown_timeout_s": 20,
            "ray_actor_options": {"num_cpus": cpus},
            "logging_config": QUIET,
        }
        given = chosen.pop(name, {})
        if given.get("autoscaling_config"):
            del options["num_replicas"]
        return serve.deployment(name=name, **options | given)(kind)

    faces = deploy(Faces, "Faces", 0.3).bind(settings)
    pictures = max(2, settings.threads)  # where there is a GPU, those of one size that meet are drawn in one launch
    engines = "deployments.engines"
    imaging = deploy(Worker, "Imaging", 0.3).bind(settings, pictures, warm=f"{engines}.image_core.work:warm")
    speech = deploy(Worker, "Speech", 0.3).bind(settings, 1)
    video = deploy(Worker, "Video", 0.3).bind(settings, 1, faces, warm=f"{engines}.video_render.work:warm")
    handles = {"Imaging": imaging, "Speech": speech, "Video": video}
    jobs = deploy(JobsFace, "Jobs", 0.1).bind(settings, handles)
    gateway = deploy(Gateway, "Gateway", 0.2, 4 * REQUESTS).bind(settings, handles | {"Jobs": jobs})
    if chosen:
        raise ValueError(f"the Serve config sets options of {', '.join(sorted(chosen))}, which are no deployments here")
    return gateway


__all__ = ["QUIET", "build"]
