"""Colour profiles and unusual files: against littleCMS, and against what was put into the file."""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from configs.settings import Settings
from deployments.drawing import icc
from deployments.errors import UndecodableMedia
from deployments.media.pictures import picture_meta
from tests.unit.image_bench import Bench

SIDE = 16
P3 = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
BT709 = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
"""Colorants as XYZ of D50."""
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
PARAMETRIC = b"para" + bytes(4) + struct.pack(">HH5i", 3, 0, *(round(v * 65536) for v in _SRGB_CURVE))
TABLE = b"curv" + bytes(4) + struct.pack(">I64H", 64, *(round((i / 63) ** 1.6 * 65535) for i in range(64)))


def gamma(value: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(value * 256))


def profile(space: bytes, curve: bytes, colorants: tuple[tuple[float, ...], ...] = (), name: str = "made") -> bytes:
    """An ICC profile, version 2.1, of a monitor."""

    def xyz(*values: float) -> bytes:
        return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in values))

    text = name.encode() + b"\0"
    white = xyz(0.9642, 1, 0.8249)
    tags = {b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78), b"wtpt": white}
    tags[b"cprt"] = b"text" + bytes(4) + b"none\0"
    if space == b"GRAY":
        tags[b"kTRC"] = curve
    for letter, colorant in zip(b"rgb", colorants, strict=False):
        tags |= {bytes([letter]) + b"XYZ": xyz(*colorant), bytes([letter]) + b"TRC": curve}
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for tag, data in tags.items():
        table += tag + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = start + len(body)
    head = struct.pack(
        ">I4sI4s4s4s6H4s", size, b"lcms", 0x02100000, b"mntr", space, b"XYZ ", 2020, 1, 1, 0, 0, 0, b"acsp"
    )
    return (head.ljust(68, b"\0") + white[8:]).ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


WIDE = profile(b"RGB ", gamma(2.2), P3)
LINEAR = profile(b"RGB ", gamma(1.0), BT709, name="linear sRGB")
GREY = profile(b"GRAY", gamma(1.8))


def littlecms(image: Image.Image, embedded: bytes) -> np.ndarray:
    """int [h, w, 3]"""
    own: Any = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
    made: Any = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
    return np.asarray(made).astype(int)


def colors(channels: int = 3) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (SIDE, SIDE, channels), dtype=np.uint8)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(Settings(mattebox_home=tmp_path))


def upload(bench: Bench, data: bytes, media_type: str) -> str:
    """As the routes do it: with what the file's header tells."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return bench.upload(data, media_type, **picture_meta(Path(file.name), media_type, bench.settings))


def shown(bench: Bench, data: bytes, media_type: str = "image/png") -> np.ndarray:
    """int [SIDE, SIDE, 4]"""
    id = upload(bench, data, media_type)
    return bench.pixels({"width": SIDE, "height": SIDE, "layers": [{"asset_id": id}]}).astype(int)


def saved(image: Image.Image, format: str = "PNG", **how: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **how)
    return file.getvalue()


@pytest.mark.parametrize("embedded", [WIDE, LINEAR], ids=["wide", "linear"])
def test_a_profile_is_honoured_whatever_it_calls_itself(bench: Bench, embedded: bytes) -> None:
    image = Image.fromarray(colors())
    got = shown(bench, saved(image, icc_profile=embedded))
    assert (got[..., :3] == littlecms(image, embedded)).all()
    assert np.abs(got[..., :3] - colors()).max() > 40


def test_pictures_in_srgb_stay_as_they_are(bench: Bench) -> None:
    named_otherwise = profile(b"RGB ", PARAMETRIC, BT709, name="camera")
    own: Any = ImageCms.createProfile("sRGB")
    for embedded in (named_otherwise, ImageCms.ImageCmsProfile(own).tobytes()):
        assert (shown(bench, saved(Image.fromarray(colors()), icc_profile=embedded))[..., :3] == colors()).all()


def test_a_palette_is_converted_by_its_profile(bench: Bench) -> None:
    image = Image.fromarray(colors()).quantize(64)
    got = shown(bench, saved(image, icc_profile=WIDE))
    assert (got[..., :3] == littlecms(image.convert("RGB"), WIDE)).all()


def test_a_profile_leaves_transparency_alone(bench: Bench) -> None:
    image = Image.fromarray(colors())
    first = tuple(int(v) for v in colors()[0, 0])
    got = shown(bench, saved(image, icc_profile=WIDE, transparency=first))
    assert got[0, 0].tolist() == [0, 0, 0, 0]
    assert (got[1:, :, :3] == littlecms(image, WIDE)[1:]).all()
    grey = colors(2)
    grey[..., 1] |= 1
    got = shown(bench, saved(Image.fromarray(grey, "LA"), icc_profile=GREY))
    assert (got[..., 3] == grey[..., 1]).all()
    assert (got[..., :3] == littlecms(Image.fromarray(grey[..., 0]), GREY)).all()


def test_a_grey_picture_may_have_a_profile_of_colours(bench: Bench) -> None:
    data = saved(Image.fromarray(colors()[..., 0]), "JPEG", quality=100, icc_profile=LINEAR)
    decoded = Image.open(io.BytesIO(data)).convert("RGB")
    assert (shown(bench, data, "image/jpeg")[..., :3] == littlecms(decoded, LINEAR)).all()


def test_a_profile_of_another_kind_of_picture_is_as_good_as_none(bench: Bench) -> None:
    for embedded in (GREY, b"no profile"):
        assert (shown(bench, saved(Image.fromarray(colors()), icc_profile=embedded))[..., :3] == colors()).all()


def png16(values: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    """uint16 [h, w, 1 or 3] as a PNG with these chunks ahead of its pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width, channels = values.shape
    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 3: 2}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    more = b"".join(chunk(*one) for one in chunks)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + more + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


def iccp(embedded: bytes) -> tuple[bytes, bytes]:
    return b"iCCP", b"icc\0\0" + zlib.compress(embedded)


@pytest.mark.parametrize("curve", [gamma(2.2), PARAMETRIC, TABLE], ids=["gamma", "parametric", "table"])
def test_sixteen_bits_are_converted_as_littlecms_converts_eight(bench: Bench, curve: bytes) -> None:
    embedded = profile(b"RGB ", curve, P3)
    got = shown(bench, png16(colors().astype(np.uint16) * 257, iccp(embedded)))
    assert np.abs(got[..., :3] - littlecms(Image.fromarray(colors()), embedded)).max() <= 1
    grey = colors()[..., :1]
    got = shown(bench, png16(grey.astype(np.uint16) * 257, iccp(profile(b"GRAY", curve))))
    same = Image.fromarray(np.repeat(grey, 3, 2))  # of grey ones littleCMS rounds the darkest by the way
    assert np.abs(got[..., :3] - littlecms(same, profile(b"RGB ", curve, BT709))).max() <= 1


def test_sixteen_bits_keep_their_depth_through_a_profile(bench: Bench) -> None:
    """Greys within one step of 8 bits, told apart two stops brighter as the profile's formula has them."""
    values = np.zeros((SIDE, SIDE, 3), np.uint16)
    values[:] = np.linspace(700, 770, SIDE).astype(np.uint16)[None, :, None]
    id = upload(bench, png16(values, iccp(LINEAR)), "image/png")
    layer = {"asset_id": id, "adjustments": {"exposure": 2.0}}
    got = bench.pixels({"width": SIDE, "height": SIDE, "layers": [layer]})[0, :, 1].astype(float)
    encoded = 1.055 * (values[0, :, 1] / 65535) ** (1 / 2.4) - 0.055
    assert np.abs(got - (encoded**2.2 * 4) ** (1 / 2.2) * 255).max() <= 1
    assert len(np.unique(got)) == 4


def parametric(kind: int, *values: float) -> bytes:
    return b"para" + bytes(4) + struct.pack(f">HH{len(values)}i", kind, 0, *(round(v * 65536) for v in values))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "curve",
    [
        gamma(0),
        parametric(0, -2.0),
        parametric(1, 2.4, 0, 0.1),
        parametric(2, -1, 1, 0, 0.5),
        parametric(3, -9, 1, -1, 0, 0),
    ],
    ids=["flat", "endless", "placeless", "pole", "holes"],
)
def test_a_curve_may_be_nonsense(bench: Bench, curve: bytes) -> None:
    got = [shown(bench, png16(colors().astype(np.uint16) * 257, iccp(profile(b"RGB ", curve, P3)))) for _ in range(2)]
    assert (got[0] == got[1]).all()
    assert (got[0][..., 3] == 255).all()


def test_only_tables_are_left_to_eight_bits() -> None:
    assert icc.formulas(WIDE) is not None
    assert icc.formulas(WIDE.replace(b"cprt", b"A2B0")) is None
    assert icc.formulas(WIDE[:200]) is None
    assert icc.formulas(b"") is None


def test_the_transparent_value_of_deep_grey_is_transparent(bench: Bench) -> None:
    values = np.arange(SIDE * SIDE, dtype=np.uint16).reshape(SIDE, SIDE, 1) * 100
    got = shown(bench, png16(values, (b"tRNS", struct.pack(">H", 300))))
    assert (got[0, :5, 3] == [255, 255, 255, 0, 255]).all()


def tiff(values: np.ndarray, **how: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, **how)
    return file.getvalue()


def test_floats_are_converted_as_littlecms_converts_eight_bits(bench: Bench) -> None:
    values = colors().astype(np.float32) / 255
    got = shown(bench, tiff(values, photometric="rgb", iccprofile=WIDE), "image/tiff")
    assert np.abs(got[..., :3] - littlecms(Image.fromarray(colors()), WIDE)).max() <= 1


def test_deep_tiffs_say_what_is_white(bench: Bench) -> None:
    rng = np.random.default_rng(3)
    half = rng.integers(0, 2**16, (SIDE, SIDE), dtype=np.uint16)
    got = shown(bench, tiff(half, photometric="miniswhite"), "image/tiff")
    assert np.abs(got[..., 0] - (255 - half / 257)).max() <= 0.51
    whole = rng.integers(0, 2**32, (SIDE, SIDE), dtype=np.uint32)
    assert np.abs(shown(bench, tiff(whole), "image/tiff")[..., 0] - whole / 2**32 * 255).max() <= 0.51


def test_what_pillow_would_mix_is_refused(bench: Bench) -> None:
    values = np.random.default_rng(3).integers(0, 2**16, (3, SIDE, SIDE), dtype=np.uint16)
    together = tiff(np.ascontiguousarray(values.transpose(1, 2, 0)), photometric="rgb")
    assert np.abs(shown(bench, together, "image/tiff")[..., :3] - values.transpose(1, 2, 0) / 257).max() <= 0.51
    with pytest.raises(UndecodableMedia):
        shown(bench, tiff(values, photometric="rgb", planarconfig="separate"), "image/tiff")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("format", "media_type"), [("TIFF", "image/tiff"), ("JPEG", "image/jpeg")])
def test_a_turned_picture_selects_on_a_canvas_that_it_fits_upright(
    bench: Bench, orientation: int, format: str, media_type: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    how = {"tiffinfo": {0x0112: orientation}} if format == "TIFF" else {"exif": exif}
    id = upload(bench, saved(Image.fromarray(colors()[:4, :8]), format, **how), media_type)
    width, height = (4, 8) if orientation >= 5 else (8, 4)
    selection = {"type": "luminance", "asset_id": id}
    assert bench.mask({"width": width, "height": height, "selection": selection})[0].shape == (height, width)
