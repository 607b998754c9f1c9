"""Every route of openapi.json keeps tenants apart: what is foreign, absent or malformed answers the same bytes."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from tests.unit.documented import ACME, Documented, Row

JSON = dict[str, Any]
SAME = {"X-Request-Id": "same"}
OTHER = {"X-Tenant-Id": "t_other", "X-Env": "dev"} | SAME
ELSEWHERE = {"X-Tenant-Id": "t_acme", "X-Env": "staging"} | SAME
ID = re.compile(r"[a-z]+_(a{8}|b{8})")
MALFORMED = ("no-id", "asset_AAAAAAAA", "mask_1", "a" * 300, "asset_aaaaaaaa%00", "é", "mask_a aaaaaaa")


def scoped(documented: Documented) -> list[Row]:
    return [row for row in documented.rows if row.scoped]


def said(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def replaced(value: Any, change: Callable[[str], str]) -> Any:
    """A copy with every id changed."""
    if isinstance(value, dict):
        return {name: replaced(item, change) for name, item in value.items()}
    if isinstance(value, list):
        return [replaced(item, change) for item in value]
    return change(value) if isinstance(value, str) and value.endswith("_aaaaaaaa") else value


def names_ids(row: Row) -> bool:
    return row.body is not None and replaced(row.body, lambda _: "") != row.body


def test_a_missing_or_impossible_scope_is_400_on_every_route(documented: Documented) -> None:
    cases: list[tuple[JSON, tuple[int, str]]] = [
        ({}, (400, "missing_scope")),
        ({"X-Tenant-Id": "t_acme"}, (400, "missing_scope")),
        ({"X-Env": "dev"}, (400, "missing_scope")),
        ({"X-Tenant-Id": "t_unknown", "X-Env": "dev"}, (400, "invalid_scope")),
        ({"X-Tenant-Id": "../t_acme", "X-Env": "dev"}, (400, "invalid_scope")),
        ({"X-Tenant-Id": "t_acme", "X-Env": "moon"}, (400, "invalid_scope")),
        ({"X-Tenant-Id": "t_acme", "X-Env": "prod"}, (403, "env_not_served")),
    ]
    rows = scoped(documented)
    assert rows
    for row in rows:
        for headers, expected in cases:
            assert said(documented.run(row, headers)) == expected, (row.name, headers)


def test_a_body_that_names_another_scope_is_403_on_every_route_with_a_body(documented: Documented) -> None:
    rows = [row for row in scoped(documented) if row.body]
    assert rows
    for row in rows:
        for field, value in (("tenant_id", "t_other"), ("env", "staging"), ("user_id", "somebody")):
            body = documented.real(row.body) | {field: value}
            answer = documented.run(row, ACME, body=body)
            assert said(answer) == (403, "scope_mismatch"), (row.name, field)
            assert answer.json()["error"]["details"]["field"] == field


def test_paths_answer_the_same_404_for_foreign_absent_and_malformed_ids(documented: Documented) -> None:
    rows = [row for row in scoped(documented) if row.parameters("path")]
    assert rows
    for row in rows:
        names = row.parameters("path")
        absent = documented.run(row, ACME | SAME, **names)
        assert said(absent) == (404, "not_found"), row.name
        foreign = [documented.run(row, headers) for headers in (OTHER, ELSEWHERE)]
        malformed = [documented.run(row, ACME | SAME, **dict.fromkeys(names, id)) for id in MALFORMED]
        for answer in (*foreign, *malformed):
            assert (answer.status_code, answer.content) == (404, absent.content), (row.name, str(answer.url))
        for id in (".", "..", "%2e%2e", "%2f", "..%2f..%2fetc"):  # some of these are other paths, and none is an id
            answer = documented.run(row, ACME | SAME, **dict.fromkeys(names, id))
            other = answer.url.path.rstrip("/") in documented.document["paths"]
            assert other or answer.status_code in (404, 405), (row.name, id)


def test_bodies_answer_the_same_404_for_foreign_and_absent_ids(documented: Documented) -> None:
    rows = [row for row in scoped(documented) if names_ids(row) and not row.parameters("path")]
    assert rows
    for row in rows:
        absent = documented.run(row, ACME | SAME, body=row.body)
        assert said(absent) == (404, "not_found"), row.name
        for headers in (OTHER, ELSEWHERE):
            foreign = documented.run(row, headers)
            assert (foreign.status_code, foreign.content) == (404, absent.content), row.name


def places(value: Any, path: str = "") -> Iterator[str]:
    """The JSON path of each id in an example."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from places(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, f"{path}[{index}]")
    elif isinstance(value, str) and ID.fullmatch(value):
        yield path


def put(body: JSON, path: str, value: str) -> JSON:
    """A copy of the body with another value at the path."""
    made = inner = copy.deepcopy(body)
    steps = [int(part) if part.isdigit() else part for part in re.findall(r"\w+", path)]
    for step in steps[:-1]:
        inner = inner[step]  # type: ignore[index]
    inner[steps[-1]] = value  # type: ignore[index]
    return made


def test_a_malformed_id_in_a_body_is_400_and_names_its_field_on_every_route(documented: Documented) -> None:
    tried = 0
    for row in scoped(documented):
        for path in places(row.body):
            for wrong in ("no-id", "../../x", "asset_AAAAAAAA", "mask_1", "x" * 5000, ""):
                answer = documented.run(row, ACME, body=put(documented.real(row.body), path, wrong))
                assert said(answer) == (400, "invalid_request"), (row.name, path, wrong, answer.text)
                assert answer.json()["error"]["details"]["field"] == path, (row.name, wrong, answer.text)
                tried += 1
    assert tried > 100


LOCAL = {"Transition.from_clip_id", "Transition.to_clip_id"}
"""What names a clip of the same request, by an `id` of the caller's own."""


def test_every_id_that_a_request_takes_is_published_with_its_form(documented: Documented) -> None:
    shapes = documented.document["components"]["schemas"]
    names, pending = (
        set[str](),
        [
            form["schema"]["$ref"]
            for row in documented.rows
            for form in row.content.values()
            if "$ref" in form["schema"]
        ],
    )
    while pending:
        name = pending.pop().rpartition("/")[2]
        if name not in names:
            names.add(name)
            pending += re.findall(r'"(#/components/schemas/[^"]+)"', json.dumps(shapes[name]))
    known = 0
    for name in sorted(names):
        for field, shape in shapes[name].get("properties", {}).items():
            if re.fullmatch(r"(.*_)?(asset|artifact|summary|sequence|project|clip|track|target)_id", field):
                patterns = [part.get("pattern") for part in (shape, *shape.get("anyOf", ()))]
                assert f"{name}.{field}" in LOCAL or any(patterns), f"{name}.{field}"
                known += 1
    assert known > 20
