"""The few HTTP calls that the demo makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

JSON = dict[str, Any]


class Refused(Exception):
    """The service answered with an error envelope."""


class Client:
    """One tenant's HTTP client."""

    def __init__(self, url: str, tenant: str = "t_demo", env: str = "dev") -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, headers={"X-Tenant-Id": tenant, "X-Env": env}, timeout=1800)

    def ready(self) -> bool:
        try:
            return self._http.get("/readyz", timeout=10).status_code == 200
        except httpx.HTTPError:
            return False

    def upload(self, path: Path) -> JSON:
        with path.open("rb") as file:
            return self._checked(self._http.post("/media-v2/assets", files={"file": (path.name, file)}))

    def post(self, path: str, body: JSON) -> JSON:
        return self._checked(self._http.post(path, json=body))

    def get(self, path: str) -> JSON:
        return self._checked(self._http.get(path))

    def text(self, path: str) -> str:
        return self._http.get(path).raise_for_status().text

    def save(self, artifact_id: str, path: Path) -> Path:
        with self._http.stream("GET", f"/media-v2/artifacts/{artifact_id}/content") as answer:
            answer.raise_for_status()
            with path.open("wb") as file:
                for chunk in answer.iter_bytes():
                    file.write(chunk)
        return path

    def computations(self) -> float:
        """How often any operation's work ran."""
        lines = self.text("/metrics").splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("mattebox_computations_total{"))

    @staticmethod
    def _checked(answer: httpx.Response) -> JSON:
        if answer.is_success:
            body: JSON = answer.json()
            return body
        try:
            raise Refused(answer.json()["error"]["message"])
        except (ValueError, KeyError):
            raise Refused(f"{answer.status_code}: {answer.text[:200]}") from None


__all__ = ["Client", "Refused"]
