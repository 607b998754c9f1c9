"""Whatever is sent, the application refuses it, lives on, and needs little memory for that."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import SHARED

MOST_MIB = 300
"""Of growth at the peak, what the client in the same process holds included."""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
def test_bombs_are_refused_and_memory_stays_bounded() -> None:
    hostile = SHARED / "data" / "image" / "svg" / "refuse"
    command = [sys.executable, "-m", "tests.unit.bombs", *([str(hostile)] if hostile.is_dir() else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert len(told["statuses"]) > 30
    assert {name: status for name, status in told["statuses"].items() if not 400 <= status < 500} == {}
    assert told["alive"] == [201, 200]
    assert told["grew_mib"] < MOST_MIB, told["worst"]
