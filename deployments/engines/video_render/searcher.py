"""Which detector searches a render for faces that remain. Light.

The first of `SEARCHERS` that is here and did not make the clips' summaries: what one detector missed, another may
find. Where there is no other, the one that made them looks again at twice its scale. A full proof asks that one too:
a face that it sees in the file and did not see in the source would be found by whoever runs it on the file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from configs.models import Models, UnknownModel, WeightsMissing
from configs.settings import Settings
from deployments.errors import BackendUnavailable
from deployments.operation import JSON, Plan

SEARCHERS: tuple[tuple[str, str, float | None], ...] = (
    ("centerface", "centerface", 0.5),
    ("opencv_face_detector", "yunet", None),
    ("blazeface_full", "blazeface_full", None),
)
"""(detector, its weights in models.yaml, the scale of its coarse looks; None: it makes none), best first."""


def choice(made_by: Sequence[str], mode: str, here: Callable[[str], bool]) -> JSON | None:
    """detector, model, scale, coarse, independent, and `also`: detector and model of who is asked beside; None where
    none is here. `made_by`: the summaries' models."""
    present = [row for row in SEARCHERS if here(row[1])]
    for detector, model, coarse in present:
        if model not in made_by:
            makers = ({"detector": maker, "model": made} for maker, made, _ in present if made in made_by)
            also = next(makers, None) if mode == "full" else None
            found = {"detector": detector, "model": model, "scale": 1, "coarse": coarse}
            return found | {"independent": True, "also": also}
    for detector, model, _ in present:
        found = {"detector": detector, "model": model, "scale": 2, "coarse": None}
        return found | {"independent": False, "also": None}
    return None


def weights_id(proof: JSON, settings: Settings) -> str:
    """Of all that search, joined by a plus."""
    models = [proof["model"], *([proof["also"]["model"]] if proof["also"] else [])]
    return "+".join(Models(settings).weights_id(model) for model in models)


def listed(settings: Settings) -> Callable[[str], bool]:
    """Whether models.yaml has a model: what a plan goes by, before the replica has looked for its weights."""
    names = {row.name for row in Models(settings).rows()}
    return lambda model: model in names


def settle(plan: Plan, weights: Callable[[str], Path], settings: Settings) -> Plan:
    """The plan with the detector whose weights are really here. Raises BackendUnavailable where there is none."""
    proof = plan.parameters["proof"]
    if proof is None:
        return plan

    def here(model: str) -> bool:
        try:
            weights(model)
        except (UnknownModel, WeightsMissing):
            return False
        return True

    found = choice(proof["made_by"], proof["mode"], here)
    if found is None:
        raise BackendUnavailable(
            "no face detector has its weights here, so the render cannot be searched for faces that remain: fetch them "
            "with `make models`, or ask for proof: off",
            field="proof",
        )
    return replace(
        plan,
        parameters=plan.parameters | {"proof": proof | found},
        weights_id=weights_id(found, settings),
    )


__all__ = ["SEARCHERS", "choice", "listed", "settle", "weights_id"]
