"""schemathesis over openapi.json: no answer of ours is a fault, and none other than success lacks the envelope.

Five requests of each route and mode, 500 in all: some 20 seconds on two cores. `FUZZ_EXAMPLES=50` makes it 5,000.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.generation import GenerationMode

from deployments.body import SCOPE_HEADERS
from tests.unit.documented import ACME, Documented

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "5"))
"""Of each route and mode."""
UNTRIED = {"post /media-v2/assets"}
"""Multipart bodies have tests of their own in test_multipart.py."""


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.name.lower())
def test_no_request_made_from_the_document_is_answered_by_a_fault(
    documented: Documented, mode: GenerationMode, record_property: Callable[[str, object], None]
) -> None:
    schema = schemathesis.openapi.from_dict(documented.document)
    envelope = documented.document["components"]["responses"]["Error"]["content"]["application/json"]["schema"]
    shape = jsonschema.Draft202012Validator(envelope | {"components": documented.document["components"]})
    tried = 0
    for row in documented.rows:
        if row.name in UNTRIED or not row.scoped:
            continue
        strategy = schema[row.path][row.method.upper()].as_strategy(generation_mode=mode)

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def ask(case: schemathesis.Case) -> None:
            nonlocal tried
            sent = case.as_transport_kwargs(base_url="http://testserver")
            kept = ACME if tried % 4 else {"X-Request-Id": "fuzz"}  # most get past the scope
            if isinstance(sent.get("json"), dict):
                sent["json"] = {name: value for name, value in sent["json"].items() if name not in SCOPE_HEADERS}
            # as bytes: the client sends letters beyond ASCII no other way
            drawn = {name: str(value).encode("latin-1", "replace") for name, value in sent.get("headers", {}).items()}
            headers = drawn | {name: value.encode() for name, value in kept.items()}
            known = {name: sent[name] for name in ("params", "json", "data") if sent.get(name) is not None}
            if "json" not in known and isinstance(known.get("data"), bytes | str):
                known["content"] = known.pop("data")
            answer = documented.http.request(sent["method"], sent["url"], headers=headers, **known)
            tried += 1
            assert answer.status_code < 500, f"{case.method} {case.path}: {answer.text[:500]}\n{known}"
            if answer.status_code >= 400:
                shape.validate(answer.json())

        ask()
    record_property("requests", tried)  # `--junitxml` shows it
    assert tried >= EXAMPLES


ODD = (
    '{"a": 1}',
    "[[]]",
    '"\\u202e"',
    "true",
    "1e16",
    "NaN",
    '"\\ud800"',
    "-1e308",
    '"../../etc/passwd"',
    '[{"": ""}]',
)
"""JSON that next to no field takes, and some that is none."""
EACH = int(os.environ.get("FUZZ_FIELDS", "8"))
"""Of each route's body."""


def places(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where values stand below this one."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in below:
        yield (*at, name)
        yield from places(inner, (*at, name))


def with_odd(body: Any, at: tuple[str | int, ...], odd: str) -> bytes:
    """The body as JSON, with something odd at that place."""
    whole = json.loads(json.dumps(body))
    inner = whole
    for name in at[:-1]:
        inner = inner[name]
    inner[at[-1]] = "(odd)"
    return json.dumps(whole).replace('"(odd)"', odd).encode()


def test_what_is_wrong_with_any_field_of_any_body_is_told_with_its_place(documented: Documented) -> None:
    drawn, tried = random.Random(1), 0
    for row in documented.rows:
        if not row.body:
            continue
        body, (path, query) = documented.real(row.body), documented.filled(row, {})
        headers = ACME | row.needed | {"Content-Type": "application/json", "Prefer": "respond-async"}
        for at in drawn.choices(list(places(body)), k=EACH):
            sent = with_odd(body, at, drawn.choice(ODD))
            answer = documented.http.request(row.method, path, params=query, headers=headers, content=sent)
            assert answer.status_code < 500, (row.name, sent, answer.text)
            if answer.status_code == 400:
                tried += 1
                assert answer.json()["error"]["details"].get("field"), (row.name, sent, answer.text)
    assert tried > 100
