"""A transcript's plan, and what it becomes where weights or libraries are missing."""

from __future__ import annotations

import importlib.util
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import whisper

from artifacts.errors import NotFound
from configs.models import Models
from configs.settings import Settings
from deployments.engines.video_captions.backends import BACKENDS, settle
from deployments.engines.video_captions.plan import LANGUAGES
from deployments.errors import BackendUnavailable, InvalidRequest, UnknownBackend
from tests.unit.speech import (
    ASSET,
    ROOT,
    missing,
    planned,
    run,
    transcript,
)


def test_defaults_are_filled_in_from_the_settings() -> None:
    settings = Settings(video_captions_model="base")
    spelled = planned(settings, language="en", model="base", backend="whisper_openai", task="transcribe")
    assert planned(settings).cache_key == spelled.cache_key
    assert spelled.parameters == {"model": "whisper-base", "language": "en", "task": "transcribe"}
    assert spelled.weights_id == Models(settings).weights_id("whisper-base")
    assert spelled.parent_asset_id == ASSET


def test_each_parameter_makes_another_key() -> None:
    keys = {
        planned(**({"model": "base"} | body)).cache_key
        for body in ({}, {"language": "fr"}, {"task": "translate"}, {"model": "tiny.en"}, {"backend": "stub"})
    }
    assert len(keys) == 5


def test_tiny_is_the_english_one_and_a_warning_says_so() -> None:
    made = planned(model="tiny")
    assert made.parameters["model"] == "whisper-tiny.en"
    assert made.warnings[0].json().items() >= {"field": "model", "given": "tiny", "used": "whisper-tiny.en"}.items()
    assert made.cache_key == planned(model="tiny.en").cache_key
    assert planned(model="tiny", language="auto").parameters["language"] == "en"


@pytest.mark.parametrize("language", ["fr-CA", "FR", "fr_FR", " fr"])
def test_languages_are_normalised(language: str) -> None:
    assert planned(model="base", language=language).parameters["language"] == "fr"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"model": "enormous"}, "model"),
        ({"language": "klingon"}, "language"),
        ({"model": "tiny", "language": "fr"}, "language"),
        ({"model": "tiny", "task": "translate"}, "task"),
    ],
)
def test_what_cannot_be_done_names_its_field(body: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        planned(**body)
    assert caught.value.details["field"] == field


def test_pictures_unknown_backends_and_absent_assets_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="kind image"):
        planned(kind="image")
    with pytest.raises(UnknownBackend, match="whisper_openai, faster_whisper, stub"):
        planned(backend="telepathy")
    with pytest.raises(NotFound):
        planned(asset_id="asset_bbbbbbbb")


def test_constants_follow_the_library() -> None:
    assert set(whisper.tokenizer.LANGUAGES) - {"yue"} == LANGUAGES
    assert BACKENDS["whisper_openai"].version.startswith(whisper.__version__ + "+")


def test_the_light_rooms_reach_no_heavy_library() -> None:
    code = "import sys, deployments.engines.video_captions.plan, deployments.engines.video_captions.routes;"
    code += "print([n for n in ('torch', 'numpy', 'cv2', 'av', 'whisper', 'numba') if n in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).strip() == "[]"


def test_weights_that_cannot_be_had_give_a_stub_that_says_so(tmp_path: Path) -> None:
    made = settle(planned(model="base"), missing, Settings())
    assert (made.backend, made.weights_id) == ("stub", None)
    assert made.cache_key != planned(model="base").cache_key
    output, _ = run(pickle.loads(pickle.dumps(made)), tmp_path / "none", missing, duration_ms=5000)
    assert output.meta["stub"] is True
    assert output.meta["stub_reason"] == "weights_missing"
    assert transcript(output).meta["stub"] is True
    assert "whisper-base" in made.warnings[-1].message
    assert "/srv" not in made.warnings[-1].message
    assert len(transcript(output).cues) == 1


@pytest.mark.parametrize(("env", "settings"), [("prod", {}), ("staging", {}), ("dev", {"allow_stubs": False})], ids=str)
def test_no_stub_answers_where_it_must_not(env: str, settings: dict[str, Any]) -> None:
    with pytest.raises(BackendUnavailable, match=r"weights of whisper-tiny\.en cannot be had here; `make models`"):
        settle(planned(env=env), missing, Settings(**settings))
    with pytest.raises(BackendUnavailable):
        planned(Settings(**settings), env=env, backend="stub")


def test_a_missing_library_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BackendUnavailable, match="pip install openai-whisper"):
        settle(planned(env="prod"), missing, Settings())


@pytest.mark.parametrize("absent", ["whisper-base-ct2", "whisper-base-ct2-vocabulary"])
def test_faster_whisper_needs_each_of_its_files(absent: str, tmp_path: Path) -> None:
    pytest.importorskip("faster_whisper")
    made = planned(model="base", backend="faster_whisper")
    assert made.weights_id == Models(Settings()).weights_id("whisper-base-ct2")
    assert settle(made, lambda name: tmp_path, Settings()) == made
    assert settle(made, lambda name: missing(name) if name == absent else tmp_path, Settings()).backend == "stub"


def test_each_backend_has_its_weights_in_the_table() -> None:
    models = Models(Settings())
    for backend in BACKENDS.values():
        for model in ("whisper-base", "whisper-tiny.en") if backend.open else ():
            assert all(models.weights_id(name) for name in backend.rows(model))


def test_a_backend_that_is_there_is_kept(tmp_path: Path) -> None:
    assert settle(planned(), lambda name: tmp_path, Settings()) == planned()
    assert settle(planned(backend="stub"), missing, Settings()).parameters["stub_reason"] == "asked_for"
