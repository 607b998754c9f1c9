"""GET /image/presets and /image/blend-modes: the tables that a composition's author chooses from."""

from __future__ import annotations

from configs.presets import DEFAULT, presets
from deployments.answer import JSON, Answer
from deployments.route import Call, Reply, Route
from kernels.blend import ALIASES, MODES


class Presets(Answer):
    """The rows of presets.yaml."""

    presets: list[JSON]
    default: str


class BlendModes(Answer):
    """The rows of the table of modes, and their other names."""

    blend_modes: list[JSON]
    aliases: dict[str, str]


async def _presets(call: Call) -> Reply:
    rows = [{"id": name, **row.model_dump()} for name, row in presets().items()]
    return Reply({"presets": rows, "default": DEFAULT})


async def _blend_modes(call: Call) -> Reply:
    rows = [
        {"name": row.name, "source": row.source, "separable": row.separable, "for": ["layer", "group"]}
        for row in MODES.values()
    ]
    through = {"name": "pass_through", "source": "the group's layers see the backdrop", "separable": True}
    return Reply({"blend_modes": [*rows, through | {"for": ["group"]}], "aliases": dict(ALIASES)})


ROUTES = (
    Route("GET", "/image/presets", _presets, "Output presets: format, size, fit, quality", answer=Presets),
    Route("GET", "/image/blend-modes", _blend_modes, "Blend modes: name, source, aliases", answer=BlendModes),
)

__all__ = ["ROUTES"]
