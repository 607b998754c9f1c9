"""Last of the serve tests: it ends the application that the others used."""

from __future__ import annotations

import signal

import pytest

from tests.serve.conftest import Service

pytestmark = pytest.mark.serve


def test_sigterm_ends_it_cleanly(service: Service) -> None:
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(45) == 0
    assert not (service.home / "serve.json").exists()
