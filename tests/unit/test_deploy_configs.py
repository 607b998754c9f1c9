"""The Serve configs against Ray Serve's own schema, and against what this application has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

from configs.settings import Settings, load
from deployments.app import build
from deployments.engines.video_regions.models import DETECTORS
from deployments.launcher import read_args, read_deployments

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = [ROOT / "serve_config.yaml", ROOT / "configs" / "serve" / "gpu.yaml"]
MANIFEST = ROOT / "configs" / "kuberay" / "rayservice.yaml"
NAMES = {"Gateway", "Jobs", "Imaging", "Faces", "Speech", "Video"}


def graph(application: Any) -> dict[str, Any]:
    """Every deployment of a bound application, by name."""
    found: dict[str, Any] = {}

    def visit(node: Any) -> None:
        deployment = node._bound_deployment
        found[deployment.name] = deployment
        for value in (*deployment.init_args, *deployment.init_kwargs.values()):
            for child in value.values() if isinstance(value, dict) else [value]:
                if hasattr(child, "_bound_deployment"):
                    visit(child)

    visit(application)
    return found


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_serve_takes_the_config(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    schema = ServeDeploySchema.model_validate(yaml.safe_load(path.read_text()))
    (application,) = schema.applications
    assert application.import_path == "deployments.app:build"
    load(application.args)
    assert {row.name for row in application.deployments} <= NAMES


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_launcher_gives_deployments_what_the_config_says(path: Path) -> None:
    rows = read_deployments(path)
    deployments = graph(build(read_args(path), rows))
    assert set(deployments) == NAMES
    for row in rows:
        made = deployments[row["name"]]
        assert made.max_ongoing_requests == row["max_ongoing_requests"]
        assert made.max_queued_requests == row["max_queued_requests"]
        for resource, amount in row["ray_actor_options"].items():
            assert made.ray_actor_options[resource] == amount
        autoscaling = made._deployment_config.autoscaling_config
        assert autoscaling.max_replicas == row["autoscaling_config"]["max_replicas"]


def test_two_cores_hold_the_default() -> None:
    deployments = graph(build(read_args(CONFIGS[0]), read_deployments(CONFIGS[0])))
    cpus = [deployment.ray_actor_options["num_cpus"] for deployment in deployments.values()]
    assert all(amount <= 0.3 for amount in cpus)
    assert sum(cpus) <= 2


def test_options_of_an_unknown_deployment_are_refused() -> None:
    with pytest.raises(ValueError, match="Imagine"):
        build({}, [{"name": "Imagine", "num_replicas": 2}])


def test_the_manifest_deploys_the_gpu_form() -> None:
    manifest = yaml.safe_load(MANIFEST.read_text())
    assert (manifest["apiVersion"], manifest["kind"]) == ("ray.io/v1", "RayService")
    deployed = yaml.safe_load(manifest["spec"]["serveConfigV2"])
    assert deployed == yaml.safe_load(CONFIGS[1].read_text())
    (application,) = ServeDeploySchema.model_validate(deployed).applications
    cluster = manifest["spec"]["rayClusterConfig"]
    (workers,) = cluster["workerGroupSpecs"]
    (container,) = workers["template"]["spec"]["containers"]
    room = {key: float(container["resources"]["limits"][name]) for key, name in GPU_NODE.items()}
    for row in application.deployments:
        wanted = row.ray_actor_options.model_dump()
        assert all(float(wanted[key] or 0) <= room[key] for key in room), row.name


def test_who_asks_for_a_gpu_has_something_that_runs_on_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    settings, rows = load(read_args(CONFIGS[1])), read_deployments(CONFIGS[1])
    assert {row["name"] for row in rows if row["ray_actor_options"].get("num_gpus")} == {"Imaging", "Faces", "Speech"}
    assert DETECTORS[settings.video_region_backend].on_device
    assert "cpu" not in (settings.device, settings.video_captions_device)


GPU_NODE = {"num_cpus": "cpu", "num_gpus": "nvidia.com/gpu"}


def test_the_manifest_names_the_ray_that_is_pinned() -> None:
    pinned = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("ray=="))
    manifest = yaml.safe_load(MANIFEST.read_text())
    assert manifest["spec"]["rayClusterConfig"]["rayVersion"] == pinned.removeprefix("ray==")
