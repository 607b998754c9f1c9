"""The settings: who wins, what is refused at start, and messages that name the variable."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from configs.settings import Settings, explain, load


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def refusal(**given: object) -> str:
    with pytest.raises(ValidationError) as refused:
        Settings(**given)  # type: ignore[arg-type]
    (line,) = explain(refused.value)
    return line


def test_the_environment_wins_over_args_and_args_over_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THREADS", raising=False)
    assert load().threads == 2
    assert load({"threads": 3}).threads == 3
    assert load({"THREADS": 4}).threads == 4
    monkeypatch.setenv("THREADS", "5")
    assert load({"threads": 3}).threads == 5


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"mattebox_home": Path("var")}, "write an absolute one, for example MATTEBOX_HOME=/"),
        ({"api_keys_file": "keys.json"}, "write an absolute one, for example API_KEYS_FILE=/"),
        ({"log_file": "lines"}, "write an absolute one, for example LOG_FILE=/"),
        ({"http_port": 65_536}, "HTTP_PORT=65536"),
        ({"threads": 0}, "THREADS=0"),
        ({"video_render_parallel": 0}, "VIDEO_RENDER_PARALLEL=0"),
        ({"video_render_parallel": 65}, "VIDEO_RENDER_PARALLEL=65"),
        ({"max_requests_per_tenant": 0}, "MAX_REQUESTS_PER_TENANT=0"),
        ({"auth_mode": "none"}, "AUTH_MODE=none"),
        ({"served_envs": "dev,moon"}, "SERVED_ENVS"),
        ({"served_envs": " , "}, "SERVED_ENVS"),
        ({"thread": 2}, "THREAD is no setting"),
        ({"log_format": "xml"}, "LOG_FORMAT=xml"),
    ],
)
def test_a_refusal_names_the_variable(given: dict[str, object], says: str) -> None:
    assert says in refusal(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"http_port": 65_535},
        {"threads": 1},
        {"max_requests_per_tenant": 1},
        {"video_render_parallel": 1},
        {"video_render_parallel": 64},
    ],
)
def test_the_other_side_of_each_limit_is_taken(given: dict[str, int]) -> None:
    assert Settings(**given)  # type: ignore[arg-type]


def test_prod_behind_believed_headers_is_refused_at_start() -> None:
    says = refusal(served_envs="dev,prod")
    assert "TRUSTED_PROXY=1" in says
    assert "AUTH_MODE=keys" in says
    stored = {"artifact_store_url": "s3://bucket/x"}
    assert Settings(served_envs="dev,prod", trusted_proxy=True, **stored).envs == {"dev", "prod"}
    assert Settings(served_envs="prod", auth_mode="keys", **stored).envs == {"prod"}
    assert Settings(served_envs="dev,staging").envs == {"dev", "staging"}


def test_the_keys_file_lies_in_the_home_unless_it_is_named(tmp_path: Path) -> None:
    assert Settings(mattebox_home=tmp_path).keys_file == tmp_path / "api_keys.json"
    named = Settings(mattebox_home=tmp_path, api_keys_file=str(tmp_path / "secret" / "keys"))
    assert named.keys_file == tmp_path / "secret" / "keys"
