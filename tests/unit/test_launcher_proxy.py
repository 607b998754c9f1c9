"""What the launcher asks of Serve, and the pipe that log lines come through."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from configs.settings import load
from deployments.launcher import SERVING, pipe_lines, proxy_environment


def test_serves_own_proxy_needs_no_variable(tmp_path: Path) -> None:
    assert proxy_environment("default", tmp_path, 2) == {}


def test_haproxy_is_switched_on_and_keeps_its_files_to_this_application(tmp_path: Path) -> None:
    variables = proxy_environment("haproxy", tmp_path, 3)
    assert variables["RAY_SERVE_ENABLE_HA_PROXY"] == "1"
    assert variables["RAY_SERVE_HAPROXY_NBTHREAD"] == "3"
    files = [value for name, value in variables.items() if not name.endswith(("PROXY", "NBTHREAD", "IMPORT_PATH"))]
    assert len(files) == 4
    assert all(Path(file).is_relative_to(tmp_path) for file in files)


def test_another_proxy_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY_KIND", "nginx")
    with pytest.raises(ValueError, match="http_proxy_kind"):
        load()


def test_serve_knows_every_variable_that_is_set_for_it() -> None:
    from ray._private.ray_constants import RAY_WORKER_NICENESS
    from ray.serve._private import constants

    for name in SERVING:
        assert name == RAY_WORKER_NICENESS or hasattr(constants, name)


def test_what_is_written_to_the_pipe_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pipe_lines(tmp_path / "log")
    with (tmp_path / "log").open("w") as file:
        file.write("a line\n")
    until, printed = time.monotonic() + 5, ""
    while "a line\n" not in printed and time.monotonic() < until:
        time.sleep(0.01)
        printed += capfd.readouterr().err
    assert printed == "a line\n"
