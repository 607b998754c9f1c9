"""The query's parameters: each checked before anything is looked up."""

from __future__ import annotations

import re

from deployments.errors import InvalidRequest
from deployments.route import Call


def choice(name: str, given: str, choices: tuple[str, ...]) -> str:
    """`given`, when it is one of the choices; else InvalidRequest."""
    if given not in choices:
        raise InvalidRequest(f"{name} must be one of {', '.join(choices)}", field=name)
    return given


def flag(call: Call, name: str) -> bool:
    """`true` or `1`, `false` or `0`; absent is false."""
    return choice(name, call.request.query_params.get(name, "false"), ("true", "false", "1", "0")) in ("true", "1")


def whole(name: str, given: str, most: int) -> int:
    """A number from 1; beyond `most` it is cut."""
    if not re.fullmatch("[0-9]{1,9}", given) or int(given) < 1:
        raise InvalidRequest(f"{name} must be a whole number from 1; beyond {most} it is cut", field=name)
    return min(int(given), most)


__all__ = ["choice", "flag", "whole"]
