"""openapi.json: every route is there with an example that runs, and its answers have the published shape."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest

from deployments.gateway.http import ROUTES
from deployments.operations import OPERATIONS
from tests.unit.documented import Documented, Row

JSON = dict[str, Any]


def rows(documented: Documented) -> list[Row]:
    return [row for row in documented.rows if row.scoped]


def check(documented: Documented, schema: JSON, value: Any) -> None:
    whole = schema | {"components": documented.document["components"]}
    jsonschema.Draft202012Validator(whole).validate(value)


def test_every_route_and_operation_is_documented(documented: Documented) -> None:
    served = {(row.method.lower(), row.path) for row in ROUTES}
    served |= {("post", row.path) for row in OPERATIONS.values()}
    served |= {("post", f"{row.path}/dry-run") for row in OPERATIONS.values() if row.preview}
    assert served == {(row.method, row.path) for row in rows(documented)}


def test_every_route_has_an_example_and_an_answers_shape(documented: Documented) -> None:
    lacking = []
    for row in rows(documented):
        bodies = [form for kind, form in row.content.items() if kind == "application/json"]
        examples = [*row.parameters("path").values(), *(form.get("example") for form in bodies)]
        if None in examples:
            lacking.append(f"{row.name}: no example")
        for kind, form in answers(row):
            if kind == "application/json" and not form["schema"]:
                lacking.append(f"{row.name}: no shape of its answer")
    assert lacking == []


def answers(row: Row) -> list[tuple[str, JSON]]:
    said = next(said for status, said in row.said["responses"].items() if status.startswith("2"))
    return list(said["content"].items())


def test_every_example_runs_and_answers_in_its_published_shape(documented: Documented) -> None:
    for row in rows(documented):
        answer = documented.answers[row.name]
        assert str(answer.status_code) in row.said["responses"], f"{row.name}: {answer.status_code} {answer.text[:500]}"
        ((kind, form),) = answers(row)
        media_type = answer.headers["content-type"].partition(";")[0]
        assert kind in (media_type, "*/*"), row.name
        if media_type == "application/json":
            check(documented, form["schema"], answer.json())


def test_every_example_fits_its_own_schema(documented: Documented) -> None:
    for row in rows(documented):
        if row.body:
            check(documented, row.content["application/json"]["schema"], documented.real(row.body))


def test_a_second_run_of_each_post_is_a_hit(documented: Documented) -> None:
    for row in rows(documented):
        if "cache" in (documented.answers[row.name].text if row.body else ""):
            assert documented.run(row).json()["cache"] == "hit", row.name


def test_every_route_documents_the_envelope(documented: Documented) -> None:
    absent = documented.http.get("/media-v2/artifacts/mask_aaaaaaaa", headers={"X-Tenant-Id": "t_acme", "X-Env": "dev"})
    for row in rows(documented):
        assert row.said["responses"]["default"] == {"$ref": "#/components/responses/Error"}, row.name
    shape = documented.document["components"]["responses"]["Error"]["content"]["application/json"]["schema"]
    check(documented, shape, absent.json())
    with pytest.raises(jsonschema.ValidationError):
        check(documented, shape, {"error": {"code": "x"}})


def test_operation_ids_are_unique(documented: Documented) -> None:
    ids = [row.said["operationId"] for row in rows(documented)]
    assert len(ids) == len(set(ids))


def test_docs_load_nothing_from_the_net(documented: Documented) -> None:
    page = documented.http.get("/docs").text
    files = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(files) == 3
    for file in files:
        assert documented.http.get(file).status_code == 200, file
    assert "https://" not in page
