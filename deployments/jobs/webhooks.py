"""Webhooks: who asked for it is told of a job's end by a signed POST, under the same egress rules as any fetch.

Only hosts that the operator lists, only https, the name resolved once and the connection pinned to what it resolved to,
no address that is not public, no redirects, few seconds, and nothing read of the answer but its status.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import json
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import httpx

from configs.settings import Settings
from deployments.errors import InvalidRequest, WebhooksOff

log = logging.getLogger(__name__)

HEADER = "X-Webhook-Url"
SIGNATURE = "X-Mattebox-Signature"
DELIVERY = "X-Mattebox-Delivery"
PAUSES_S = (0.0, 1.0, 5.0)
"""Before each attempt."""
TIMEOUT_S = 5.0
MAX_URL = 2048
Resolve = Callable[[str, int], Awaitable[list[str]]]


class Webhooks:
    """Checks addresses when they are given, and posts to them when a job has ended: at least once, seldom twice."""

    def __init__(
        self, settings: Settings, resolve: Resolve | None = None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._secret = settings.webhook_secret.encode()
        self._hosts = frozenset(host.strip().lower() for host in settings.webhook_hosts.split(",") if host.strip())
        self._resolve = resolve or _resolve
        self._transport = transport

    def check(self, url: str) -> str:
        """The address itself. Raises WebhooksOff; InvalidRequest for one that may not be called."""
        if not (self._secret and self._hosts):
            raise WebhooksOff(
                "webhooks are off here: the operator lists WEBHOOK_HOSTS and sets WEBHOOK_SECRET to allow them; "
                "GET /jobs/{id}/events tells a job's end without"
            )
        _parts(url, self._hosts)
        return url

    async def tell(self, url: str, job: dict[str, Any]) -> bool:
        """POST the job to the address; whether it answered 2xx. Never raises: a job's end does not depend on it."""
        body = json.dumps({"event": f"job.{job['state']}", "job": job}, separators=(",", ":")).encode()
        for pause in PAUSES_S:
            await asyncio.sleep(pause)
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    if await self._post(url, body, f"{job['id']}:{job['state']}"):
                        return True
            except (httpx.HTTPError, TimeoutError, OSError, InvalidRequest, WebhooksOff) as error:
                log.info(
                    "a webhook was not delivered", extra={"about": {"job": job["id"], "why": type(error).__name__}}
                )
        return False

    async def _post(self, url: str, body: bytes, delivery: str) -> bool:
        host, port, path = _parts(self.check(url), self._hosts)
        address = public(await self._resolve(host, port))
        headers = {
            "Host": host if port == 443 else f"{host}:{port}",
            "Content-Type": "application/json",
            SIGNATURE: sign(self._secret, int(time.time()), body),
            DELIVERY: delivery,
        }
        pinned = f"https://[{address}]:{port}{path}" if ":" in address else f"https://{address}:{port}{path}"
        async with (
            httpx.AsyncClient(
                transport=self._transport, timeout=TIMEOUT_S, follow_redirects=False, trust_env=False
            ) as client,
            client.stream("POST", pinned, content=body, headers=headers, extensions={"sni_hostname": host}) as answer,
        ):
            return bool(answer.is_success)


def sign(secret: bytes, at: int, body: bytes) -> str:
    """`t=<seconds since the epoch>,v1=<hex HMAC-SHA256 of "{t}.{body}">`: the time is signed too, against replay."""
    mac = hmac.new(secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={mac}"


def public(addresses: list[str]) -> str:
    """The address to connect to. Raises InvalidRequest unless every address of the name is a public one: a name that
    resolves to both kinds is an attempt."""
    found = [ipaddress.ip_address(text.partition("%")[0]) for text in addresses]
    inner = [getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None) or ip for ip in found]
    if not found or not all(ip.is_global and not (ip.is_multicast or ip.is_reserved) for ip in (*found, *inner)):
        raise InvalidRequest("the webhook's host has an address that is not public", field=HEADER)
    return str(found[0])


def _parts(url: str, hosts: frozenset[str]) -> tuple[str, int, str]:
    """Host, port, and path with query. Raises InvalidRequest."""
    try:
        parsed = urlsplit(url)
        host, port = (parsed.hostname or "").lower(), parsed.port or 443
    except ValueError:
        raise InvalidRequest(f"{HEADER} is no address", field=HEADER) from None
    plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= MAX_URL
    if not plain or parsed.scheme != "https" or not host or parsed.username is not None or "\\" in url:
        raise InvalidRequest(f"{HEADER} must be https://host/path, without user or password", field=HEADER)
    if (host if port == 443 else f"{host}:{port}") not in hosts:
        raise InvalidRequest(f"{HEADER}: this host is not among those that the operator lists", field=HEADER)
    return host, port, (parsed.path or "/") + (f"?{parsed.query}" if parsed.query else "")


async def _resolve(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(row[4][0]) for row in found]


__all__ = ["DELIVERY", "HEADER", "SIGNATURE", "Webhooks", "public", "sign"]
