"""The errors: one table, an envelope for each, readable across handles."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

import artifacts.errors
from configs.models import WeightsMissing
from deployments import errors
from deployments.errors import CODES, FOREIGN, AppError, InvalidRequest, as_app_error, envelope, from_wire, to_wire


def test_every_registry_error_is_mapped() -> None:
    rows = [
        row
        for _, row in inspect.getmembers(artifacts.errors, inspect.isclass)
        if issubclass(row, artifacts.errors.RegistryError) and row is not artifacts.errors.RegistryError
    ]
    assert rows
    assert not [row for row in rows if row not in FOREIGN]


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or ""))
    assert drawn == {row.__name__ for row in CODES.values()} - {"AppError"} | {"Internal"}


@pytest.mark.parametrize("row", CODES.values())
def test_each_error_crosses_a_handle_and_pickles(row: type[AppError]) -> None:
    error = row("what to do", field="a.b", more=1)
    back = from_wire(to_wire(error, "r1"))
    assert (type(back), back.message, back.details) == (row, "what to do", {"field": "a.b", "more": 1})  # type: ignore[union-attr]
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.message, again.details) == (row, error.message, error.details)
    assert envelope(error, "r1")["error"]["http_status"] == row.status >= 400


class Inner(BaseModel):
    opacity: float = Field(1, ge=0, le=1)


class Outer(BaseModel):
    layers: list[Inner | int]


def test_a_validation_error_names_the_json_path_without_union_members() -> None:
    body = {"layers": [1, {"opacity": 2}]}
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(body)
    error = as_app_error(caught.value, body)
    assert isinstance(error, InvalidRequest)
    assert error.details["field"] == "layers[1].opacity"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: str


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"text": "x", "colour": 1}, "colour: there is no such field here"),
        ({"text": "x", "": 1}, '[""]: there is no such field here'),
        ({}, "text: it must be given"),
    ],
)
def test_a_field_too_much_and_one_too_few_are_told_in_plain_words(body: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Strict.model_validate(body)
    assert as_app_error(caught.value, body).message.startswith(said)


def test_missing_weights_are_told_without_the_places_that_were_searched() -> None:
    missing = WeightsMissing("yunet", [("MODELS_PATH /srv/models", "has no yunet.onnx"), ("cache /var/x", "is full")])
    assert "/srv/models" in str(missing)  # what an operator reads
    said = envelope(as_app_error(missing), "r1")["error"]
    assert said["code"] == "backend_unavailable"
    assert "yunet" in said["message"]
    assert "make models" in said["message"]
    assert "/srv" not in str(said)
    assert "/var" not in str(said)


def test_a_fault_of_ours_tells_nothing_of_itself() -> None:
    said = envelope(as_app_error(KeyError("/srv/secret path of t_other")), "r1")
    assert said["error"]["code"] == "internal"
    assert "secret" not in str(said)
