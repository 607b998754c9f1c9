"""The speech backends: one table. Light; the heavy part of each is named, and imported by the replica alone.

To add one: write `open(weights, whisper_name, device, threads) -> Speaker` (see speaker.py) in a module of its own,
list what it imports under `requires` and the weights that it reads under `weights`, and add a row.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from configs.models import WeightsMissing
from configs.settings import Settings
from deployments.errors import BackendUnavailable, UnknownBackend
from deployments.operation import Plan, Warning

STUB = "stub"
ASKED_FOR, NO_DEPENDENCY, NO_WEIGHTS = "asked_for", "dependency_missing", "weights_missing"
"""The values of meta.stub_reason."""
NO_STUBS_IN = frozenset({"staging", "prod"})


@dataclass(frozen=True, slots=True)
class Backend:
    """A row of BACKENDS."""

    version: str
    """Changes with the bytes that the backend writes: its library's release, then our own count."""
    open: str = ""
    """`package.module:function` that loads a model; empty for the stub, which has none."""
    requires: tuple[str, ...] = ()
    """Modules that have to be importable."""
    install: str = ""
    """What to install where one of them is not."""
    weights: tuple[str, ...] = ("{model}",)
    """The rows of models.yaml that it opens, in the order that its `open` takes them; the first holds the tensors."""

    def rows(self, model: str) -> tuple[str, ...]:
        """The names of its weights for a speech model."""
        return tuple(name.format(model=model) for name in self.weights)


BACKENDS: Mapping[str, Backend] = {
    "whisper_openai": Backend(
        version="20250625+1",
        open="deployments.engines.video_captions.whisper_openai:open_model",
        requires=("whisper", "torch"),
        install="pip install openai-whisper==20250625",
    ),
    "faster_whisper": Backend(
        version="1.2.1+1",
        open="deployments.engines.video_captions.whisper_faster:open_model",
        requires=("faster_whisper", "ctranslate2"),
        install="pip install 'mattebox[faster-whisper]'",
        weights=("{model}-ct2", "{model}-ct2-config", "{model}-ct2-tokenizer", "{model}-ct2-vocabulary"),
    ),
    STUB: Backend(version="1"),
}


def backend_of(name: str) -> Backend:
    """The row; UnknownBackend with the list."""
    if name not in BACKENDS:
        raise UnknownBackend(f"unknown backend {name!r}; there are {', '.join(BACKENDS)}", field="backend")
    return BACKENDS[name]


def stubs_allowed(env: str, settings: Settings) -> bool:
    """Whether a stub may answer in this env."""
    return settings.allow_stubs and env not in NO_STUBS_IN


def settle(plan: Plan, weights: Callable[[str], Path], settings: Settings) -> Plan:
    """The plan with the backend that can run here: its own, or the stub where that is allowed.

    Raises BackendUnavailable, naming what to install or which weights are missing.
    """
    backend = BACKENDS[plan.backend]
    if not backend.open:
        return plan
    absent = [name for name in backend.requires if importlib.util.find_spec(name) is None]
    if absent:
        return _stubbed(plan, settings, NO_DEPENDENCY, f"{', '.join(absent)} is not installed; {backend.install}")
    try:
        for name in backend.rows(plan.parameters["model"]):
            weights(name)
    except WeightsMissing as error:
        return _stubbed(plan, settings, NO_WEIGHTS, error.told)
    return plan


def _stubbed(plan: Plan, settings: Settings, reason: str, why: str) -> Plan:
    if not stubs_allowed(plan.scope.env, settings):
        raise BackendUnavailable(f"the speech backend {plan.backend} cannot run here: {why}", field="backend")
    return replace(
        plan,
        backend=STUB,
        backend_version=BACKENDS[STUB].version,
        weights_id=None,
        parameters=plan.parameters | {"stub_reason": reason},
        warnings=(*plan.warnings, Warning(f"a stub answers: {why}", field="backend", given=plan.backend, used=STUB)),
    )


__all__ = ["ASKED_FOR", "BACKENDS", "STUB", "Backend", "backend_of", "settle", "stubs_allowed"]
