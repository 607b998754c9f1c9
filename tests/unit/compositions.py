"""Compositions at random: every one that `composition()` draws is valid by the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from configs.settings import Settings
from deployments.engines.image_core.parts import FILTER_TYPES
from kernels.blend import ALIASES, MODES
from kernels.ranges import LAYER_RANGES, LEVELS_RANGES, RANGES
from tests.unit.image_bench import Bench

JSON = dict[str, Any]
SIZES = ((1, 1), (3, 17), (16, 12), (24, 24))
MOST_LAYERS = 6


def stocked(threads: int = 2) -> Bench:
    """A bench with two pictures, one of 16 bits, and a mask of each size: the same bytes in every process."""
    bench = Bench(Settings(mattebox_home=Path("/nowhere"), max_image_pixels=100_000, threads=threads))
    for number, (width, height) in enumerate(SIZES):
        rng = np.random.default_rng(number)
        bench.picture(rng.integers(0, 256, (height, width, 4), dtype=np.uint8))
        bench.picture(rng.integers(0, 65_536, (height, width), dtype=np.uint16))
        bench.keep(rng.integers(0, 256, (height, width), dtype=np.uint8))
    return bench


IDS = list(stocked().stored)
"""Picture, deep picture and mask of each of SIZES."""

modes = st.sampled_from([*MODES, *ALIASES])
shares = st.one_of(st.just(1.0), st.floats(0, 1), st.sampled_from([0.0, 0.5]))
places = st.one_of(st.integers(-12, 24), st.floats(-12, 24))
sides = st.one_of(st.integers(1, 24), st.floats(0.05, 30))
points = st.tuples(places, places).map(list)
angles = st.one_of(st.sampled_from([0, 90, 180, 45]), st.floats(-400, 400))
colors = st.one_of(
    st.sampled_from(["#fff", "#000000", "#808080", "#ff000080", "#00000000"]),
    st.integers(0, 2**32 - 1).map("#{:08x}".format),
)
gradients = st.fixed_dictionaries(
    {"stops": st.lists(st.tuples(st.floats(0, 1), colors).map(list), min_size=2, max_size=4).map(sorted)},
    optional={"type": st.sampled_from(["linear", "radial", "conic"]), "angle": angles, "radius": sides},
)
effects = st.one_of(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["drop_shadow", "inner_shadow"])},
        optional={"color": colors, "offset": points, "size": st.floats(0, 9), "spread": shares, "opacity": shares,
                  "blend_mode": modes},
    ),
    st.fixed_dictionaries(
        {"type": st.just("stroke")},
        optional={"color": colors, "size": st.floats(0.1, 9), "blend_mode": modes, "opacity": shares,
                  "position": st.sampled_from(["outside", "inside", "center"])},
    ),
    st.fixed_dictionaries({"type": st.just("color_overlay"), "color": colors}, optional={"blend_mode": modes}),
    st.fixed_dictionaries({"type": st.just("gradient_overlay"), "gradient": gradients}, optional={"opacity": shares}),
)  # fmt: skip


@st.composite
def filters(draw: st.DrawFn) -> JSON:
    kind = draw(st.sampled_from(list(FILTER_TYPES)))
    numbers = {"radius": st.floats(0, 8), "amount": shares, "threshold": shares, "angle": angles,
               "seed": st.integers(0, 2**32 - 1)}  # fmt: skip
    own = {name: numbers[name] for name in FILTER_TYPES[kind].fields}
    return {"type": kind} | draw(st.fixed_dictionaries({}, optional=own))


@st.composite
def adjustments(draw: st.DrawFn) -> JSON:
    kind = draw(st.sampled_from(list(LAYER_RANGES)))
    own = {name: st.floats(row.low, row.high) for name, row in LAYER_RANGES[kind].items()}
    curve = st.lists(st.integers(0, 255), min_size=2, max_size=5, unique=True).flatmap(
        lambda xs: st.lists(st.integers(0, 255), min_size=len(xs), max_size=len(xs)).map(
            lambda ys: [list(pair) for pair in zip(sorted(xs), ys, strict=True)]
        )
    )
    levels = st.fixed_dictionaries(
        {}, optional={name: st.floats(row.low, row.high) for name, row in LEVELS_RANGES.items()}
    )
    for name in ("rgb", "r", "g", "b") if kind in ("levels", "curves") else ():
        own[name] = curve if kind == "curves" else levels
    own |= {
        "brightness_contrast": {"legacy": st.booleans()},
        "black_white": {"tint_color": colors},
        "photo_filter": {"color": colors, "preserve_luminosity": st.booleans()},
        "hue_saturation": {
            "colorize": st.booleans(),
            "ranges": st.lists(
                st.fixed_dictionaries({"range": st.tuples(angles, angles, angles, angles).map(list)},
                                      optional={"hue": st.floats(-180, 180), "lightness": st.floats(-100, 100)}),
                max_size=2,
            ),
        },
    }.get(kind, {})  # fmt: skip
    return {"kind": kind} | draw(st.fixed_dictionaries({}, optional=own))


def selections(size: int) -> st.SearchStrategy[JSON]:
    """Whose pictures have the size of that number."""
    changes = {"feather_radius": st.floats(0, 6), "grow": st.floats(-4, 4), "inverted": st.booleans()}
    curve = {"type": st.sampled_from(["polygon", "lasso"]), "points": st.lists(points, min_size=3, max_size=6)}
    box = {"type": st.sampled_from(["rect", "ellipse"]), "x": places, "y": places, "width": sides, "height": sides}
    stroke = st.fixed_dictionaries(
        {"points": st.lists(points, min_size=1, max_size=3), "width": sides}, optional={"hardness": shares}
    )
    asset = {"asset_id": st.just(IDS[3 * size])}
    simple = st.one_of(
        st.fixed_dictionaries(curve, optional=changes | {"fill_rule": st.sampled_from(["nonzero", "evenodd"])}),
        st.fixed_dictionaries(box, optional=changes | {"rotation": angles}),
        st.fixed_dictionaries(
            {"type": st.just("brush"), "strokes": st.lists(stroke, min_size=1, max_size=2)}, optional=changes
        ),
        st.fixed_dictionaries({"type": st.sampled_from(["alpha", "luminance"])} | asset, optional=changes),
        st.fixed_dictionaries(
            {"type": st.just("color_range"), "color": colors, "tolerance": st.floats(0, 255)} | asset,
            optional={"refine": st.fixed_dictionaries(asset, optional={"radius": st.floats(0, 6)})},
        ),
    )
    several = st.fixed_dictionaries(
        {"type": st.just("combine"), "op": st.sampled_from(["add", "subtract", "intersect", "xor"]),
         "items": st.lists(simple, min_size=1, max_size=2)},
        optional=changes,
    )  # fmt: skip
    return st.one_of(simple, several)


def _content() -> st.SearchStrategy[JSON]:
    """What makes a layer of a type with pixels."""
    texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=5)
    typeset = {"text_size": st.floats(0.1, 30), "text_color": colors, "text_tracking": st.floats(-300, 900),
               "align": st.sampled_from(["left", "center", "right", "justify"]), "line_height": st.floats(0.5, 2),
               "box": st.fixed_dictionaries({"width": st.integers(1, 40)}, optional={"height": st.integers(1, 40)}),
               "stroke": st.fixed_dictionaries({"width": st.floats(0.1, 6)}, optional={"color": colors}),
               "shadow": st.fixed_dictionaries({}, optional={"blur": st.floats(0, 5), "offset": points})}  # fmt: skip
    return st.one_of(
        st.fixed_dictionaries({"asset_id": st.sampled_from([id for id in IDS if id.startswith("asset")])}),
        st.fixed_dictionaries({"color": colors}),
        st.fixed_dictionaries({"gradient": gradients}),
        st.fixed_dictionaries({"text": texts}, optional=typeset),
    )


def _layers(size: int, most: int, depth: int) -> st.SearchStrategy[list[JSON]]:
    common = {
        "opacity": shares, "fill_opacity": shares, "visible": st.sampled_from([True, True, True, False]),
        "clip_to_below": st.booleans(), "mask_density": shares,
    }  # fmt: skip
    either = {"mask": selections(size), "mask_artifact_id": st.just(IDS[3 * size + 2])}
    masks = st.one_of(st.just({}), *(st.fixed_dictionaries({name: one}) for name, one in either.items()))
    knockouts = {"knockout": st.sampled_from(["none", "shallow", "deep"])}
    drawn = common | knockouts | {
        "blend_mode": modes,
        "x": places, "y": places, "width": sides, "height": sides,
        "fit": st.sampled_from(["stretch", "contain", "cover"]),
        "crop": st.tuples(places, places, sides, sides).map(list), "scale": st.floats(0, 2), "rotation": angles,
        "anchor": st.tuples(shares, shares).map(list), "flip": st.sampled_from(["h", "v", "both"]),
        "resample": st.sampled_from(["auto", "nearest"]),
        "adjustments": st.fixed_dictionaries(
            {}, optional={name: st.floats(row.low, row.high) for name, row in RANGES.items()}
        ),
        "adjustment_stack": st.lists(adjustments(), max_size=2),
        "filters": st.lists(filters(), max_size=2),
        "effects": st.lists(effects, max_size=2),
    }  # fmt: skip
    layer = st.builds(
        lambda what, how, mask: how | what | mask, _content(), st.fixed_dictionaries({}, optional=drawn), masks
    )
    changing = st.builds(
        lambda what, how, mask: how | {"adjustment": what} | mask,
        adjustments(),
        st.fixed_dictionaries({}, optional=common | {"blend_mode": modes}),
        masks,
    )
    kinds = [layer, layer, changing]
    if depth and most > 1:
        grouped = common | knockouts | {"blend_mode": st.one_of(st.just("pass_through"), modes),
                                        "effects": st.lists(effects, max_size=1)}  # fmt: skip
        kinds.append(
            st.builds(
                lambda inner, how, mask: how | {"layers": inner} | mask,
                _layers(size, 2, depth - 1),
                st.fixed_dictionaries({}, optional=grouped),
                masks,
            )
        )
    return st.lists(st.one_of(kinds), max_size=most)


def _count(layers: list[JSON]) -> int:
    return sum(1 + _count(layer.get("layers", [])) for layer in layers)


def compositions() -> st.SearchStrategy[JSON]:
    """At most MOST_LAYERS layers, groups and what is in them counted, on one of SIZES."""
    return st.one_of(
        st.fixed_dictionaries(
            {"width": st.just(width), "height": st.just(height),
             "layers": _layers(number, MOST_LAYERS, 2).filter(lambda layers: _count(layers) <= MOST_LAYERS)},
            optional={"background_color": colors, "color_space": st.sampled_from(["srgb", "linear"])},
        )
        for number, (width, height) in enumerate(SIZES)
    )  # fmt: skip


__all__ = ["IDS", "JSON", "MOST_LAYERS", "SIZES", "compositions", "stocked"]
