"""POST /video/captions/generate: which sound, which model, which language."""

from __future__ import annotations

import json

from artifacts import Record, Registry
from configs.models import Models, Row, UnknownModel
from configs.settings import Settings
from deployments.engines.video_captions.backends import ASKED_FOR, STUB, backend_of, stubs_allowed
from deployments.engines.video_captions.models import CaptionsRequest
from deployments.errors import BackendUnavailable, InvalidRequest
from deployments.operation import JSON, Context, Input, Operation, Plan, Warning

KIND = "asr_transcript"
AUTO = "auto"
_CODES = (
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml "
    "cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am "
    "yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su"
)
LANGUAGES = frozenset(_CODES.split())
"""Whisper's codes (`yue` came with large-v3)."""


def plan(request: CaptionsRequest, context: Context, registry: Registry, settings: Settings) -> Plan:
    """Raises NotFound, UnknownBackend, BackendUnavailable, and InvalidRequest for a picture, an unknown model or
    language, and what an English-only model cannot do."""
    backend = request.backend or settings.video_captions_backend
    row = backend_of(backend)
    model, warnings = _model(request.model or settings.video_captions_model, settings)
    language = _language(request.language or settings.video_captions_language, model)
    if request.task == "translate" and model.languages:
        raise InvalidRequest(f"{model.name} knows English only and cannot translate; give model `base`", field="task")
    asset = registry.asset(context.scope, request.asset_id)
    if asset.kind not in ("video", "audio"):
        raise InvalidRequest(f"asset_id is an asset of kind {asset.kind}; give a video or a sound", field="asset_id")
    parameters = {"model": model.name, "language": language, "task": request.task}
    if backend == STUB:
        if not stubs_allowed(context.scope.env, settings):
            raise BackendUnavailable(
                f"the stub backend is not served in {context.scope.env} or ALLOW_STUBS is off", field="backend"
            )
        parameters["stub_reason"] = ASKED_FOR
    return Plan(
        operation="video_captions",
        scope=context.scope,
        kind=KIND,
        parameters=parameters,
        backend=backend,
        backend_version=row.version,
        inputs=(Input(asset.id, "media"),),
        parent_asset_id=asset.id,
        weights_id=None if backend == STUB else Models(settings).weights_id(row.rows(model.name)[0]),
        warnings=warnings,
    )


def _model(name: str, settings: Settings) -> tuple[Row, tuple[Warning, ...]]:
    try:
        row = Models(settings).named("speech", name)
    except UnknownModel as error:
        raise InvalidRequest(f"{error}", field="model") from None
    if name in (row.name, row.name.removeprefix("whisper-")):
        return row, ()
    said = f"the weights of {name} cannot be had from any source; {row.name} is used, which knows English only"
    return row, (Warning(said, field="model", given=name, used=row.name),)


def _language(name: str, model: Row) -> str:
    """Whisper's code, or `auto` for a multilingual model; regions (en-US) are left off."""
    code = name.strip().lower().replace("_", "-").split("-")[0]
    if code != AUTO and code not in LANGUAGES:
        raise InvalidRequest(
            f"unknown language {name!r}; write `auto` or one of {' '.join(sorted(LANGUAGES))}", field="language"
        )
    if not model.languages:
        return code
    if code == AUTO:
        return model.languages[0]
    if code not in model.languages:
        raise InvalidRequest(
            f"{model.name} knows {', '.join(model.languages)} only, not {code}; give model `base`", field="language"
        )
    return code


def answer(plan: Plan, record: Record, registry: Registry) -> JSON:
    """`artifact_id`, the `language` of the text, the `cues`, and the record's `meta`."""
    transcript = json.loads(registry.read(plan.scope, record))
    return {
        "artifact_id": record.id,
        "language": transcript["language"],
        "cues": transcript["cues"],
        "meta": record.meta,
    }


OPERATION = Operation(
    name="video_captions",
    request=CaptionsRequest,
    plan=plan,
    work="deployments.engines.video_captions.work:write_captions",
    deployment="Speech",
    answer=answer,
    path="/video/captions/generate",
    long=True,
    example={"asset_id": "asset_aaaaaaaa", "language": "en", "model": "base"},
    settle="deployments.engines.video_captions.backends:settle",
)

__all__ = ["KIND", "LANGUAGES", "OPERATION", "answer", "plan"]
