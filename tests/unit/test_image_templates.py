"""Templates: a composition with named slots, and renders that fill them."""

from __future__ import annotations

from typing import Any

import httpx
import numpy as np
import pytest
from starlette.testclient import TestClient

from artifacts import Registry, Store
from configs.settings import Settings
from deployments.gateway.http import build_http
from deployments.replicas.local import local_runner
from tests.unit.image_bench import pixels_of, png

HEADERS = {"X-Tenant-Id": "t_acme", "X-Env": "dev"}
JSON = dict[str, Any]
CARD: JSON = {
    "width": 40,
    "height": 20,
    "layers": [
        {"id": "ground", "color": "#ff0000"},
        {"id": "box", "layers": [{"id": "patch", "color": "#00ff00", "width": 10, "height": 10}]},
    ],
}
SLOTS: JSON = {
    "ground": {"layer": "ground", "field": "color"},
    "left": {"layer": "patch", "field": "x"},
    "size": {"field": "width"},
}


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Any:
    settings = Settings(mattebox_home=tmp_path_factory.mktemp("home"))
    registry = Registry(Store("memory://"))
    with TestClient(build_http(local_runner(settings, registry), registry, settings)) as client:
        client.headers.update(HEADERS)
        yield client


def made(http: TestClient, **other: Any) -> httpx.Response:
    return http.post("/image/templates", json={"name": "card", "composition": CARD, "slots": SLOTS} | other)


def rendered(http: TestClient, template_id: str, **variables: Any) -> httpx.Response:
    return http.post("/image/render-from-template", json={"template_id": template_id, "variables": variables})


def pixels(http: TestClient, answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return pixels_of(http.get(f"/media-v2/artifacts/{answer.json()['artifact_id']}/content").content)


def field(answer: httpx.Response) -> str:
    assert answer.status_code == 400, answer.text
    return str(answer.json()["error"]["details"]["field"])


def test_slots_are_filled_and_the_rest_stays(http: TestClient) -> None:
    id = made(http).json()["template_id"]
    untouched = pixels(http, rendered(http, id))
    assert untouched[0, 0].tolist() == [0, 255, 0, 255]
    assert untouched[19, 39].tolist() == [255, 0, 0, 255]
    got = pixels(http, rendered(http, id, ground="#0000ff", left=30, size=60))
    assert got.shape == (20, 60, 4)
    assert got[0, 0].tolist() == [0, 0, 255, 255]
    assert got[0, 30].tolist() == got[9, 39].tolist() == [0, 255, 0, 255]


def test_the_same_picture_as_a_render_of_the_filled_composition(http: TestClient) -> None:
    id = made(http).json()["template_id"]
    direct = CARD | {"layers": [{"color": "#123456"}, CARD["layers"][1]]}
    by_hand = http.post("/image/render", json={"composition": direct})
    filled = rendered(http, id, ground="#123456")
    assert (pixels(http, by_hand) == pixels(http, filled)).all()
    assert by_hand.json()["meta"]["composition_hash"] == filled.json()["meta"]["composition_hash"]


def test_equal_templates_and_equal_renders_are_hits(http: TestClient) -> None:
    first, again = made(http, name="twice"), made(http, name="twice")
    assert first.json()["template_id"] == again.json()["template_id"]
    assert again.json()["cache"] == "hit"
    id = first.json()["template_id"]
    assert [rendered(http, id, left=3).json()["cache"] for _ in range(2)] == ["miss", "hit"]
    assert rendered(http, id, left=4).json()["cache"] == "miss"


def test_a_picture_is_a_slot_and_the_lineage_knows_it(http: TestClient) -> None:
    def upload(value: int) -> str:
        file = png(np.full((4, 4, 3), value, np.uint8))
        return str(http.post("/media-v2/assets", files={"file": ("p.png", file)}).json()["id"])

    one, other = upload(10), upload(200)
    composition = {"width": 4, "height": 4, "layers": [{"id": "photo", "asset_id": one}]}
    slots = {"photo": {"layer": "photo", "field": "asset_id", "required": True}}
    id = made(http, composition=composition, slots=slots).json()["template_id"]
    assert field(rendered(http, id)) == "variables.photo"
    answer = rendered(http, id, photo=other)
    assert pixels(http, answer)[0, 0, 0] == 200
    record = http.get(f"/media-v2/artifacts/{answer.json()['artifact_id']}").json()
    assert {(item["id"], item["role"]) for item in record["inputs"]} >= {(other, "layer"), (id, "template")}
    assert field(rendered(http, id, photo="asset")) == "variables.photo"
    assert rendered(http, id, photo="asset_aaaaaaaaaaaaaaaa").status_code == 404


@pytest.mark.parametrize(
    ("slot", "expected"),
    [
        ({"layer": "nobody", "field": "color"}, "slots.a.layer"),
        ({"layer": "ground", "field": "text"}, "slots.a.field"),
        ({"layer": "ground", "field": "type"}, "slots.a.field"),
        ({"field": "layers"}, "slots.a.field"),
        ({"layer": "ground"}, "slots.a.field"),
    ],
)
def test_a_slot_that_fits_nothing_is_named(http: TestClient, slot: JSON, expected: str) -> None:
    assert field(made(http, slots={"a": slot})) == expected


def test_an_id_that_two_layers_have_is_no_slot(http: TestClient) -> None:
    twice = CARD | {"layers": [{"id": "ground", "color": "#fff"}, {"id": "ground", "color": "#000"}]}
    assert field(made(http, composition=twice, slots={"a": {"layer": "ground", "field": "color"}})) == "slots.a.layer"


def test_what_is_wrong_with_a_value_is_told_of_its_variable(http: TestClient) -> None:
    id = made(http).json()["template_id"]
    assert field(rendered(http, id, ground="red")) == "variables.ground"
    assert field(rendered(http, id, left="far")) == "variables.left"
    assert field(rendered(http, id, size=0)) == "variables.size"
    assert field(rendered(http, id, size=100_001)) == "variables.size"
    assert field(rendered(http, id, nothing=1)) == "variables.nothing"


def test_only_a_template_of_this_scope_is_taken(http: TestClient) -> None:
    id = made(http).json()["template_id"]
    picture = rendered(http, id).json()["artifact_id"]
    assert field(rendered(http, picture)) == "template_id"
    assert field(rendered(http, "template")) == "template_id"
    assert rendered(http, "template_aaaaaaaaaaaaaaaa").status_code == 404
    theirs = {"X-Tenant-Id": "t_other", "X-Env": "dev"}
    body = {"template_id": id, "variables": {}}
    assert http.post("/image/render-from-template", json=body, headers=theirs).status_code == 404


@pytest.mark.parametrize("count", [64, 65])
def test_slots_are_counted(http: TestClient, count: int) -> None:
    answer = made(http, slots={f"s{i}": {"layer": "ground", "field": "color"} for i in range(count)})
    assert answer.status_code == (200 if count == 64 else 400)
    assert count == 64 or field(answer) == "slots"
