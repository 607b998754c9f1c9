"""From clip to file with `proof: full`: what two detectors, run apart on every frame of the result, still find."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from artifacts import Registry, Scope, Store
from configs.settings import Settings
from deployments.media.receive import UploadFields, adopt
from deployments.operation import Context
from deployments.replicas.local import local_runner
from tests.bench.faces import residual

CONTEXT = Context(Scope("t_acme", "dev"), "request-1")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["face_clip.mp4", "crowd_real.mp4"])
async def test_a_full_proof_leaves_nothing_that_either_detector_finds_in_any_frame(
    name: str, shared_data: Path, weights: Callable[[str], Path], tmp_path: Path
) -> None:
    folders = {str(weights(model).parent): None for model in ("yunet", "centerface")}
    settings = Settings(mattebox_home=tmp_path, models_path=":".join(folders))
    registry = Registry(Store("memory://"))
    runner = local_runner(settings, registry)
    clip = shared_data / "media" / name
    receiving = registry.receive(CONTEXT.scope, clip.stat().st_size)
    await receiving.write(clip.read_bytes())
    asset = (await adopt(runner, CONTEXT, receiving, UploadFields())).id
    hidden = await runner.run("video_anonymise", {"asset_id": asset}, CONTEXT)
    request = {"sequence_id": hidden["sequence_id"], "proof": "full"}
    made = await runner.run("video_render", request, CONTEXT)
    file = tmp_path / "made.mp4"
    file.write_bytes(registry.read(CONTEXT.scope, registry.artifact(CONTEXT.scope, made["artifact_id"])))
    report = registry.artifact(CONTEXT.scope, made["report_artifact_id"]).meta
    print(name, {key: report[key] for key in ("frames", "faces", "repaired_faces", "artefacts", "passes")})
    assert report["residual_faces"] == 0
    assert report["frames"] == report["fine_frames"]
    left = residual(clip, file, settings)
    assert left == {"centerface": 0, "opencv_face_detector": 0}
