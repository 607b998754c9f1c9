"""What the tests of pictures share: uploads and masks in memory, and rendering without runner or store."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image

from artifacts import Asset, Record, Registry, Scope
from artifacts.canonical import make_id
from artifacts.errors import NotFound
from configs.settings import Settings
from deployments.engines.image_core import work
from deployments.engines.image_core.models import ImageMasksRequest, ImageRenderRequest
from deployments.engines.image_core.plan import plan_mask, plan_render
from deployments.operation import Context, Inputs, Output, Plan, Tools

CONTEXT = Context(Scope("t_acme", "test"), "r1")


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def pixels_of(data: bytes, mode: str | None = "RGBA") -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image.convert(mode) if mode else image)


@dataclass
class Stored:
    """A Source."""

    id: str
    kind: str
    media_type: str
    data: bytes
    meta: dict[str, Any] = field(default_factory=dict)
    role: str = ""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def read(self) -> bytes:
        return self.data

    def path(self) -> Path:
        raise NotImplementedError

    def json(self) -> Any:
        return json.loads(self.data)


@dataclass
class Bench:
    """A registry of what was added, and the two operations on it."""

    settings: Settings
    stored: dict[str, Stored] = field(default_factory=dict)

    def upload(self, data: bytes, media_type: str = "image/png", kind: str = "image", **meta: Any) -> str:
        """An asset with these bytes; its id."""
        id = make_id("asset", hashlib.sha256(data).hexdigest())
        self.stored[id] = Stored(id, kind, media_type, data, meta)
        return id

    def picture(self, pixels: np.ndarray) -> str:
        return self.upload(png(pixels), width=pixels.shape[1], height=pixels.shape[0])

    def keep(self, pixels: np.ndarray, kind: str = "mask") -> str:
        """An artifact; its id."""
        data = png(pixels)
        id = make_id(kind.split("_", maxsplit=1)[0], hashlib.sha256(data).hexdigest())
        meta = {"width": pixels.shape[1], "height": pixels.shape[0]}
        self.stored[id] = Stored(id, kind, "image/png", data, meta)
        return id

    def asset(self, scope: Scope, id: str) -> Asset:
        item = self._find(id)
        return Asset(id, item.kind, item.media_type, len(item.data), item.sha256, "", "", [], item.meta)

    def artifact(self, scope: Scope, id: str) -> Record:
        item = self._find(id)
        return Record(
            id,
            item.kind,
            scope.tenant,
            scope.env,
            None,
            "",
            item.sha256,
            len(item.data),
            item.media_type,
            "",
            meta=item.meta,
        )

    def _find(self, id: str) -> Stored:
        if id not in self.stored:
            raise NotFound
        return self.stored[id]

    def plan(self, body: dict[str, Any]) -> Plan:
        request = ImageRenderRequest.model_validate(body)
        return plan_render(request, CONTEXT, cast(Registry, self), self.settings)

    def render(self, body: dict[str, Any], stop: threading.Event | None = None) -> tuple[Plan, Output]:
        plan = self.plan(body)
        return plan, work.render(plan, cast(Inputs, self.stored), self.tools(stop))

    def pixels(self, composition: dict[str, Any]) -> np.ndarray:
        """The composition in its own size: uint8 [h, w, 4]."""
        output = self.render({"composition": composition})[1]
        assert isinstance(output.data, bytes)
        return pixels_of(output.data)

    def plan_mask(self, body: dict[str, Any]) -> Plan:
        return plan_mask(ImageMasksRequest.model_validate(body), CONTEXT, cast(Registry, self), self.settings)

    def mask(self, body: dict[str, Any]) -> tuple[np.ndarray, Output]:
        output = work.mask(self.plan_mask(body), cast(Inputs, self.stored), self.tools())
        assert isinstance(output.data, bytes)
        return pixels_of(output.data, None), output

    def tools(self, stop: threading.Event | None = None) -> Tools:
        nothing = cast(Any, None)
        return Tools(
            scratch=nothing,
            stop=stop or threading.Event(),
            progress=lambda done, total: None,
            detect=nothing,
            thread=nothing,
            side_id=nothing,
            weights=nothing,
            settings=self.settings,
            parts=nothing,
        )
