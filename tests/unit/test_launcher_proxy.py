"""Which proxy the launcher asks Serve for."""

from __future__ import annotations

from pathlib import Path

import pytest

from configs.settings import load
from deployments.launcher import proxy_environment


def test_serves_own_proxy_needs_no_variable(tmp_path: Path) -> None:
    assert proxy_environment("default", tmp_path, 2) == {}


def test_haproxy_is_switched_on_and_keeps_its_files_to_this_application(tmp_path: Path) -> None:
    variables = proxy_environment("haproxy", tmp_path, 3)
    assert variables["RAY_SERVE_ENABLE_HA_PROXY"] == "1"
    assert variables["RAY_SERVE_HAPROXY_NBTHREAD"] == "3"
    files = [value for name, value in variables.items() if not name.endswith(("PROXY", "NBTHREAD"))]
    assert len(files) == 4
    assert all(Path(file).is_relative_to(tmp_path) for file in files)


def test_another_proxy_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY_KIND", "nginx")
    with pytest.raises(ValueError, match="http_proxy_kind"):
        load()
