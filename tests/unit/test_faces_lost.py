"""A search whose Faces worker dies: repeated, and the input refused where it is to blame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from artifacts import Registry
from deployments import crashes
from deployments.dispatch import lost
from deployments.errors import (
    InputCrashedWorker,
)
from deployments.replicas.detecting import PART, PLAN, Detecting, Suspect, began
from deployments.runner import Runner
from tests.unit.losing import CONTEXT, toys
from tests.unit.test_runner import Letters, plan_letters


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return toys(tmp_path)


class DyingFaces:
    """Faces that dies of as many detections as it is told to, having begun a suspect's or not."""

    def __init__(self, registry: Registry, deaths: int, begins: bool) -> None:
        self.calls: list[str] = []
        self._registry, self._deaths, self._begins = registry, deaths, begins

    async def call(self, deployment: str, method: str, *args: Any) -> Any:
        self.calls.append(method)
        if method == "ready":
            return True
        if self._deaths:
            self._deaths -= 1
            if self._begins and len(args) > 2:
                crashes.note(self._registry, args[2].scope, args[2].cache_key, PART, began=True)
            raise lost("Faces")
        return ["found"]


@pytest.mark.parametrize(("deaths", "begins", "detections"), [(0, True, 1), (1, True, 2), (3, False, 4)])
async def test_detection_goes_on_when_faces_dies(runner: Runner, deaths: int, begins: bool, detections: int) -> None:
    faces = DyingFaces(runner.registry, deaths, begins)
    plan = plan_letters(Letters(), CONTEXT, runner.registry, runner.settings)
    PLAN.set(plan)
    assert await Detecting(runner.registry, faces)("yunet", None) == ["found"]  # type: ignore[arg-type]
    assert faces.calls.count("detect") == detections
    crashes.refuse(runner.registry, plan.scope, plan.cache_key)


async def test_a_batch_that_kills_faces_twice_is_the_inputs_fault(runner: Runner) -> None:
    faces = DyingFaces(runner.registry, 2, begins=True)
    plan = plan_letters(Letters(), CONTEXT, runner.registry, runner.settings)
    PLAN.set(plan)
    with pytest.raises(InputCrashedWorker):
        await Detecting(runner.registry, faces)("yunet", None)  # type: ignore[arg-type]
    with pytest.raises(InputCrashedWorker):
        await runner.run("letters", {}, CONTEXT)
    assert (await runner.run("letters", {"text": "other"}, CONTEXT))["text"] == "other"


def test_a_batch_that_was_searched_leaves_no_suspicion(runner: Runner) -> None:
    plan = plan_letters(Letters(), CONTEXT, runner.registry, runner.settings)
    suspect = Suspect(plan.scope, plan.cache_key)
    with began(runner.registry, suspect), began(runner.registry, None):
        pass
    crashes.convict(runner.registry, plan.scope, plan.cache_key, PART)
    with pytest.raises(ZeroDivisionError), began(runner.registry, suspect):
        raise ZeroDivisionError
    crashes.convict(runner.registry, plan.scope, plan.cache_key, PART)
    died = began(runner.registry, suspect)
    died.__enter__()  # and never comes back
    with pytest.raises(InputCrashedWorker):
        crashes.convict(runner.registry, plan.scope, plan.cache_key, PART)
