"""What a request names in the registry, gathered while it is planned."""

from __future__ import annotations

from dataclasses import dataclass, field

from artifacts import Asset, Record, Registry
from configs.settings import Settings
from deployments.errors import InvalidRequest
from deployments.operation import JSON, Context, Input, Warning


@dataclass
class Found:
    """What a request names in the registry, gathered on the way."""

    context: Context
    registry: Registry
    inputs: dict[tuple[str, str], Input] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)
    """Content hash by id."""
    first_asset: str | None = None
    warnings: list[Warning] = field(default_factory=list)

    def clamped(self, field: str, given: float, low: float, high: float) -> float:
        """The value in its range, with a warning where it was not."""
        used = min(high, max(low, given))
        if used != given:
            self.warnings.append(Warning(f"{field} is clamped to {used:g}", field, given, used))
        return used

    def add(self, item: Asset | Record, role: str) -> None:
        self.inputs.setdefault((item.id, role), Input(item.id, role))
        self.sha256[item.id] = item.sha256
        if isinstance(item, Asset):
            self.first_asset = self.first_asset or item.id

    def picture(self, body: JSON, role: str, path: str) -> Asset | Record:
        """The picture that `asset_id` or `artifact_id` of a layer or selection names."""
        name = "asset_id" if body.get("asset_id") else "artifact_id"
        item: Asset | Record = (
            self.registry.asset(self.context.scope, body[name])
            if name == "asset_id"
            else self.registry.artifact(self.context.scope, body[name])
        )
        if not item.media_type.startswith("image/"):
            raise InvalidRequest(f"{path}.{name} is {item.media_type}; give a picture", field=f"{path}.{name}")
        self.add(item, role)
        return item


def check_size(width: int, height: int, path: str, settings: Settings) -> None:
    if width * height > settings.max_image_pixels:
        raise InvalidRequest(
            f"{width}x{height} is over the cap of {settings.max_image_pixels} pixels", field=f"{path}width"
        )


def same_size(item: Asset | Record, width: int, height: int, path: str) -> None:
    """As far as the record tells; the work looks again at the pixels."""
    size = (item.meta.get("width"), item.meta.get("height"))
    if item.meta.get("orientation", 1) >= 5:  # EXIF: shown lying on its side
        size = size[::-1]
    if None not in size and size != (width, height):
        raise InvalidRequest(
            f"{path} is {size[0]}x{size[1]}; it must have the size of the canvas, {width}x{height}", field=path
        )


__all__ = ["Found", "check_size", "same_size"]
