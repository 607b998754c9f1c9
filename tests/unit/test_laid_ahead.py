"""Where a put waits for a network, a render's scene is stored while its picture is encoded; what a failed one leaves is
in nobody's way."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from artifacts import Registry, Scope, Store
from configs.settings import Settings
from deployments.engines.image_core import work
from deployments.operation import Context
from deployments.replicas.local import local_runner

CONTEXT = Context(Scope("t_acme", "dev"), "r1")
BODY = {"composition": {"width": 16, "height": 16, "layers": [{"color": "#336699"}]}}
WAITED_S = 10.0


def stored(registry: Registry, kind: str) -> list[str]:
    return [key for key in registry.store.keys(CONTEXT.scope.prefix) if f"/{kind}/" in key]


def remote(tmp_path: Path) -> Registry:
    """On a store that says of itself that its puts wait."""
    store = Store((tmp_path / "store").as_uri())
    store.is_local = False
    return Registry(store)


async def test_a_scene_is_stored_while_its_picture_is_encoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = remote(tmp_path)
    runner = local_runner(Settings(mattebox_home=tmp_path), registry)
    encode, met = work.encode, []

    def slow(*given: Any, **said: Any) -> bytes:
        until = time.monotonic() + WAITED_S
        while not stored(registry, "image_composition") and time.monotonic() < until:
            time.sleep(0.005)
        met.append([len(stored(registry, kind)) for kind in ("image_composition", "image_render", "records")])
        return encode(*given, **said)

    monkeypatch.setattr(work, "encode", slow)
    answer = await runner.run("image_render", BODY, CONTEXT)
    assert met == [[1, 0, 0]]
    record = registry.artifact(CONTEXT.scope, answer["artifact_id"])
    (scene,) = [item["id"] for item in record.inputs if item["role"] == "composition"]
    assert registry.artifact(CONTEXT.scope, scene).main == record.id
    assert registry.children(CONTEXT.scope, scene) == [record.id]


async def test_after_a_failed_encoding_the_same_render_waits_for_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = remote(tmp_path)
    runner = local_runner(Settings(mattebox_home=tmp_path), registry)
    waited: list[str] = []
    monkeypatch.setattr(registry, "_winner", lambda _, made: waited.append(made))

    def broken(*_: object, **__: object) -> bytes:
        raise OSError("no space")

    with monkeypatch.context() as failing:
        failing.setattr(work, "encode", broken)
        with pytest.raises(Exception):
            await runner.run("image_render", BODY, CONTEXT)
    assert stored(registry, "records") == []
    assert (await runner.run("image_render", BODY, CONTEXT))["cache"] == "miss"
    assert waited == []


async def test_on_a_disk_a_scene_waits_for_its_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Laying it would take the encoder's cores, for what one flush of all takes in passing."""
    registry = Registry(Store((tmp_path / "store").as_uri()))
    laid: list[object] = []
    monkeypatch.setattr(registry, "lay_ahead", lambda *given, **said: laid.append(given))
    answer = await local_runner(Settings(mattebox_home=tmp_path), registry).run("image_render", BODY, CONTEXT)
    assert laid == []
    assert (
        len(stored(registry, "image_composition"))
        == len(registry.artifact(CONTEXT.scope, answer["artifact_id"]).inputs)
        == 1
    )
