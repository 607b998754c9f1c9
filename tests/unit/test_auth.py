"""Who may ask: API keys, their rights and scopes, and the order in which a request is checked."""

from __future__ import annotations

import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from artifacts import Registry, Store
from configs.settings import Settings
from deployments.cli import main
from deployments.gateway.auth import Keys, KeysFile, make_key
from deployments.gateway.http import build_http
from deployments.replicas.local import local_runner

SCOPE = {"X-Tenant-Id": "t_acme", "X-Env": "dev"}
MASK = {"width": 8, "height": 8, "selection": {"type": "polygon", "points": [[1, 1], [7, 1], [1, 7]]}}


def said(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def bearer(secret: str, **headers: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}", **SCOPE, **headers}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "api_keys.json"


@pytest.fixture
def secret(file: Path) -> str:
    return make_key(file, ["t_acme"], ["dev"], ["read", "write"])[0]


@pytest.fixture
async def http(tmp_path: Path, file: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(mattebox_home=tmp_path, api_keys_file=str(file), auth_mode="keys", max_body_bytes=20_000)
    registry = Registry(Store("memory://"))
    app = build_http(local_runner(settings, registry), registry, settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_a_key_lets_its_scope_in(http: httpx.AsyncClient, secret: str) -> None:
    made = await http.post("/image/masks", json=MASK, headers=bearer(secret))
    assert made.status_code == 200
    path = f"/media-v2/artifacts/{made.json()['artifact_id']}"
    assert (await http.get(path, headers=bearer(secret))).status_code == 200
    lower = {"Authorization": f"bearer {secret}", **SCOPE}
    assert (await http.get(path, headers=lower)).status_code == 200


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Bearer mb_wrong", "Basic bWI6eA==", "Bearer " + "x" * 5000, "Bearer é"]
)
async def test_no_key_or_a_bad_one_is_401(http: httpx.AsyncClient, secret: str, authorization: str) -> None:
    headers = [(b"authorization", authorization.encode()), *((k.encode(), v.encode()) for k, v in SCOPE.items())]
    answer = await http.post("/image/masks", json=MASK, headers=headers)
    assert said(answer) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("name", "value"), [("X-Tenant-Id", "t_other"), ("X-Env", "staging")])
async def test_another_scope_is_403_before_anything_is_looked_up(
    http: httpx.AsyncClient, secret: str, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked_up(*_: object) -> None:
        pytest.fail("something was looked up")

    monkeypatch.setattr(Registry, "artifact", looked_up)
    answer = await http.get("/media-v2/artifacts/mask_aaaaaaaa", headers=bearer(secret, **{name: value}))
    assert said(answer) == (403, "forbidden")


async def test_each_right_is_asked_for(http: httpx.AsyncClient, file: Path) -> None:
    asked = {
        "read": [("GET", "/media-v2/artifacts/mask_aaaaaaaa"), ("POST", "/video/render/dry-run")],
        "write": [("POST", "/image/masks"), ("POST", "/media-v2/assets"), ("POST", "/video/sequences")],
    }
    secrets = {right: make_key(file, ["t_acme"], ["dev"], [right])[0] for right in ("read", "write", "delete")}
    for right, secret in secrets.items():
        for needed, routes in asked.items():
            for method, path in routes:
                answer = await http.request(method, path, headers=bearer(secret), content=b"not json")
                assert (answer.status_code == 403) == (right != needed), (right, method, path)


async def test_the_checks_come_in_order(http: httpx.AsyncClient, secret: str) -> None:
    """Route, auth, scope, body, look-up: each request below is wrong in everything from one step on."""
    other = {"Authorization": f"Bearer {secret}", "X-Tenant-Id": "t_other", "X-Env": "dev"}
    malformed = {"Authorization": f"Bearer {secret}", "X-Tenant-Id": "t_unknown", "X-Env": "dev"}
    absent = {"asset_id": "asset_aaaaaaaa"}
    steps = [
        (await http.post("/nothing", content=b"{"), (404, "not_found")),
        (await http.delete("/video/regions"), (405, "method_not_allowed")),
        (await http.post("/video/regions", content=b"{"), (401, "unauthorized")),
        (await http.post("/video/regions", content=b"{", headers=malformed), (400, "invalid_scope")),
        (await http.post("/video/regions", content=b"{", headers=other), (403, "forbidden")),
        (await http.post("/video/regions", content=b"{", headers=bearer(secret)), (400, "invalid_request")),
        (
            await http.post("/video/regions", json=absent | {"tenant_id": "t_other"}, headers=bearer(secret)),
            (403, "scope_mismatch"),
        ),
        (
            await http.post("/video/regions", json=absent | {"mode": "x"}, headers=bearer(secret)),
            (400, "invalid_request"),
        ),
        (await http.post("/video/regions", json=absent, headers=bearer(secret)), (404, "not_found")),
    ]
    assert [said(answer) for answer, _ in steps] == [expected for _, expected in steps]


async def test_health_and_docs_need_no_key(http: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/docs/swagger-ui.css"):
        assert (await http.get(path)).status_code in (200, 503), path
    schemes = (await http.get("/openapi.json")).json()["components"]["securitySchemes"]
    assert schemes["key"]["scheme"] == "bearer"


async def test_keys_are_added_and_withdrawn_while_it_runs(http: httpx.AsyncClient, file: Path) -> None:
    assert (await http.post("/image/masks", json=MASK, headers=bearer("mb_none"))).status_code == 401
    secret, row = make_key(file, ["t_acme"], ["dev"], ["write"])
    assert (await http.post("/image/masks", json=MASK, headers=bearer(secret))).status_code == 200
    left = KeysFile(keys=[key for key in KeysFile.model_validate_json(file.read_bytes()).keys if key.id != row.id])
    file.write_text(left.model_dump_json())
    assert (await http.post("/image/masks", json=MASK, headers=bearer(secret))).status_code == 401


async def test_a_file_that_becomes_malformed_lets_nobody_in(http: httpx.AsyncClient, file: Path, secret: str) -> None:
    assert (await http.post("/image/masks", json=MASK, headers=bearer(secret))).status_code == 200
    good = file.read_bytes()
    file.write_text('{"keys": [')
    for _ in range(2):
        assert said(await http.post("/image/masks", json=MASK, headers=bearer(secret))) == (401, "unauthorized")
    file.write_bytes(good)
    assert (await http.post("/image/masks", json=MASK, headers=bearer(secret))).status_code == 200
    file.unlink()
    assert (await http.post("/image/masks", json=MASK, headers=bearer(secret))).status_code == 401


def test_a_malformed_file_refuses_the_start_and_names_the_variable(file: Path) -> None:
    file.write_text('{"keys": [{"id": "key_12345678", "sha256": "short"}]}')
    with pytest.raises(ValueError, match="API_KEYS_FILE"):
        Keys(file)


def test_the_file_holds_hashes_only_and_is_the_owners(file: Path) -> None:
    secret, row = make_key(file, ["t_acme", "t_other"], ["dev"], ["read"])
    text = file.read_text()
    assert secret not in text
    assert secret.removeprefix("mb_") not in text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [key["id"] for key in json.loads(text)["keys"]] == [row.id]


@pytest.mark.parametrize(
    ("tenants", "envs", "rights"),
    [
        (["acme"], ["dev"], ["read"]),
        (["t_unknown"], ["dev"], ["read"]),
        (["t_a"], ["moon"], ["read"]),
        (["t_a"], ["dev"], []),
    ],
)
def test_a_key_for_no_scope_is_not_made(file: Path, tenants: list[str], envs: list[str], rights: list[str]) -> None:
    with pytest.raises(ValueError):
        make_key(file, tenants, envs, rights)
    assert not file.exists()


def test_the_command_makes_a_key_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("API_KEYS_FILE", str(tmp_path / "keys" / "mine.json"))
    assert main(["key", "--tenant", "t_acme", "--env", "dev", "--right", "read", "--right", "delete"]) == 0
    secret = capsys.readouterr().out.strip()
    row = Keys(tmp_path / "keys" / "mine.json").find(f"Bearer {secret}")
    assert (row.tenants, row.envs, row.rights) == ({"t_acme"}, {"dev"}, {"read", "delete"})
    assert main(["key", "--tenant", "acme", "--env", "dev", "--right", "read"]) == 2
