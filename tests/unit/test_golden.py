"""An operation's bytes change only with its backend_version, and follow from the request alone."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys

import pytest

from tests.unit.golden import CASES, FILE, JSON, hashes, make

DRAWN = ("image_render", "image_masks", "typography_render", "vector_scenes", "vector_render")
RECORD = "then `python -m tests.unit.golden` records them"


@pytest.fixture(scope="module")
def made() -> JSON:
    return asyncio.run(make(list(CASES)))


@pytest.mark.parametrize("name", CASES)
def test_bytes_change_only_with_the_backend_version(made: JSON, name: str) -> None:
    recorded: JSON = json.loads(FILE.read_text())[name]
    now = made[name]
    assert now["backend_version"] == recorded["backend_version"], (
        f"{name} has backend_version {now['backend_version']!r} and its hashes are those of "
        f"{recorded['backend_version']!r}: look at what it makes, {RECORD}"
    )
    if hashes(now) == recorded["sha256"]:
        return
    if now["platform"] != recorded["platform"]:
        pytest.skip(f"recorded on {recorded['platform']}, this is {now['platform']}: other bytes say nothing here")
    changed = [case for case, sha256 in hashes(now).items() if recorded["sha256"].get(case) != sha256]
    pytest.fail(
        f"the bytes of {name} changed ({', '.join(changed)}) and its backend_version is still "
        f"{now['backend_version']!r}, so that stored artifacts would answer for the new code: where it was on purpose, "
        f"raise the version in the engine's plan.py, {RECORD}; else find out what changed them"
    )


def test_ids_and_bytes_are_the_same_in_every_process() -> None:
    told = []
    for seed, threads in (("1", "1"), ("4242", "2")):
        environment = os.environ | {"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads, "NUMBA_NUM_THREADS": threads}
        command = [sys.executable, "-m", "tests.unit.golden", *DRAWN]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
        told.append(json.loads(done.stdout.splitlines()[-1]))
    assert told[0] == told[1]
    assert [len(told[0][name]["made"]) for name in DRAWN] == [len(CASES[name]) for name in DRAWN]
