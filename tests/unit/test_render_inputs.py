"""Hard inputs: silent, HDR, cut off: the right result or a clean error. Their timing is in test_flash_and_beep.py."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from deployments.errors import UndecodableMedia
from kernels import tonemap
from tests.unit.flashes import FLASH_S, flash_and_beep, flashes
from tests.unit.renders import Shop, clip, decoded, file, luma, timeline
from tests.unit.test_flash_and_beep import together


def test_no_sound_makes_no_stream(shop: Shop, tmp_path: Path) -> None:
    silent = shop.asset(clip(tmp_path / "silent.mp4", [0, 40, 80], grey=True))
    output = shop.render(timeline(silent.id, out_ms=80) | {"normalize_audio": True})
    assert output.meta["audio"] == "none"
    with av.open(str(file(output))) as made:
        assert not made.streams.audio


@pytest.mark.parametrize(("transfer", "code"), [("pq", 16), ("hlg", 18)])
def test_hdr_becomes_sdr(transfer: str, code: int, shop: Shop, tmp_path: Path) -> None:
    """The flat grey of each frame, against the reference; the file says that it is BT.709."""
    source = flash_and_beep(tmp_path / "hdr.mp4", pixels="yuv420p10le", codec="libx265", color=(9, 9, code))
    asset = shop.asset(source)
    assert asset.meta["codec_info"]["video"]["color_transfer"] == code
    output = file(shop.render(timeline(asset.id)))
    wide = (np.full((2, 2), 200, np.uint16), np.full((1, 1), 512, np.uint16), np.full((1, 1), 512, np.uint16))
    dark = float(tonemap.reference(wide, transfer)[0, 0, 0])  # type: ignore[arg-type]
    first = next(decoded(output))
    assert first.to_ndarray()[:48].mean() == pytest.approx(dark, abs=2)
    assert (int(first.colorspace), int(first.color_trc), first.format.name) == (1, 1, "yuv420p")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_truncated_matroska_gives_what_it_holds_or_a_clean_error(share: float, shop: Shop, tmp_path: Path) -> None:
    source = flash_and_beep(tmp_path / "whole.webm", codec="libvpx-vp9")
    data = source.read_bytes()
    (tmp_path / "cut.webm").write_bytes(data[: int(len(data) * share)])
    try:
        asset = shop.asset(tmp_path / "cut.webm", "video/webm")
        output = file(shop.render(timeline(asset.id)))
    except UndecodableMedia:
        return
    assert len(luma(output, 48)) > 0
    if share > 0.8:
        together(output, [FLASH_S], 25)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("options", [{}, {"movflags": "+faststart"}])
def test_a_truncated_mp4_is_refused(share: float, options: dict[str, str], shop: Shop, tmp_path: Path) -> None:
    """Its index, in front or behind, names bytes that are not there, or is not there itself."""
    data = flash_and_beep(tmp_path / "whole.mp4", options=options).read_bytes()
    with pytest.raises(UndecodableMedia):
        shop.asset(data[: int(len(data) * share)])


@pytest.mark.parametrize("share", [0.6, 0.8, 0.95])
def test_a_truncated_fragmented_mp4_gives_what_it_holds_or_a_clean_error(
    share: float, shop: Shop, tmp_path: Path
) -> None:
    """As cameras and streams leave it: an index for each fragment."""
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "200000"}
    whole = flash_and_beep(tmp_path / "whole.mp4", options=options)
    data = whole.read_bytes()
    try:
        output = file(shop.render(timeline(shop.asset(data[: int(len(data) * share)]).id)))
    except UndecodableMedia:
        return
    assert len(luma(output, 48)) > 0
    if flashes(output):
        together(output, flashes(whole), 25)
