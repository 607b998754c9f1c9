"""Every error that a caller can see: the tree, the one table, and the envelope.

AppError
├── InvalidRequest        the request itself is wrong: `field` says where
│   ├── MissingScope      a scope header is absent
│   ├── InvalidScope      a scope header is malformed
│   ├── UnknownBackend    no such backend; the message lists them
│   ├── UnknownPreset     no such preset or profile; the message lists them
│   └── InvalidMeta       an unknown kind of artifact, or meta that its kind does not take
├── Unauthorized          no API key, or one that is not known
├── Forbidden             the API key is for another scope, or lacks the right
├── RemoteFetchOff        media is not fetched from addresses here
├── WebhooksOff           nobody is told of a job's end here
├── PrefixViolation       a key outside the caller's own prefix
├── ScopeMismatch         the body names another scope than the headers
├── EnvNotServed          this process does not serve that env
├── NotFound              nothing with that id in the caller's scope
├── MethodNotAllowed      the path exists, the method does not
├── Conflict              the request contradicts what is stored
│   ├── MissingDependency an artifact that has to be made first is not there
│   ├── WrongAsset        the artifact belongs to another asset
│   ├── StubDependency    the artifact was made by a stub
│   └── JobCancelled      the job that the caller waited for was cancelled
├── PreconditionRequired  a change without If-Match
├── PreconditionFailed    If-Match names another version
├── PayloadTooLarge       the body exceeds its cap
├── RangeNotSatisfiable   the Range lies outside the content
├── UnsupportedMedia      the bytes are of no kind that is served
├── UndecodableMedia      the bytes claim a kind and cannot be decoded, or decode beyond a cap
├── ResidualFaces         a face was found in a render that hides faces
├── InputCrashedWorker    the worker died twice while working on this input
├── BackendUnavailable    a dependency or its weights are missing
├── Busy                  over a limit; try again later
├── NotReady              a deployment does not answer yet
├── WorkerLost            the replica died during the work, twice
└── Internal              a fault of ours
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import ValidationError

import artifacts.errors as registry
from artifacts.records import Draft
from configs.models import WeightsMissing

JSON = dict[str, Any]


class AppError(Exception):
    """An answer other than success. `message` says what is wrong and what to do; `field` is a JSON path."""

    code = "internal"
    status = 500
    headers: ClassVar[Mapping[str, str]] = {}
    """Of the HTTP answer."""

    def __init__(self, message: str, *, field: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details: JSON = ({"field": field} if field else {}) | details

    def __reduce__(self) -> tuple[Any, ...]:  # Ray pickles errors; keyword arguments would be lost
        return _rebuild, (type(self), self.message, self.details)


def _rebuild(kind: type[AppError], message: str, details: JSON) -> AppError:
    error = kind(message)
    error.details = details
    return error


class InvalidRequest(AppError):
    """The request itself is wrong."""

    code, status = "invalid_request", 400


class MissingScope(InvalidRequest):
    """A scope header is absent."""

    code = "missing_scope"


class InvalidScope(InvalidRequest):
    """A scope header is malformed."""

    code = "invalid_scope"


class UnknownBackend(InvalidRequest):
    """No such backend."""

    code = "unknown_backend"


class UnknownPreset(InvalidRequest):
    """No such preset or render profile."""

    code = "unknown_preset"


class InvalidMeta(InvalidRequest):
    """An unknown kind of artifact, or meta that its kind does not take."""

    code = "invalid_meta"


class Unauthorized(AppError):
    """No API key, or one that is not known."""

    code, status = "unauthorized", 401
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": "Bearer"}


class Forbidden(AppError):
    """The API key is for another scope, or lacks the right."""

    code, status = "forbidden", 403


class PrefixViolation(AppError):
    """A key outside the caller's own prefix."""

    code, status = "prefix_violation", 403


class ScopeMismatch(AppError):
    """The body names another scope than the headers."""

    code, status = "scope_mismatch", 403


class EnvNotServed(AppError):
    """This process does not serve that env."""

    code, status = "env_not_served", 403


class RemoteFetchOff(AppError):
    """Media is not fetched from addresses here; the message says how to send it."""

    code, status = "remote_fetch_off", 403


class WebhooksOff(AppError):
    """Nobody is told of a job's end here; the message names the settings."""

    code, status = "webhooks_off", 403


class NotFound(AppError):
    """Nothing with that id in the caller's scope."""

    code, status = "not_found", 404


class MethodNotAllowed(AppError):
    """The path exists, the method does not."""

    code, status = "method_not_allowed", 405


class Conflict(AppError):
    """The request contradicts what is stored."""

    code, status = "conflict", 409


class MissingDependency(Conflict):
    """An artifact that has to be made first is not there; the message names the request that makes it."""

    code = "missing_dependency"


class WrongAsset(Conflict):
    """The artifact belongs to another asset."""

    code = "wrong_asset"


class StubDependency(Conflict):
    """The artifact was made by a stub."""

    code = "stub_dependency"


class JobCancelled(Conflict):
    """The job that the caller waited for was cancelled."""

    code = "job_cancelled"


class PreconditionFailed(AppError):
    """If-Match names another version."""

    code, status = "precondition_failed", 412


class PreconditionRequired(AppError):
    """A change without If-Match; the ETag of a GET is what it takes."""

    code, status = "precondition_required", 428


class PayloadTooLarge(AppError):
    """The body exceeds its cap."""

    code, status = "payload_too_large", 413


class UnsupportedMedia(AppError):
    """The bytes are of no kind that is served."""

    code, status = "unsupported_media", 415


class RangeNotSatisfiable(AppError):
    """The Range lies outside the content."""

    code, status = "range_not_satisfiable", 416


class UndecodableMedia(AppError):
    """The bytes claim a kind and cannot be decoded, or would decode beyond a cap."""

    code, status = "undecodable_media", 422


class ResidualFaces(AppError):
    """A face was found in a render that hides faces; the report that details names says where."""

    code, status = "residual_faces", 422

    def __init__(
        self, message: str, *, report: Draft | None = None, pictures: Sequence[Draft] = (), **details: Any
    ) -> None:
        """`report` and its `pictures` are committed by the host, which adds the report's id to the details; they do not
        cross to the caller."""
        super().__init__(message, **details)
        self.report, self.pictures = report, pictures


class InputCrashedWorker(AppError):
    """The worker died twice while working on this input; refused for an hour."""

    code, status = "input_crashed_worker", 422


class Busy(AppError):
    """Over a limit; try again later."""

    code, status = "busy", 429
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "1"}


class Internal(AppError):
    """A fault of ours."""


class NotReady(AppError):
    """A deployment does not answer yet, or not any more; ask again in a second."""

    code, status = "not_ready", 503
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "1"}


class WorkerLost(AppError):
    """The replica died during the work, and again when it was repeated."""

    code, status = "worker_lost", 503


class BackendUnavailable(AppError):
    """A dependency or its weights are missing; the message names what to install."""

    code, status = "backend_unavailable", 503


def _tree(base: type[AppError]) -> list[type[AppError]]:
    return [base, *(row for child in base.__subclasses__() for row in _tree(child))]


CODES: Mapping[str, type[AppError]] = {error.code: error for error in _tree(AppError)}
"""Every code that a client can see, and its class."""

FOREIGN: Mapping[type[Exception], type[AppError]] = {
    registry.MissingScope: MissingScope,
    registry.InvalidScope: InvalidScope,
    registry.NotFound: NotFound,
    registry.PrefixViolation: PrefixViolation,
    registry.InvalidMeta: InvalidMeta,
    registry.Conflict: Conflict,
    registry.VersionConflict: PreconditionFailed,
    registry.UnsuitableStore: Internal,
    WeightsMissing: BackendUnavailable,
}
"""The errors of the packages below, and what a client sees instead. A ValueError of a kernel is a fault of ours: what
a request may hold is checked before."""


PLAINER: Mapping[str, str] = {
    "extra_forbidden": "there is no such field here; /docs has those that there are",
    "missing": "it must be given",
    "model_type": "it must be an object",
}
"""What a validation's error says instead of pydantic's own words, by its type."""


class WrongField(ValueError):
    """What a model's own check says of a field below the model; `at` leads there from the model: ("points", 1, "x")."""

    def __init__(self, message: str, *at: int | str) -> None:
        super().__init__(message)
        self.at = at


def as_app_error(error: BaseException, body: Any = None) -> AppError:
    """Any exception as one of ours; `body` is the request's JSON, which gives a validation error its path."""
    if isinstance(error, AppError):
        return error
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        path = json_path(located(first), body)
        reason = PLAINER.get(first["type"]) or first["msg"].removeprefix("Value error, ")
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        return InvalidRequest(f"{path or 'body'}: {reason}{more}", field=path or None)
    for kind, ours in FOREIGN.items():
        if isinstance(error, kind):
            count = getattr(error, "count", None)
            said = getattr(error, "told", str(error))
            return ours(said, field=getattr(error, "field", None), **({} if count is None else {"count": count}))
    return Internal("something went wrong on our side; the request id finds it in the logs")


def located(detail: Mapping[str, Any]) -> tuple[int | str, ...]:
    """Where one of a validation's errors lies, a WrongField at the field that it names."""
    cause = detail.get("ctx", {}).get("error")
    return (*detail["loc"], *cause.at) if isinstance(cause, WrongField) else detail["loc"]


def json_path(loc: tuple[int | str, ...], body: Any) -> str:
    """pydantic's location as a JSON path, without the names of union members, which the body does not have."""
    path = ""
    for position, part in enumerate(loc):
        last = position == len(loc) - 1
        if isinstance(part, int):
            path += f"[{part}]"
            body = body[part] if isinstance(body, list) and part < len(body) else None
        elif body is None or (isinstance(body, dict) and (part in body or last)):
            path += f".{part}" if part else '[""]'
            body = body.get(part) if isinstance(body, dict) else None
    return path.removeprefix(".")


def envelope(error: AppError, request_id: str) -> JSON:
    """The body of every answer other than success (spec §2)."""
    return {
        "error": {
            "code": error.code,
            "message": error.message,
            "http_status": error.status,
            "request_id": request_id,
            "details": error.details,
        }
    }


def to_wire(error: BaseException, request_id: str, body: Any = None) -> RuntimeError:
    """A builtin with a dict: what a job without our code can read (spec §2). `body`: the request, for as_app_error."""
    return RuntimeError(envelope(as_app_error(error, body), request_id))


def from_wire(error: BaseException) -> AppError | None:
    """The error inside what a handle call raised; None where it carries none of ours."""
    inner = getattr(error, "cause", None) or error
    said = inner.args[0] if inner.args else None
    if not (isinstance(said, dict) and isinstance(said.get("error"), dict)):
        return None
    found = CODES.get(said["error"]["code"], Internal)(said["error"]["message"])
    found.details = said["error"]["details"]
    return found
