"""The service as the commands see it: JSON in and out, refusals as one exception."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

JSON = dict[str, Any]
TIMEOUT = httpx.Timeout(600, connect=10)
"""Seconds. A small operation's answer may wait for a replica that is still starting; long ones are polled."""


class Refused(Exception):
    """The service answered with an error, or not at all. `error` is the envelope's own dict where there was one."""

    def __init__(self, message: str, error: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.error: JSON = dict(error or {"code": "unreachable", "message": message})


@dataclass(frozen=True, slots=True)
class Caller:
    """Where the service is, and who asks."""

    url: str
    tenant: str
    env: str
    key: str = ""

    @property
    def headers(self) -> dict[str, str]:
        bearer = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return {"X-Tenant-Id": self.tenant, "X-Env": self.env} | bearer


class Service:
    """One caller's client. `http` is a client that already knows the way, for tests without a network."""

    def __init__(self, caller: Caller, http: httpx.Client | None = None) -> None:
        self.url = caller.url
        self._headers = caller.headers
        try:
            self._http = http or httpx.Client(base_url=caller.url, timeout=TIMEOUT)
        except (httpx.InvalidURL, ValueError) as error:
            raise Refused(f"{caller.url!r} is no address: {error}") from None

    def get(self, path: str, **params: Any) -> JSON:
        body: JSON = self.ask("GET", path, params=_given(params)).json()
        return body

    def text(self, path: str, **params: Any) -> str:
        return self.ask("GET", path, params=_given(params)).text

    def post(self, path: str, body: JSON) -> JSON:
        answer: JSON = self.ask("POST", path, json=body).json()
        return answer

    def begin(self, path: str, body: JSON) -> tuple[JSON, bool]:
        """POST without waiting for long work: (the job, True), or where all is there already (the answer, False)."""
        answer = self.ask("POST", path, json=body, headers={"Prefer": "respond-async"})
        return answer.json(), answer.status_code == 202

    def delete(self, path: str) -> JSON:
        body: JSON = self.ask("DELETE", path).json()
        return body

    def upload(self, path: Path, fields: Mapping[str, str], file: Any) -> JSON:
        """The asset made of an open file."""
        asset: JSON = self.ask("POST", "/media-v2/assets", files={"file": (path.name, file)}, data=fields).json()
        return asset

    def save(self, path: str, target: Path, progress: Callable[[int, int], None]) -> None:
        """The content at `path` into a file, whole or not at all; progress(bytes so far, of how many)."""
        part = target.with_name(f"{target.name}.part")
        try:
            with self._http.stream("GET", path, headers=self._headers) as answer:
                if not answer.is_success:
                    answer.read()
                    raise _refused(answer)
                total = int(answer.headers.get("content-length", 0))
                with part.open("wb") as out:
                    for chunk in answer.iter_bytes():
                        out.write(chunk)
                        progress(out.tell(), total)
            part.replace(target)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None
        except OSError as error:
            raise Refused(f"{target} cannot be written: {error.strerror}") from None
        finally:
            part.unlink(missing_ok=True)

    def ask(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **sent: Any) -> httpx.Response:
        """Raises Refused for any answer that is no success."""
        try:
            answer = self._http.request(method, path, headers=self._headers | dict(headers or {}), **sent)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None
        if not answer.is_success:
            raise _refused(answer)
        return answer

    def _unreachable(self, error: httpx.HTTPError) -> Refused:
        return Refused(f"{self.url} does not answer ({error or type(error).__name__}); `make serve` starts the service")


def _refused(answer: httpx.Response) -> Refused:
    try:
        error = answer.json()["error"]
        return Refused(str(error["message"]), error)
    except (ValueError, KeyError, TypeError):  # a proxy in front, or another service
        said = " ".join(answer.text.split())[:200]
        return Refused(f"{answer.status_code} without an envelope: {said}", {"code": "unknown", "message": said})


def _given(params: Mapping[str, Any]) -> JSON:
    return {name: value for name, value in params.items() if value is not None}


__all__ = ["JSON", "Caller", "Refused", "Service"]
