"""The caller's commands against the application itself: ids in and out, files, jobs, refusals."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from artifacts import Registry, Store
from configs.settings import Settings
from deployments import cli
from deployments.client.table import ROWS
from deployments.client.waiting import finish
from deployments.gateway.http import build_http
from deployments.operations import OPERATIONS
from deployments.replicas.local import local_runner

JSON = dict[str, Any]
Run = Callable[..., tuple[int, str, str]]
COMPOSITION = {"width": 32, "height": 20, "layers": [{"color": "#ff0000", "blend_mode": "normal"}]}
SELECTION = {"type": "rect", "x": 4, "y": 2, "width": 10, "height": 6}


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    settings = Settings(mattebox_home=tmp_path_factory.mktemp("home"), offline=True)
    registry = Registry(Store("memory://"))
    app = build_http(local_runner(settings, registry), registry, settings)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def run(http: httpx.Client, capsys: pytest.CaptureFixture[str]) -> Run:
    """run(words…) -> exit code, standard output, standard error"""

    def call(*words: str | Path) -> tuple[int, str, str]:
        code = cli.main([str(word) for word in words], http)
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(12):
            frame = np.full((64, 96, 3), number * 20, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        out.mux(stream.encode(None))
    return path


def written(path: Path, value: JSON) -> Path:
    path.write_text(json.dumps(value))
    return path


def test_each_command_of_the_contract_is_there_and_names_an_operation_or_its_own_function() -> None:
    promised = {"upload", "compose", "mask", "regions", "captions", "anonymise", "render", "get", "lineage", "jobs"}
    assert promised <= set(ROWS)
    for name, row in ROWS.items():
        assert (row.operation in OPERATIONS) != bool(row.run), name
        fields = OPERATIONS[row.operation].request.model_fields if row.operation else {}
        assert set(row.subjects.values()) <= set(fields), name


@pytest.mark.parametrize("name", list(ROWS))
def test_each_command_tells_its_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    assert ended.value.code == 0
    assert "--json" in capsys.readouterr().out


def test_an_upload_says_the_assets_id(run: Run, tmp_path: Path) -> None:
    Image.new("RGB", (8, 6), "red").save(tmp_path / "red.png")
    code, out, _ = run("upload", tmp_path / "red.png", "--tags", "warm, plain", "--json")
    asset = json.loads(out)
    assert (code, asset["width"], asset["height"], asset["tags"]) == (0, 8, 6, ["plain", "warm"])
    code, out, _ = run("get", asset["id"], "--save", tmp_path / "back.png")
    assert code == 0
    assert f"id: {asset['id']}" in out
    assert (tmp_path / "back.png").read_bytes() == (tmp_path / "red.png").read_bytes()


def test_a_composition_becomes_a_picture(run: Run, tmp_path: Path) -> None:
    file = written(tmp_path / "c.json", COMPOSITION)
    code, out, _ = run("compose", file, "--format", "PNG", "--save", tmp_path / "o.png", "--json")
    assert (code, json.loads(out)["cache"]) == (0, "miss")
    with Image.open(tmp_path / "o.png") as picture:
        assert picture.size == (32, 20)
        assert picture.convert("RGB").getpixel((5, 5)) == (255, 0, 0)
    assert json.loads(run("compose", file, "--format", "PNG", "--json")[1])["cache"] == "hit"


def test_a_mask_and_where_it_came_from(run: Run, tmp_path: Path) -> None:
    file = written(tmp_path / "s.json", SELECTION)
    code, out, _ = run("mask", file, "--width", "20", "--height", "10", "--json")
    made = json.loads(out)
    assert (code, made["width"], made["height"]) == (0, 20, 10)
    layer = {"color": "#00ff00", "mask_artifact_id": made["artifact_id"]}
    masked = written(tmp_path / "m.json", {"width": 20, "height": 10, "layers": [layer]})
    picture = json.loads(run("compose", masked, "--json")[1])
    code, out, _ = run("lineage", picture["artifact_id"], "--direction", "up", "--json")
    assert code == 0
    assert made["artifact_id"] in {node["id"] for node in json.loads(out)["nodes"]}
    assert run("lineage", picture["artifact_id"], "--mermaid")[1].startswith("flowchart")


def test_a_clip_from_a_file_to_a_render(run: Run, clip: Path, tmp_path: Path) -> None:
    code, out, err = run("regions", clip, "--backend", "stub", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["cache"] == "miss"
    code, out, _ = run("captions", clip, "--backend", "stub", "--save", tmp_path / "c.srt")
    assert code == 0
    assert (tmp_path / "c.srt").read_text().startswith("1\n00:00:00,000 --> ")
    code, out, _ = run(
        "anonymise", clip, "--summary-id", found["summary_artifact_id"], "--allow-stub", "--style", "solid", "--json"
    )
    assert code == 0
    sequence = json.loads(out)["sequence_id"]
    assert run("get", sequence)[1].startswith(f"id: {sequence}")
    assert "steps" in json.loads(run("render", sequence, "--proof", "off", "--dry-run", "--json")[1])
    words = ("render", sequence, "--proof", "off", "--save", tmp_path / "o.mp4", "--json")
    code, out, _ = run(*words)
    assert (code, json.loads(out)["cache"]) == (0, "miss")
    with av.open(str(tmp_path / "o.mp4")) as made:
        assert sum(1 for _ in made.decode(video=0)) == 12
    assert json.loads(run(*words)[1])["cache"] == "hit"


def test_jobs_are_listed_and_shown(run: Run, clip: Path) -> None:
    run("regions", clip, "--backend", "stub", "--frame-sample-interval-ms", "250")
    code, out, _ = run("jobs", "--json")
    job = json.loads(out)["jobs"][0]
    assert (code, job["state"]) == (0, "succeeded")
    code, out, _ = run("jobs", job["id"], "--wait", "--json")
    assert (code, json.loads(out)["progress"]) == (0, 1.0)


def test_a_refusal_is_told_and_ends_1(run: Run, tmp_path: Path) -> None:
    wrong = written(tmp_path / "w.json", COMPOSITION | {"width": -3})
    code, out, err = run("compose", wrong)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert "composition.width" in err
    code, out, err = run("compose", wrong, "--json")
    assert (code, json.loads(out)["error"]["code"]) == (1, "invalid_request")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("regions", "no-such-file.mp4"), "no file"),
        (("regions", "mask_aaaaaaaa"), "an id of another kind"),
        (("regions", "asset_aaaaaaaa"), "error: "),
        (("get", "../../etc"), "is no id"),
        (("compose", "no-such-file.json"), "cannot be read"),
        (("upload", "no-such-file.png"), "cannot be read"),
        (("get", "mask_aaaaaaaa", "--tenant", "acme"), "tenant_id must match"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(run: Run, words: tuple[str, ...], said: str) -> None:
    code, out, err = run(*words)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert said in err


def test_an_option_that_is_no_json_is_a_usage_error(run: Run) -> None:
    with pytest.raises(SystemExit) as ended:
        run("render", "sequence_aaaaaaaa", "--burn-in-captions", "{broken")
    assert ended.value.code == 2


def test_a_service_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["jobs", "--url", "http://127.0.0.1:9"]) == 1
    assert "make serve" in capsys.readouterr().err


def test_what_is_no_service_of_ours_is_told_by_its_status(capsys: pytest.CaptureFixture[str]) -> None:
    other = httpx.Client(
        transport=httpx.MockTransport(lambda request: httpx.Response(502, text="bad\n gateway")), base_url="http://x"
    )
    assert cli.main(["jobs"], other) == 1
    assert "502 without an envelope: bad gateway" in capsys.readouterr().err


def test_scope_and_key_are_sent(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[httpx.Headers] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return httpx.Response(200, json={"jobs": []})

    other = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://x")
    assert cli.main(["jobs", "--tenant", "t_acme", "--env", "test", "--key", "s3cret"], other) == 0
    assert [seen[0][name] for name in ("x-tenant-id", "x-env", "authorization")] == ["t_acme", "test", "Bearer s3cret"]
    assert "s3cret" not in "".join(capsys.readouterr())


class Answers:
    """A service whose job changes from look to look."""

    def __init__(self, *jobs: JSON) -> None:
        self.jobs = list(jobs)
        self.left: list[str] = []

    def get(self, path: str) -> JSON:
        job = self.jobs.pop(0)
        if job["state"] == "interrupt":
            raise KeyboardInterrupt
        return job

    def delete(self, path: str) -> JSON:
        self.left.append(path)
        return {}


def job(state: str, **more: Any) -> JSON:
    return {"id": "job_aaaaaaaa", "state": state, "progress": 0.5, "frames_per_s": 20.0, "eta_s": 3.0} | more


def test_a_failed_job_is_a_refusal_with_its_own_error() -> None:
    service: Any = Answers(job("running"), job("failed", error={"code": "undecodable_media", "message": "cut off"}))
    with pytest.raises(Exception, match="cut off") as ended:
        finish(service, job("queued"), "render")
    assert ended.value.error["code"] == "undecodable_media"  # type: ignore[attr-defined]


def test_an_interrupt_leaves_the_job() -> None:
    service: Any = Answers(job("running"), job("interrupt"))
    with pytest.raises(KeyboardInterrupt):
        finish(service, job("queued"), "render")
    assert service.left == ["/jobs/job_aaaaaaaa"]
