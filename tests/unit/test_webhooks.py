"""Webhooks: who may be called, what is sent and how it is signed, and that a job's end never depends on them."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from artifacts import Registry, Store
from configs.settings import Settings
from deployments.dispatch import LocalDispatch
from deployments.errors import InvalidRequest, WebhooksOff
from deployments.gateway.http import build_http
from deployments.jobs import webhooks
from deployments.jobs.runs import Joined
from deployments.jobs.webhooks import Webhooks, public
from deployments.replicas.host import Host
from deployments.runner import Runner
from tests.unit import toy_work
from tests.unit.test_job_leases import cleared
from tests.unit.test_jobs import ASYNC, CONTEXT, SCOPE, TOYS

SECRET = "a secret of the operator's"
URL = "https://hooks.example/done?key=1"
JOB = {"id": "job_aaaaaaaa", "state": "succeeded"}


@dataclass
class Receiver:
    """Stands where the net would be; answers with the next status, the last one for ever."""

    statuses: list[int] = field(default_factory=lambda: [200])
    got: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.got.append(request)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return httpx.Response(status, headers={"Location": "https://127.0.0.1/"} if status == 302 else {})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "PAUSES_S", (0.0, 0.0, 0.0))


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


def poster(tmp_path: Path, receiver: Receiver, addresses: tuple[str, ...] = ("93.184.216.34",)) -> Webhooks:
    settings = Settings(
        mattebox_home=tmp_path, webhook_hosts="hooks.example, Other.example:8443", webhook_secret=SECRET
    )

    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return Webhooks(settings, resolve, httpx.MockTransport(receiver))


async def test_the_end_is_posted_signed_and_pinned(tmp_path: Path, receiver: Receiver) -> None:
    assert await poster(tmp_path, receiver).tell(URL, JOB)
    (request,) = receiver.got
    assert str(request.url) == "https://93.184.216.34/done?key=1"
    assert request.headers["host"] == "hooks.example"
    assert request.extensions["sni_hostname"] == "hooks.example"
    assert json.loads(request.content) == {"event": "job.succeeded", "job": JOB}
    at, mac = (part.partition("=")[2] for part in request.headers["x-mattebox-signature"].split(","))
    signed = hmac.new(SECRET.encode(), at.encode() + b"." + request.content, hashlib.sha256)
    assert mac == signed.hexdigest()
    assert request.headers["x-mattebox-delivery"] == "job_aaaaaaaa:succeeded"


@pytest.mark.parametrize(
    ("statuses", "delivered", "tries"),
    [([200], True, 1), ([500, 503, 204], True, 3), ([500], False, 3), ([302], False, 3)],
)
async def test_it_is_tried_three_times_and_follows_no_redirect(
    tmp_path: Path, statuses: list[int], delivered: bool, tries: int
) -> None:
    receiver = Receiver(statuses)
    assert await poster(tmp_path, receiver).tell(URL, JOB) is delivered
    assert [request.url.host for request in receiver.got] == ["93.184.216.34"] * tries


PRIVATE = (
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1%eth0",
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
)


@pytest.mark.parametrize("address", PRIVATE)
async def test_no_private_address_in_any_form_is_called(tmp_path: Path, receiver: Receiver, address: str) -> None:
    for addresses in ((address,), ("93.184.216.34", address)):
        assert not await poster(tmp_path, receiver, addresses).tell(URL, JOB)
    assert receiver.got == []


def test_public_addresses_are_called() -> None:
    assert public(["93.184.216.34", "1.1.1.1"]) == "93.184.216.34"
    assert public(["2606:4700:4700::1111"]) == "2606:4700:4700::1111"
    with pytest.raises(InvalidRequest):
        public([])


@pytest.mark.parametrize(
    "url", [URL, "https://HOOKS.example", "https://other.example:8443/a", "https://hooks.example/"]
)
def test_listed_hosts_are_taken(tmp_path: Path, receiver: Receiver, url: str) -> None:
    assert poster(tmp_path, receiver).check(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/",
        "https://hooks.example:8443/",
        "https://other.example/",
        "https://hooks.example.evil.example/",
        "https://user:pw@hooks.example/",
        "https://hooks.example@evil.example/",
        "https://evil.example\\@hooks.example/",
        "https://127.0.0.1/",
        "https://hooks.example:x/",
        "https://hooks.example/\r\nX: y",
        "https://hooks.example/" + "a" * 2048,
        "ftp://hooks.example/",
        "hooks.example",
        "https://",
    ],
)
def test_other_addresses_are_refused(tmp_path: Path, receiver: Receiver, url: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        poster(tmp_path, receiver).check(url)
    assert caught.value.details["field"] == "X-Webhook-Url"


@pytest.mark.parametrize("given", [{}, {"webhook_hosts": "hooks.example"}, {"webhook_secret": SECRET}])
def test_they_are_off_unless_hosts_and_secret_are_set(tmp_path: Path, given: dict[str, str]) -> None:
    with pytest.raises(WebhooksOff):
        Webhooks(Settings(mattebox_home=tmp_path, **given)).check(URL)  # type: ignore[arg-type]


@pytest.fixture
def runner(tmp_path: Path, receiver: Receiver) -> Iterator[Runner]:
    toy_work.GATE.set()
    settings = Settings(mattebox_home=tmp_path)
    registry = Registry(Store("memory://"))

    async def detect(detector: str, frames: object) -> list[object]:
        return []

    host = Host(settings, registry, TOYS, detect, slots=1)  # type: ignore[arg-type]
    runner = Runner(registry, LocalDispatch({"Toy": host}), settings, TOYS)
    yield runner
    toy_work.GATE.clear()


@pytest.mark.parametrize(("text", "event"), [("abc", "job.succeeded"), ("refused", "job.failed")])
async def test_a_jobs_end_is_told_whatever_it_was(
    runner: Runner, tmp_path: Path, receiver: Receiver, text: str, event: str
) -> None:
    runner.jobs.webhooks = poster(tmp_path, receiver)
    begun = [await runner.begin("frames", {"text": text}, CONTEXT, url) for url in (URL, None, URL)]
    await cleared(runner)
    assert all(isinstance(item, Joined) for item in begun)
    (request,) = receiver.got
    said = json.loads(request.content)
    assert (said["event"], said["job"]["operation"]) == (event, "frames")
    assert "webhooks" not in said["job"]


async def test_over_http(runner: Runner, tmp_path: Path, receiver: Receiver) -> None:
    transport = httpx.ASGITransport(build_http(runner, runner.registry, runner.settings), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=SCOPE) as http:

        async def post(headers: dict[str, str]) -> tuple[int, str]:
            answer = await http.post("/frames", json={"text": "abc"}, headers=headers)
            return answer.status_code, answer.json().get("error", {}).get("code", "")

        assert await post(ASYNC | {"X-Webhook-Url": URL}) == (403, "webhooks_off")
        runner.jobs.webhooks = poster(tmp_path, receiver)
        assert await post({"X-Webhook-Url": URL}) == (400, "invalid_request")
        assert await post(ASYNC | {"X-Webhook-Url": "https://evil.example/"}) == (400, "invalid_request")
        assert await post(ASYNC | {"X-Webhook-Url": URL}) == (202, "")
