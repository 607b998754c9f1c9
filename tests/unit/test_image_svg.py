"""SVG layers: drawn as their renderer published them, and the hostile ones refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from configs.settings import Settings
from deployments.errors import InvalidRequest
from tests.unit.image_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(Settings(mattebox_home=tmp_path, max_image_pixels=4_000_000))


def canvas(*layers: dict[str, Any], width: int = 20, height: int = 20) -> dict[str, Any]:
    return {"width": width, "height": height, "layers": list(layers)}


def test_an_svg_is_drawn_at_the_size_it_will_have(bench: Bench) -> None:
    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2 1"><rect width="1" height="1" fill="#f00"/></svg>'
    got = bench.pixels(canvas({"svg": svg, "width": 20}))
    assert (got[:10, :10] == (255, 0, 0, 255)).all()
    assert got[..., 3].sum() == 10 * 10 * 255
    id = bench.upload(svg.encode(), "image/svg+xml", width=2, height=1)
    assert (bench.pixels(canvas({"asset_id": id, "width": 20})) == got).all()


def test_svgs_look_as_their_renderer_published_them(bench: Bench, shared_data: Path) -> None:
    folder = shared_data / "image" / "svg" / "pairs"
    for path in sorted(folder.glob("*.svg")):
        with Image.open(path.with_suffix(".png")) as image:
            expected = np.asarray(image.convert("RGBA")).astype(np.float64)
        height, width = expected.shape[:2]
        layer = {"svg": path.read_text(), "width": width, "height": height}
        got = bench.pixels(canvas(layer, width=width, height=height)).astype(np.float64)
        a, b = (p[..., :3] * p[..., 3:] / 255 + 255 - p[..., 3:] for p in (got, expected))
        assert np.abs(a - b).mean() <= 1.0, path.name
        assert (np.abs(a - b).max(-1) > 8).mean() <= (0.02 if "filters" in path.name else 0.01), path.name


HOSTILE = {
    "script": '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>1</script></svg>',
    "handler": '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" onload="1"/>',
    "file": '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:///etc/passwd"/></svg>',
    "relative": '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="a.png"/></svg>',
    "style": '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect style="fill:url(http://a/b)"/></svg>',
    "import in pieces": '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><style>@imp<!-- -->ort "a";'
    "</style></svg>",
    "doctype": '<!DOCTYPE svg><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "import": '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><style>@import "a";</style></svg>',
    "nested svg": '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">'
    '<image href="data:image/svg+xml,%3Csvg/%3E"/></svg>',
    "mislabelled": '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">'
    '<image href="data:image/png,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22/%3E"/></svg>',
    "not xml": "hello",
    "not svg": "<html/>",
    "no size": '<svg xmlns="http://www.w3.org/2000/svg" width="0" height="9"/>',
    "exponential use": '<svg xmlns="http://www.w3.org/2000/svg" xmlns:x="http://www.w3.org/1999/xlink" width="9" '
    'height="9"><g id="a0"><rect width="1" height="1"/></g>'
    + "".join(f'<g id="a{i}">' + f'<use x:href="#a{i - 1}"/>' * 10 + "</g>" for i in range(1, 10))
    + "</svg>",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_svg_is_refused(bench: Bench, name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        bench.pixels(canvas({"svg": HOSTILE[name]}))
    assert caught.value.details["field"] == "composition.layers[0].svg"


def test_the_hostile_files_are_refused(bench: Bench, shared_data: Path) -> None:
    files = sorted((shared_data / "image" / "svg" / "refuse").glob("*.svg"))
    assert len(files) == 6
    for path in files:
        with pytest.raises(InvalidRequest):
            bench.pixels(canvas({"svg": path.read_text()}))


def test_much_smaller_than_a_pixel_is_not_an_error(bench: Bench) -> None:
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="50" height="90"><rect width="50" height="90"/></svg>'
    assert bench.pixels(canvas({"svg": svg, "scale": 0.001})).max() <= 1
