"""POST /image/batch-render: one composition through several presets, each a render of its own."""

from __future__ import annotations

from artifacts import Registry
from configs.settings import Settings
from deployments.engines.image_core.models import ImageBatchRenderRequest, ImageRenderRequest
from deployments.engines.image_core.plan import plan_render, rendered
from deployments.errors import UnknownPreset
from deployments.operation import JSON, Context, Need, Operation, Plan


def plan_batch(request: ImageBatchRenderRequest, context: Context, registry: Registry, settings: Settings) -> Plan:
    """Its needs are the renders. Raises what a render raises; an unknown preset is named by its place."""
    composition = request.composition.model_dump(mode="json", exclude_unset=True)
    needs, outputs = [], {}
    for i, preset_id in enumerate(dict.fromkeys(request.preset_ids)):
        one = ImageRenderRequest(composition=request.composition, preset_id=preset_id)
        try:
            plan = plan_render(one, context, registry, settings)
        except UnknownPreset as error:
            raise UnknownPreset(error.message, field=f"preset_ids[{i}]") from None
        needs.append(Need(preset_id, "image_render", {"composition": composition, "preset_id": preset_id}))
        outputs[preset_id] = {
            "composition_hash": plan.parameters["composition_hash"],
            "output": plan.parameters["output"],
            "cache": "hit" if registry.find(plan.scope, plan.kind, plan.cache_key) else "miss",
            "warnings": [item.json() for item in plan.warnings],
        }
    return Plan(
        operation="image_batch_render",
        scope=context.scope,
        kind="image_render",
        parameters=outputs,
        backend=plan.backend,
        backend_version=plan.backend_version,
        needs=tuple(needs),
    )


def act_batch(plan: Plan, registry: Registry, settings: Settings) -> tuple[JSON, bool]:
    """The answer of each render under its preset's id."""
    made = {item.role: registry.artifact(plan.scope, item.id) for item in plan.inputs}
    results = {
        preset_id: rendered(plan.parameters[preset_id], record)
        | {name: plan.parameters[preset_id][name] for name in ("cache", "warnings")}
        for preset_id, record in made.items()
    }
    return {"results": results, "total_count": len(results)}, any(one["cache"] == "miss" for one in results.values())


BATCH = Operation(
    name="image_batch_render",
    request=ImageBatchRenderRequest,
    plan=plan_batch,
    act=act_batch,
    path="/image/batch-render",
    example={
        "composition": {"width": 320, "height": 180, "layers": [{"color": "#336699"}]},
        "preset_ids": ["web_small", "icon_64"],
    },
)

__all__ = ["BATCH", "act_batch", "plan_batch"]
