"""A request model's fields as options of the command line, and what was given as a request."""

from __future__ import annotations

import argparse
import json
import types
from collections.abc import Callable
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from deployments.client.actions import Option, read_json
from deployments.client.service import JSON

SCOPE = ("tenant_id", "env", "user_id")
"""Said by headers."""


def options_of(request: type[BaseModel], besides: tuple[str, ...] = ()) -> list[Option]:
    """An option for each field but the scope's and those named: words as they are, all else as JSON or `@file`."""
    return [
        (f"--{name.replace('_', '-')}", _how(name, field))
        for name, field in request.model_fields.items()
        if name not in (*SCOPE, *besides)
    ]


def request_of(request: type[BaseModel], given: argparse.Namespace) -> JSON:
    """The fields that were given; the service fills in the rest."""
    values = vars(given)
    return {name: values[name] for name in request.model_fields if name not in SCOPE and values.get(name) is not None}


def _how(name: str, field: FieldInfo) -> dict[str, Any]:
    kinds = _kinds(field.annotation)
    words = [str(word) for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]
    default = f"({field.default})" if isinstance(field.default, (str, int, float)) and kinds != [bool] else ""
    said = " ".join(filter(None, (field.description, default)))
    how: dict[str, Any] = {"dest": name, "help": said.replace("%", "%%")}
    if kinds == [bool]:
        return how | {"action": argparse.BooleanOptionalAction, "default": None}
    if words:
        return how | {"choices": words}
    return how | {"type": _read(kinds), "metavar": _metavar(kinds)}


def _read(kinds: list[Any]) -> Callable[[str], Any]:
    if str in kinds:
        return str
    return int if kinds == [int] else float if kinds == [float] else _value


def _value(text: str) -> Any:
    """JSON, or with `@` before it the name of a file of JSON."""
    if text.startswith("@"):
        return read_json(text[1:])
    try:
        return json.loads(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not JSON; @FILE reads it from a file") from None


def _metavar(kinds: list[Any]) -> str:
    return "TEXT" if str in kinds else "NUMBER" if kinds in ([int], [float]) else "JSON"


def _kinds(annotation: Any) -> list[Any]:
    """What a value may be, None left out and Annotated taken off."""
    if get_origin(annotation) is Annotated:
        return _kinds(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [kind for part in get_args(annotation) for kind in _kinds(part)]
    return [] if annotation is types.NoneType else [annotation]


__all__ = ["options_of", "request_of"]
