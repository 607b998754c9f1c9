"""Request bodies: the base of every shape, and how one is read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import ClientDisconnect

from deployments.errors import InvalidRequest, PayloadTooLarge, ScopeMismatch, WrongField, as_app_error
from deployments.operation import JSON, Context

if TYPE_CHECKING:
    from deployments.route import Call

Shape = TypeVar("Shape", bound=BaseModel)
MAX_DEPTH = 32
"""Deepest nesting of a body."""
MAX_VALUES = 500_000
"""Most values of a body: a parsed one costs many times its bytes."""
MAX_DIGITS = 64
"""Longest number, in characters."""
MAX_NUMBER = 1e15
"""Largest magnitude: up to here a double holds every integer."""
MAX_STRING = 4 << 20
"""Longest string, in characters."""
MAX_NAME = 256
"""Longest name of a field."""
STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""A JSON string, or what is left of one that does not end: so it is linear on any bytes."""
SCOPE_HEADERS = {"tenant_id": "X-Tenant-Id", "env": "X-Env", "user_id": "X-User-Id"}


class Body(BaseModel):
    """Unknown fields are refused. The scope may be repeated here; it must equal the headers'."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    tenant_id: str | None = None
    env: str | None = None
    user_id: str | None = None


def exactly_one(model: BaseModel, *names: str) -> None:
    """WrongField unless one of these fields is given: the last one that is, else the first that could be."""
    given = [name for name in names if getattr(model, name) is not None]
    if len(given) != 1:
        blamed = given[-1] if given else names[0]
        raise WrongField(f"give exactly one of {', '.join(names[:-1])} and {names[-1]}", blamed)


async def read_json(call: Call) -> JSON:
    """The body as an object: capped in bytes and depth, its scope equal to the headers'."""
    return as_json(call, await read_bytes(call))


async def read_as(call: Call, shape: type[Shape]) -> Shape:
    """The body in a shape of ours; InvalidRequest naming the field by the path that the body has."""
    body = await read_json(call)
    try:
        return shape.model_validate(body)
    except ValidationError as error:
        raise as_app_error(error, body) from None


async def read_bytes(call: Call) -> bytes:
    """The body as it was sent. Raises PayloadTooLarge beyond the cap, ClientDisconnect."""
    limit = call.settings.max_body_bytes
    data, more = bytearray(), True
    while more:
        message = await call.request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        data += message.get("body", b"")
        more = message.get("more_body", False)
        if len(data) > limit:
            raise PayloadTooLarge(f"the body is larger than {limit} bytes (MAX_BODY_BYTES)")
    return bytes(data)


def as_json(call: Call, sent: bytes) -> JSON:
    """A body that was read, as `read_json` gives it."""
    body = parse(sent)
    check_body(call.context, body)
    return body


def parse(data: bytes) -> JSON:
    """A JSON object whose depth, count, numbers and strings lie within their caps; InvalidRequest otherwise."""
    body = parse_value(data, MAX_VALUES)
    if not isinstance(body, dict):
        raise InvalidRequest("the body must be a JSON object")
    return body


def parse_value(data: bytes, most: int) -> Any:
    """Any JSON value, of at most so many values; InvalidRequest for one beyond a cap."""
    skeleton = STRING.sub(b"", data)
    opened = skeleton.count(b"[") + skeleton.count(b"{")
    if opened + skeleton.count(b",") > most:
        raise InvalidRequest(f"the body holds more than {most} values")
    if _depth(skeleton) > MAX_DEPTH:
        raise InvalidRequest(f"the body is nested deeper than {MAX_DEPTH} levels")
    try:
        text = data.decode()  # UTF-8 alone: the caps above read its bytes
        body = json.loads(text, parse_constant=_unfit_constant, parse_int=_integer, parse_float=_number)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"the body is not valid JSON: {error}") from None
    _check_values(body, "")
    return body


def _depth(skeleton: bytes) -> int:
    """The nesting of a body without its strings, known before anything is parsed."""
    deepest = depth = 0
    for byte in skeleton.translate(None, NOT_BRACKETS):
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest


NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class _Unfit(str):
    """Stands for a number that is refused once its place in the body is known."""

    __slots__ = ()


def _unfit_constant(name: str) -> _Unfit:
    return _Unfit(f"{name} is not JSON")


def _integer(digits: str) -> int | _Unfit:
    number = _number(digits)
    return number if isinstance(number, _Unfit) else int(digits)


def _number(digits: str) -> float | _Unfit:
    if len(digits) > MAX_DIGITS:
        return _Unfit(f"a number of {len(digits)} characters; at most {MAX_DIGITS} are read")
    if not abs(number := float(digits)) <= MAX_NUMBER:
        return _Unfit(f"the number {digits} is larger than {MAX_NUMBER:g}")
    return number


def _check_values(value: Any, path: str) -> None:
    """Numbers that were refused, lengths, and characters that no text can hold: half a surrogate pair, or a NUL."""
    if isinstance(value, dict):
        for name, item in value.items():
            if len(name) > MAX_NAME:
                raise InvalidRequest(f"a field's name is longer than {MAX_NAME} characters", field=path or None)
            _check_text(name, path)
            _check_values(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, (dict, list, str)):
                _check_values(item, f"{path}[{index}]")
    elif isinstance(value, _Unfit):
        raise InvalidRequest(f"{path or 'the body'}: {value}", field=path or None)
    elif isinstance(value, str):
        if len(value) > MAX_STRING:
            raise InvalidRequest(f"{path} is longer than {MAX_STRING} characters", field=path)
        _check_text(value, path)


def _check_text(text: str, path: str) -> None:
    if "\0" in text or (not text.isascii() and UNPAIRED.search(text)):
        raise InvalidRequest(f"{path or 'a name'} holds a character that no text has", field=path or None)


UNPAIRED = re.compile("[\ud800-\udfff]")


def check_body(context: Context, body: Mapping[str, Any]) -> None:
    """ScopeMismatch when the body names another tenant, env or user than the headers."""
    named = {"tenant_id": context.scope.tenant, "env": context.scope.env, "user_id": context.user_id}
    for field, value in named.items():
        if body.get(field) is not None and body[field] != value:
            raise ScopeMismatch(f"{field} in the body differs from the header {SCOPE_HEADERS[field]}", field=field)


__all__ = [
    "MAX_DEPTH",
    "MAX_DIGITS",
    "MAX_NAME",
    "MAX_NUMBER",
    "MAX_STRING",
    "MAX_VALUES",
    "Body",
    "as_json",
    "check_body",
    "exactly_one",
    "parse",
    "parse_value",
    "read_as",
    "read_bytes",
    "read_json",
]
