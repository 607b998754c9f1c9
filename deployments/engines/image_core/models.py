"""The shapes of compositions, and of the requests that take them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from configs.presets import DEFAULT, Format
from deployments.body import Body
from deployments.engines.image_core.adjustments import Adjustment, Adjustments
from deployments.engines.image_core.layer_shape import LAYER_TYPES, Layer
from deployments.engines.image_core.parts import FILTER_TYPES, Effect, Filter, Gradient
from deployments.engines.image_core.shapes import SELECTION_TYPES, AssetId, Color, Pixels, Selection, Shape, Type

MOST_PRESETS = 64


def _format(value: Any) -> Any:
    name = value.upper() if isinstance(value, str) else value
    return "JPEG" if name == "JPG" else name


OutputFormat = Annotated[Format, BeforeValidator(_format)]


class Composition(Shape):
    """A picture as layers, bottom to top."""

    width: Pixels
    height: Pixels
    background_color: Color = "#00000000"
    color_space: Literal["srgb", "linear"] = Field("srgb", description="Where layers are blended.")
    layers: list[Layer]

    def normalized(self) -> dict[str, Any]:
        """JSON with defaults filled in, without the layers' ids and names: what two equal pictures have in common."""
        layers = [layer.normalized() for layer in self.layers]
        return self.model_dump(mode="json", exclude={"layers"}) | {"layers": layers}


class ImageRenderRequest(Body):
    """POST /image/render."""

    composition: Composition
    preset_id: str = Field(DEFAULT, max_length=64)
    format: OutputFormat | None = Field(None, description="Instead of the preset's.")
    quality: int | None = Field(None, strict=True, description="1 to 100, instead of the preset's.")
    parent_asset_id: AssetId | None = None


class ImageBatchRenderRequest(Body):
    """POST /image/batch-render."""

    composition: Composition
    preset_ids: list[Annotated[str, Field(max_length=64)]] = Field(min_length=1, max_length=MOST_PRESETS)


class ImagePreviewRequest(Body):
    """POST /image/preview."""

    composition: Composition
    max_side: int = Field(1024, strict=True, ge=1, le=8192, description="Pixels of the longer side at most.")


class ImageMasksRequest(Body):
    """POST /image/masks."""

    width: Pixels
    height: Pixels
    selection: Selection
    parent_asset_id: AssetId | None = None


__all__ = [
    "FILTER_TYPES",
    "LAYER_TYPES",
    "SELECTION_TYPES",
    "Adjustment",
    "Adjustments",
    "Composition",
    "Effect",
    "Filter",
    "Gradient",
    "ImageBatchRenderRequest",
    "ImageMasksRequest",
    "ImagePreviewRequest",
    "ImageRenderRequest",
    "Layer",
    "Selection",
    "Shape",
    "Type",
]
