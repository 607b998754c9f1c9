"""Every code of docs/errors.md is provoked by some test, and the codes that need no real media are provoked here."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from ray.exceptions import RayActorError

from deployments.dispatch import ServeDispatch
from deployments.errors import CODES, AppError, WorkerLost
from docs.generate import errors, settings, stale
from tests.unit.documented import ACME, Documented

TESTS = Path(__file__).resolve().parents[1]
BASES = {"conflict"}
"""Codes that only their children raise so far."""


def provocations(code: str, kind: type[AppError]) -> list[str]:
    """Functions of test files that expect this code: by the answer's code, or by `pytest.raises` of its class."""
    expects = re.compile(rf"\"{code}\"|raises\({kind.__name__}\b")
    found = []
    for path in sorted(TESTS.rglob("test_*.py")):
        if path.name in ("test_errors.py",):
            continue
        text = path.read_text()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = min([node.lineno, *(mark.lineno for mark in node.decorator_list)])
                if expects.search("\n".join(text.splitlines()[first - 1 : node.end_lineno])):
                    found.append(f"{path.relative_to(TESTS)}::{node.name}")
    return found


@pytest.mark.parametrize("code", sorted(set(CODES) - BASES))
def test_each_code_is_provoked_by_a_test(code: str) -> None:
    assert provocations(code, CODES[code]), f"no test expects {code}"


def test_the_pages_list_every_row() -> None:
    listed = set(re.findall(r"^\| \d+ \| `(\w+)`", errors(), re.MULTILINE))
    assert listed == set(CODES)
    assert "`MAX_REQUESTS_PER_TENANT` | `64` | ≥ 1 |" in settings()
    assert str(Path.home()) not in settings().replace("~", "")


def test_a_stale_page_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert stale() == []
    monkeypatch.setattr("docs.generate.PAGES", {"docs/errors.md": lambda: "other", "docs/none.md": errors})
    assert stale() == ["docs/errors.md", "docs/none.md"]


class Lost:
    """A handle whose replica dies `deaths` times."""

    def __init__(self, deaths: int) -> None:
        self.deaths = deaths
        self.execute = self

    async def remote(self, *_: Any) -> str:
        self.deaths -= 1
        if self.deaths >= 0:
            raise RayActorError
        return "done"


async def test_a_worker_that_dies_is_worker_lost() -> None:
    with pytest.raises(WorkerLost):
        await ServeDispatch({"Video": Lost(1)}).call("Video", "execute")


def test_another_version_in_if_match_is_412(documented: Documented) -> None:
    row = next(row for row in documented.rows if row.name == "post /video/sequences/{id}/tracks")
    for etag in ('"999"', "3", "x"):
        answer = documented.run(row, ACME | {"If-Match": etag})
        assert (answer.status_code, answer.json()["error"]["code"]) == (412, "precondition_failed")
