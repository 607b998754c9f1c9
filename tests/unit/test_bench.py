"""What `make bench` prints and writes: goals, peers, and the page's tables."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch

from docs import generate
from tests.bench import __main__ as bench
from tests.bench.measure import Row

ROWS = [
    Row("ours", 2.0, against={"theirs": 30.0}, at_most=2.5),
    Row("ours over theirs", 0.07, "×", at_most=0.05),
    Row("answered", 1234.5, "requests/s", at_least=1000),
]
PAGE = "# Page\n\n<!-- bench one -->\nold\n<!-- end -->\n\nbetween\n\n<!-- bench two -->\nkept\n<!-- end -->\n"


def test_a_goal_is_met_or_missed_on_either_side() -> None:
    assert [row.met for row in ROWS] == [True, False, True]
    assert [row.goal for row in ROWS] == ["≤ 2.5: met", "≤ 0.05: missed", "≥ 1000: met"]
    assert Row("free", 1.0).goal == ""
    assert Row("free", 1.0).met is None
    assert not Row("few", 999.0, at_least=1000).met
    assert ROWS[0].peers == "theirs 30 (15.00)"


def test_each_topic_can_be_run_and_each_table_of_the_page_has_its_topic() -> None:
    topics = bench.topics([])
    assert {"stacks", "blurs", "encode", "http", "renders", "compiling"} <= set(topics)
    for topic in topics:
        assert callable(import_module(f"tests.bench.{topic}").run)
    pages = (bench.DOCS / "performance").glob("*.md")
    tables = [found[2] for page in pages for found in bench.BLOCK.finditer(page.read_text())]
    assert sorted(tables) == sorted(topics)
    with pytest.raises(SystemExit, match="no topic nothing"):
        bench.topics(["nothing"])


def test_results_go_into_the_page_and_leave_those_of_other_topics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "docs" / "performance" / "page.md"
    page.parent.mkdir(parents=True)
    page.write_text(PAGE)
    (tmp_path / "bench.json").write_text(json.dumps({"topics": {}}))
    monkeypatch.setenv("MATTEBOX_HOME", str(tmp_path))
    monkeypatch.setattr(bench, "DOCS", tmp_path / "docs")
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(bench, "topics", lambda named: named or ["one", "two"])
    monkeypatch.setattr(
        bench, "import_module", lambda name: type("Topic", (), {"run": staticmethod(lambda home: ROWS)})
    )
    bench.main(["one", "--docs"])
    text = page.read_text()
    assert "| ours | 2 ms | ≤ 2.5: met | theirs 30 (15.00) |\n" in text
    assert "| answered | 1,234 requests/s | ≥ 1000: met |  |\n" in text
    assert "old" not in text
    assert "between" in text
    assert "\nkept\n" in text
    bench.main(["two"])
    assert set(json.loads((tmp_path / "bench.json").read_text())["topics"]) == {"one", "two"}
    assert "\nkept\n" in page.read_text()
    bench.main(["--show", "--docs"])
    assert page.read_text().count("| ours | 2 ms |") == 2
    summary = (tmp_path / "docs" / "performance.md").read_text()
    assert "| [Page](performance/page.md) | `one` |" in summary
    assert summary.count("| 2 of 3 | ours over theirs 0.07 × (≤ 0.05) |") == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_topic_that_cannot_be_run_here_says_so_and_leaves_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = json.dumps({"topics": {"cuda": {"rows": []}}})
    (tmp_path / "bench.json").write_text(before)
    monkeypatch.setenv("MATTEBOX_HOME", str(tmp_path))
    bench.main(["cuda"])
    assert capsys.readouterr().out == "cuda: not run: no CUDA device\n"
    assert (tmp_path / "bench.json").read_text() == before


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton comes with the extra `cuda`")
def test_every_step_of_the_bench_of_cuda_can_be_rehearsed_without_a_device() -> None:
    command = [sys.executable, "-W", "ignore", "-m", "tests.bench.cuda"]
    done = subprocess.run(command, cwd=bench.DOCS.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    for step in ("pixels off", "a copy moves", "seven modes", "one launch", "uploaded, drawn", "blur", "JPEG"):
        assert step in done.stdout
