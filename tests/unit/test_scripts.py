"""Text in scripts that the font asked for lacks, and in lines that run both ways: against Pillow and by hand."""

from __future__ import annotations

import random
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from artifacts.canonical import digest
from configs.fonts import font, font_path
from configs.settings import Settings
from deployments.drawing import text
from deployments.drawing.runs import right_to_left, runs
from deployments.engines.typography_core import plan as typography_plan
from deployments.engines.typography_core.models import TypographyRenderRequest
from deployments.engines.video_render import captions
from tests.unit.image_bench import CONTEXT, Bench
from tests.unit.test_image_text import canvas

HEBREW, ARABIC, THAI, HAN = "שלום עולם", "مرحبا بالعالم", "สวัสดี", "漢字"


def scene(said: str, **fields: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"text": said, "size": 40.0} | fields
    body = TypographyRenderRequest.model_validate(given).model_dump(mode="json", exclude_none=True)
    return body | {"font": font(given.get("font")).name}


def drawn(said: str, **fields: Any) -> text.Drawn:
    return text.draw(scene(said, **fields), max_pixels=10_000_000, threads=1, field="text")


def ink(said: str, **fields: Any) -> np.ndarray:
    """uint8 [h, w]: the letters without the room around them."""
    made = drawn(said, **fields)
    x, y, width, height = made.ink
    return made.pixels[y : y + height, x : x + width, 3]


def by_pillow(said: str, name: str, size: int = 40) -> np.ndarray:
    """The same, a whole line by raqm and FriBiDi in one font."""
    face = ImageFont.truetype(str(font_path(name)), size, layout_engine=ImageFont.Layout.RAQM)
    picture = Image.new("L", (1200, 160))
    ImageDraw.Draw(picture).text((100, 100), said, fill=255, font=face, anchor="ls")
    cover = np.asarray(picture)
    rows, columns = np.nonzero(cover.any(1))[0], np.nonzero(cover.any(0))[0]
    return cover[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


@pytest.mark.parametrize(
    ("said", "name"), [(ARABIC, "Noto Sans Arabic"), (THAI, "Noto Sans Thai"), (HEBREW, "Open Sans")]
)
def test_a_script_that_the_font_lacks_is_set_in_one_that_has_it(said: str, name: str) -> None:
    assert not np.array_equal(by_pillow(said, name), by_pillow(said, "Noto Sans"))
    np.testing.assert_array_equal(ink(said), by_pillow(said, name))


@pytest.mark.parametrize("said", [f"one {HEBREW} two", f"{HEBREW} (one) 12.5", f"a, {HEBREW}! b", f"{HEBREW} 50%"])
def test_a_line_that_runs_both_ways_lies_as_fribidi_lays_it(said: str) -> None:
    ours, theirs = ink(said, font="Open Sans"), by_pillow(said, "Open Sans")
    assert ours.shape == theirs.shape
    # runs begin between pixels here and on whole ones there
    assert np.abs(ours.astype(int).sum(0) - theirs.astype(int).sum(0)).mean() < 0.15 * theirs.sum(0).mean()
    columns = [np.convolve(one.any(0), np.ones(3), "same") > 0 for one in (ours, theirs)]
    assert (columns[0] != columns[1]).mean() < 0.05


def test_random_lines_lie_as_fribidi_lays_them() -> None:
    rng = random.Random(5)
    parts = ["שלום", "עו", "abc", "de", " ", " ", "12", "3.5", "(", ")", "!", ",", "-", "%", "[", "]"]
    for _ in range(80):
        line = "ש" + "".join(rng.choices(parts, k=rng.randrange(3, 12))).rstrip()
        ours, theirs = ink(line, font="Open Sans"), by_pillow(line, "Open Sans")
        wide = max(ours.shape[1], theirs.shape[1])
        assert wide - min(ours.shape[1], theirs.shape[1]) <= 4, line
        profiles = [np.pad(one.astype(float).sum(0), (0, wide - one.shape[1])) for one in (ours, theirs)]
        smooth = [np.convolve(one, np.ones(7) / 7, "same") for one in profiles]
        assert np.abs(smooth[0] - smooth[1]).mean() < 0.25 * smooth[1].mean(), line


def test_runs_of_two_fonts_lie_in_the_order_of_reading() -> None:
    line = f"one {ARABIC} two"
    assert not right_to_left(line)
    assert [(run.text, run.font, run.direction) for run in runs(line, "Noto Sans", False)] == [
        ("one ", "Noto Sans", "ltr"),
        (ARABIC, "Noto Sans Arabic", "rtl"),
        (" ", "Noto Sans Arabic", "ltr"),
        ("two", "Noto Sans", "ltr"),
    ]
    line = f"{ARABIC} two"
    assert right_to_left(line)
    assert [run.text for run in runs(line, "Noto Sans", True)] == ["two", ARABIC + " "]


def test_joiners_stay_with_what_they_join() -> None:
    word = "می\u200cخواهم"
    assert [run.text for run in runs(word, "Noto Sans", True)] == [word]


def test_a_line_of_a_paragraph_from_the_right_keeps_its_direction_after_a_break() -> None:
    made = drawn(f"{HEBREW} one two!", size=40.0, box={"width": 200})
    last = made.layout.lines[-1]
    assert last.text.isascii()
    assert [piece.text for piece in last.pieces] == ["!", last.text[:-1]]


def test_tracking_lays_hebrew_from_the_right() -> None:
    word = "שלום"
    (line,) = drawn(word, tracking=300).layout.lines
    assert [piece.text for piece in line.pieces] == list(reversed(word))
    gaps = np.diff([piece.x for piece in line.pieces])
    assert (gaps > 0.3 * 40).all()
    plain = drawn(word).layout.width
    assert line.width == pytest.approx(plain + 3 * 0.3 * 40)


def test_justified_words_from_the_right_keep_their_order() -> None:
    words = ["אב", "גד", "הו", "זח", "טי", "כל"]
    first = drawn(" ".join(words), box={"width": 170}, align="justify").layout.lines[0]
    shown = first.text.split()
    assert 1 < len(shown) < len(words)
    assert first.width == pytest.approx(170)
    assert [piece.text for piece in first.pieces if piece.text.strip()] == shown[::-1]
    assert (np.diff([piece.x for piece in first.pieces]) > 0).all()


def plan(said: str) -> Any:
    request = TypographyRenderRequest.model_validate({"text": said, "size": 40.0})
    return typography_plan.plan_render(request, CONTEXT, cast(Any, None), Settings())


def test_the_key_names_the_fonts_that_set_the_text() -> None:
    assert "fallback_sha256" not in plan("plain").parameters
    assert plan(f"a {ARABIC} {THAI}").parameters["fallback_sha256"] == {
        name: font(name).sha256 for name in ("Noto Sans Arabic", "Noto Sans Thai")
    }


def test_letters_that_no_font_has_are_told() -> None:
    assert plan(f"{THAI} {ARABIC}").warnings == ()
    (warning,) = plan(f"a{HAN}b{HAN}").warnings
    assert (warning.field, warning.given) == ("text", HAN)
    assert len(plan("".join(chr(0x4E00 + i) for i in range(50))).warnings[0].given) == 20


@pytest.mark.parametrize("said", ["a\u2028b", "a\u2029b", "a\x85b", "a\u200db", "a\ufe0fb", "a\U000e0100b"])
def test_what_needs_no_glyph_is_not_told_and_asks_for_no_other_font(said: str) -> None:
    made = plan(said)
    assert made.warnings == ()
    assert "fallback_sha256" not in made.parameters


def test_layers_are_told_and_keyed_too() -> None:
    bench = Bench(Settings())
    made = bench.plan({"composition": canvas({"text": f"{ARABIC}{HAN}"})})
    assert [(one.field, one.given) for one in made.warnings] == [("composition.layers[0].text", HAN)]
    assert list(made.parameters["composition"]["layers"][0]["fallback_sha256"]) == ["Noto Sans Arabic"]
    assert digest(made.parameters) != digest(bench.plan({"composition": canvas({"text": HAN})}).parameters)


def test_burnt_captions_have_the_scripts_too() -> None:
    style = {"font": "Noto Sans", "size": 0.08, "background": "#00000000", "outline": "#00000000"}
    style |= {"color": "#ffffffff", "position": "bottom"}
    picture, _ = captions.draw([ARABIC], style, (640, 360))
    cover = picture[..., 3]
    rows, columns = np.nonzero(cover.any(1))[0], np.nonzero(cover.any(0))[0]
    expected = by_pillow(ARABIC, "Noto Sans Arabic", round(0.08 * 360))
    size = (rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1)
    near = 2 * max(1, round(0.06 * 0.08 * 360)) + 1
    assert np.abs(np.subtract(size, expected.shape)).max() <= near
    boxes = by_pillow(ARABIC, "Noto Sans", round(0.08 * 360))  # what the font asked for would draw
    assert np.abs(np.subtract(size, boxes.shape)).max() > 2 * near


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x85", "\u2028", "\u2029"])
def test_every_line_end_of_unicode_ends_a_line(end: str) -> None:
    assert [line.text for line in drawn(f"one{end}two").layout.lines] == ["one", "two"]


def test_a_cue_with_a_line_end_in_a_line_is_drawn() -> None:
    style = {"font": "Noto Sans", "size": 0.08, "position": "bottom"}
    style |= dict.fromkeys(("background", "outline", "color"), "#ffffffff")
    pictures = [captions.draw([said], style, (640, 360))[0] for said in ("one two", "one\u2029two", "one\n two ")]
    assert (pictures[0] == pictures[1]).all()
    assert (pictures[0] == pictures[2]).all()


@settings(max_examples=150, deadline=None)
@given(st.text(min_size=1, max_size=30), st.sampled_from([0.0, 100.0]), st.sampled_from(["left", "justify"]))
def test_any_text_is_drawn(said: str, tracking: float, align: str) -> None:
    made = drawn(said, size=8.0, tracking=tracking, align=align, box={"width": 60})
    assert made.pixels.shape[2] == 4
