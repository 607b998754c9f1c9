"""Calls to replicas: by which way, what of them crosses, and how long a lost one is waited for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata

from deployments import dispatch as loss
from deployments.dispatch import ServeDispatch, back, call_again, lost
from deployments.errors import (
    BackendUnavailable,
    WorkerLost,
    from_wire,
    to_wire,
)
from deployments.runner import Runner
from tests.unit.losing import CONTEXT, toys
from tests.unit.test_runner import Letters, plan_letters


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return toys(tmp_path)


class Away:
    """A deployment that answers from its `returns`-th call on."""

    def __init__(self, returns: int) -> None:
        self.calls, self.returns = 0, returns

    async def call(self, deployment: str, method: str, *args: Any) -> Any:
        self.calls += 1
        if self.calls < self.returns:
            raise lost(deployment)
        return method


async def test_waiting_for_a_replica_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "ASK_S", 0.01)
    await back(Away(3), "Toy", within_s=1)
    with pytest.raises(WorkerLost):
        await back(Away(10**9), "Toy", within_s=0.1)


async def test_a_plain_call_is_repeated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "ASK_S", 0.01)
    away = Away(3)  # the call, one question too early, the answer, the repeat
    assert await call_again(away, "Toy", "detect") == "detect"
    assert away.calls == 4


def test_the_deployment_that_was_lost_crosses_the_wire() -> None:
    error = from_wire(to_wire(lost("Faces"), "r1"))
    assert isinstance(error, WorkerLost)
    assert loss.is_lost(error, "Faces")
    assert not loss.is_lost(error, "Video")


@pytest.mark.parametrize("method", ["settle", "parts", "execute"])
async def test_what_a_replica_refuses_crosses_in_the_envelope(runner: Runner, method: str) -> None:
    from deployments.replicas.serve import Worker

    class Refusing:
        async def refuse(self, *_: Any) -> None:
            raise BackendUnavailable("its weights are missing")

        settle = parts = execute = refuse

    class Silent:
        def failed(self, operation: str) -> None: ...

    worker: Any = object.__new__(Worker)
    worker._host, worker._meters = Refusing(), Silent()
    plan = plan_letters(Letters(), CONTEXT, runner.registry, runner.settings)
    with pytest.raises(RuntimeError) as caught:
        await (worker.execute(plan, "r1") if method == "execute" else getattr(worker, method)(plan))
    ours = from_wire(caught.value)
    assert (type(ours), str(ours)) == (BackendUnavailable, "its weights are missing")


class Handle:
    """A Serve handle, as far as the dispatch asks."""

    def __init__(self, name: str, fails: Exception | None = None) -> None:
        self.name, self.made, self.fails = name, 0, fails

    def options(self, *, _by_reference: bool) -> Handle:
        assert not _by_reference
        self.made += 1
        return Handle(f"{self.name} by gRPC", self.fails)

    def __getattr__(self, method: str) -> Any:
        async def remote(*args: Any) -> tuple[str, str]:
            if self.fails:
                raise self.fails
            return self.name, method

        return SimpleNamespace(remote=remote)


@pytest.mark.parametrize(
    ("deployment", "method", "size", "taken"),
    [
        ("Imaging", "execute", loss.LONGEST_STRAIGHT - 64, "Imaging by gRPC"),
        ("Imaging", "execute", loss.LONGEST_STRAIGHT + 1, "Imaging"),
        ("Imaging", "probe", 1, "Imaging"),
        ("Video", "execute", 1, "Video"),
        ("Faces", "detect", 1, "Faces"),
    ],
)
async def test_short_calls_for_pictures_alone_go_by_grpc(deployment: str, method: str, size: int, taken: str) -> None:
    handles = {name: Handle(name) for name in ("Imaging", "Video", "Faces")}
    serve = ServeDispatch(handles)
    for _ in range(2):
        assert await serve.call(deployment, method, b"x" * size) == (taken, method)
    assert handles["Imaging"].made == (taken == "Imaging by gRPC"), "one handle, with its connections, for all calls"


async def test_an_answer_too_long_for_grpc_is_not_taken_for_a_death() -> None:
    """Else the input would be refused as one that kills its workers."""
    refused = AioRpcError(StatusCode.RESOURCE_EXHAUSTED, Metadata(), Metadata())
    with pytest.raises(AioRpcError):
        await ServeDispatch({"Imaging": Handle("Imaging", refused)}).call("Imaging", "execute")


@pytest.mark.parametrize("code", [StatusCode.UNAVAILABLE, StatusCode.CANCELLED])
async def test_a_call_that_is_cut_off_by_its_replicas_end_has_lost_its_worker(code: StatusCode) -> None:
    cut = AioRpcError(code, Metadata(), Metadata())
    with pytest.raises(WorkerLost) as caught:
        await ServeDispatch({"Imaging": Handle("Imaging", cut)}).call("Imaging", "execute")
    assert loss.is_lost(caught.value, "Imaging")
