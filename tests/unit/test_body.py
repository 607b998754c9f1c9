"""The caps of JSON bodies, each on both sides, and bytes made to cost more than they look."""

from __future__ import annotations

import pytest

from deployments.body import MAX_DEPTH, MAX_DIGITS, MAX_NAME, MAX_STRING, MAX_VALUES, parse
from deployments.errors import InvalidRequest


def nested(depth: int) -> bytes:
    return b'{"x":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def values(count: int) -> bytes:
    """An object, a list, and as many commas as make `count`."""
    return b'{"x":[' + b"0," * (count - 2) + b"0]}"


CAPS = {
    "depth": (nested(MAX_DEPTH), nested(MAX_DEPTH + 1)),
    "values": (values(MAX_VALUES), values(MAX_VALUES + 1)),
    "digits": (b'{"x":0.' + b"1" * (MAX_DIGITS - 2) + b"}", b'{"x":0.' + b"1" * (MAX_DIGITS - 1) + b"}"),
    "magnitude": (b'{"x":1000000000000000}', b'{"x":1000000000000001}'),
    "negative": (b'{"x":-1e15}', b'{"x":-1.1e15}'),
    "exponent": (b'{"x":1e15}', b'{"x":1e999}'),
    "string": (b'{"x":"' + b"a" * MAX_STRING + b'"}', b'{"x":"' + b"a" * (MAX_STRING + 1) + b'"}'),
    "name": (b'{"' + b"a" * MAX_NAME + b'":1}', b'{"' + b"a" * (MAX_NAME + 1) + b'":1}'),
    "surrogates": (b'{"x":"\\ud83d\\ude00"}', b'{"x":"\\ud83d"}'),
    "nul": (b'{"x":"\\u0001"}', b'{"x":"\\u0000"}'),
    "encoding": ('{"x":"é"}'.encode(), '{"x":"é"}'.encode("utf-16")),
    "constants": (b'{"x":1}', b'{"x":Infinity}'),
}


@pytest.mark.parametrize(("fits", "over"), CAPS.values(), ids=list(CAPS))
def test_each_cap_on_both_sides(fits: bytes, over: bytes) -> None:
    assert parse(fits)
    with pytest.raises(InvalidRequest):
        parse(over)


def test_what_stands_in_strings_is_no_structure() -> None:
    assert parse(b'{"x":"' + b"[" * 100 + b',\\"' * 10 + b'"}')["x"].startswith("[[")


@pytest.mark.parametrize("value", [b'"\\udc00"', b"1e16", b"-1000000000000001", b"NaN", b"-Infinity", b"1" * 65])
def test_a_refused_value_is_named_by_its_path(value: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse(b'{"a":[0,{"b":%s}]}' % value)
    assert refused.value.details["field"] == "a[1].b"


@pytest.mark.parametrize(
    "data",
    [b'{"x":"' + b'\\"' * 4_000_000, b'"' * 8_000_000, b"[]" * 4_000_000, b'{"x":' + b"1" * 8_000_000 + b"}"],
    ids=["unended", "quotes", "brackets", "digits"],
)
def test_eight_megabytes_made_to_cost_are_refused_at_once(data: bytes) -> None:
    """Reading that is quadratic would not end here."""
    with pytest.raises(InvalidRequest):
        parse(data)
