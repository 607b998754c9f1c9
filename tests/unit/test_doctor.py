"""The doctor: what works, what does not, and what to do about it."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from configs.settings import Settings
from deployments import doctor
from deployments.doctor import Finding, examine, run
from deployments.drawing import nvjpeg


@pytest.fixture(scope="module", autouse=True)
def bare() -> Iterator[None]:
    """The environment would win over what the tests set."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MATTEBOX_HOME", "MODELS_PATH"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="module")
def found(bare: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finding]:
    settings = Settings(mattebox_home=tmp_path_factory.mktemp("home"), video_captions_model="base")
    return {line.what: line for line in examine(settings)}


def test_each_topic_is_looked_at(found: dict[str, Finding]) -> None:
    topics = {what.split()[0] for what in found}
    assert topics == {"store", "GPU", "encoder", "backend", "font"}
    assert found["store"].works
    assert found["encoder libx264"].works
    assert "backend whisper_openai (whisper-base)" in found
    assert not any("stub" in what for what in found)


def test_what_does_not_work_says_what_to_do(found: dict[str, Finding]) -> None:
    failing = [line for line in found.values() if not line.works]
    assert failing
    assert all(line.cure for line in failing)
    assert "make models" in found["backend centerface"].cure


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    settings = Settings(mattebox_home=tmp_path, video_captions_model="base")
    lines = {line.what: line for line in doctor._speech(settings)}
    line = lines["backend faster_whisper (whisper-base)"]
    assert (line.works, line.cure) == (False, "pip install 'mattebox[faster-whisper]'")


def test_weights_that_lie_there_are_seen(tmp_path: Path) -> None:
    (tmp_path / "centerface.onnx").write_bytes(b"x")
    lines = {line.what: line for line in doctor._detectors(Settings(mattebox_home=tmp_path, models_path=str(tmp_path)))}
    assert lines["backend centerface"].works


def test_a_store_that_cannot_be_opened_ends_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(doctor, "examine", doctor._store)
    settings = Settings(mattebox_home=tmp_path, artifact_store_url=(tmp_path / "file" / "store").as_uri())
    assert run(settings, fsck=True, as_json=False) == 1
    assert "-> set ARTIFACT_STORE_URL" in capsys.readouterr().out
    assert run(settings, fsck=False, as_json=True) == 1
    assert json.loads(capsys.readouterr().out)["findings"][0]["cure"]


def test_what_a_gpu_is_used_for_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a card")
    monkeypatch.setattr(nvjpeg, "coder", lambda: None)
    asked = Settings(mattebox_home=tmp_path, jpeg_encoder="nvjpeg")
    found = {line.what: line for line in doctor._gpu(asked)}
    assert found["GPU"].said == "a card"
    assert found["GPU compositor"].works == (importlib.util.find_spec("triton") is not None)
    assert not found["GPU encoder nvjpeg"].works
    assert "nvjpeg" in found["GPU encoder nvjpeg"].cure
    assert "GPU encoder nvjpeg" not in {line.what for line in doctor._gpu(Settings(mattebox_home=tmp_path))}
