"""Log lines: the fields that find a request, and nothing that a log must not hold."""

from __future__ import annotations

import json
import logging
import os
import select
from pathlib import Path

import httpx
import pytest

from artifacts import Registry, Store
from configs.settings import Settings
from deployments.gateway.http import build_http
from deployments.logs import configure
from deployments.replicas.local import local_runner

SCOPE = {"X-Tenant-Id": "t_acme", "X-Env": "dev", "X-Request-Id": "r-1"}


@pytest.fixture
def restored() -> object:
    logger = logging.getLogger("deployments")
    before = (logger.handlers, logger.level, logger.propagate)
    yield logger
    logger.handlers, logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


async def lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, **given: str
) -> list[str]:
    """What one good request and one that fails within write."""
    settings = Settings(mattebox_home=tmp_path, **given)  # type: ignore[arg-type]
    configure(settings)
    registry = Registry(Store("memory://"))
    app = build_http(local_runner(settings, registry), registry, settings)

    def broken(*_: object) -> None:
        raise OSError(f"cannot read {tmp_path}/secret")

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", headers=SCOPE) as http:
        await http.get("/media-v2/artifacts/mask_aaaaaaaa")
        monkeypatch.setattr(Registry, "artifact", broken)
        answer = await http.get("/media-v2/artifacts/mask_aaaaaaaa")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert str(tmp_path) not in answer.text
    return capsys.readouterr().err.splitlines()


@pytest.mark.usefixtures("restored")
async def test_lines_are_json_with_request_tenant_and_operation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, fault, last = [json.loads(line) for line in await lines(tmp_path, capsys, monkeypatch)]
    said = {key: first[key] for key in ("request_id", "tenant", "operation", "status", "level")}
    operation = "GET /media-v2/artifacts/{id}"
    assert said == {
        "request_id": "r-1",
        "tenant": "t_acme",
        "operation": operation,
        "status": 404,
        "level": "INFO",
    }
    assert (fault["level"], fault["fault"], fault["request_id"]) == ("ERROR", "OSError", "r-1")
    assert "test_logs.py" in fault["where"]
    assert last["status"] == 500


@pytest.mark.usefixtures("restored")
def test_a_line_about_a_job_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(mattebox_home=tmp_path))
    about = {"job": "job_aaaaaaaa", "why": "ConnectTimeout", "url": "https://told.to.nobody/?secret"}
    logging.getLogger("deployments.jobs").info("a webhook was not delivered", extra={"about": about})
    line = json.loads(capsys.readouterr().err)
    assert (line["job"], line["why"]) == ("job_aaaaaaaa", "ConnectTimeout")
    assert "url" not in line


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("form", ["json", "text"])
async def test_no_path_reaches_a_line_at_info_and_a_trace_does_at_debug(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    quiet = "\n".join(await lines(tmp_path, capsys, monkeypatch, log_format=form))
    assert "r-1" in quiet
    assert str(tmp_path) not in quiet
    assert "Traceback" not in quiet
    monkeypatch.undo()
    loud = "\n".join(await lines(tmp_path, capsys, monkeypatch, log_format=form, log_level="DEBUG"))
    assert str(tmp_path) in loud


@pytest.mark.usefixtures("restored")
def test_lines_go_to_a_file_that_others_write_to(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_text("another's\n")
    configure(Settings(mattebox_home=tmp_path, log_file=str(file)))
    logging.getLogger("deployments.jobs").info("told")
    before, line = file.read_text().splitlines()
    assert (before, json.loads(line)["message"]) == ("another's", "told")


@pytest.mark.usefixtures("restored")
def test_a_pipe_takes_whole_lines_and_stderr_what_it_does_not_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    configure(Settings(mattebox_home=tmp_path, log_file=str(tmp_path / "pipe")))
    log = logging.getLogger("deployments.jobs")
    log.info("")
    empty = len(os.read(reader, 1 << 16))
    log.info("x" * (select.PIPE_BUF - empty))
    assert len(os.read(reader, 1 << 16)) == select.PIPE_BUF
    assert capsys.readouterr().err == ""
    log.info("x" * (select.PIPE_BUF - empty + 1))
    assert len(capsys.readouterr().err) == select.PIPE_BUF + 1
    os.close(reader)
    log.info("nobody reads")
    assert json.loads(capsys.readouterr().err)["message"] == "nobody reads"


@pytest.mark.usefixtures("restored")
def test_a_file_that_cannot_be_opened_is_told_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(mattebox_home=tmp_path, log_file=str(tmp_path / "none" / "lines")))
    said = json.loads(capsys.readouterr().err)
    assert (said["level"], "LOG_FILE" in said["message"]) == ("WARNING", True)
    assert str(tmp_path) not in said["message"]
