"""A render's plan cut into segments: for each the plan of what is seen in it, which is its cache key.

The grid is fixed (GRID_MS of the file), so an edit changes the plans of the segments that it touches and no others. A
segment is rendered from its own plan alone: whatever changes its pictures is therefore in its key.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from deployments.engines.video_render.captions import cues_of
from deployments.engines.video_render.clock import EDGE_S, ticks
from deployments.engines.video_render.facts import STILLS, facts_of
from deployments.engines.video_render.sources import SIDEWAYS
from deployments.operation import JSON, Input, Inputs, Plan

KIND = "render_segment"
GRID_MS = 4000
SLACK_MS = 100
"""A clip that goes on for longer than this behind a segment looks the same there wherever it ends: out_ms is rounded to
a millisecond of the source, of which a tenth of the speed makes ten."""
SEEN = ("source_id", "kind", "speed", "opacity", "blend_mode", "mask_artifact_id", "crop", "size", "step", "scale")
"""What of a clip stands in its segments as it is."""
MOVING = ("opacity", "opacity_over", "position", "scale")
"""The curves that are seen."""
HIDING = ("tracks_id", "preset", "style", "min_face_px", "tracks", "spans", "mask_artifact_id")
SEARCHING = ("mode", "detector", "model", "scale", "coarse", "also", "allow_residual")
ENCODING = ("codec", "options", "pixels", "container")


def cut(plan: Plan, inputs: Inputs) -> list[Plan]:
    """The segments in order. Raises UndecodableMedia for a first video without a picture.

    Their parameters: `index`; `frames` [first, end] of a constant rate, or `span_ms` [from, to] of the clip's own times
    (to None: to the end); `leader`, what the encoder follows; `picture`, `clips`, `transitions`, `cues`, `style` as the
    plan has them, as far as they are seen; `encoder`, `proof`.
    """
    parameters = plan.parameters
    picture, proof = parameters["picture"], parameters["proof"]
    moving = next((row["source_id"] for row in parameters["clips"] if row["kind"] == "video"), None)
    facts = STILLS if moving is None else facts_of(inputs[moving])
    encoder = {name: parameters["profile"][name] for name in ENCODING}
    aspect = facts.aspect if parameters["profile"]["width"] is None else None
    if aspect and moving and inputs[moving].meta.get("rotation") in SIDEWAYS:
        aspect = 1 / aspect
    common = {
        "encoder": encoder | {"aspect": aspect and list(aspect.as_integer_ratio())},
        "leader": {
            "matrix": facts.matrix,
            "primaries": facts.primaries,
            "transfer": facts.transfer,
            "rate": picture["rate"] or list(facts.rate.as_integer_ratio()),
            "time_base": picture["rate"][::-1] if picture["rate"] else list(facts.time_base.as_integer_ratio()),
        },
        "picture": {"canvas": picture["canvas"], "rate": picture["rate"]},
        "proof": proof and {name: proof[name] for name in SEARCHING},
    }
    burn = parameters["captions"]
    cues = cues_of(parameters, burn["transcripts"], inputs) if burn else []
    return [_segment(plan, common, grid, cues) for grid in _grid(picture)]


def apart(plan: Plan, inputs: Inputs) -> list[Plan]:
    """The segments that can be made apart from each other: none where packets are copied."""
    return [] if plan.parameters["copied"] else cut(plan, inputs)


def _grid(picture: JSON) -> Iterator[JSON]:
    """`index`, and `frames` or `span_ms`."""
    if picture["rate"] is None:
        count = max(1, math.ceil(picture["duration_ms"] / GRID_MS))
        for index in range(count):  # the last one is open: a file may go on behind what its header says
            to = None if index + 1 == count else (index + 1) * GRID_MS
            yield {"index": index, "span_ms": [index * GRID_MS, to]}
        return
    rate = Fraction(*picture["rate"])
    frames = max(1, math.floor(Fraction(picture["duration_ms"], 1000) * rate + Fraction(1, 2)))
    index, first = 0, 0
    while first < frames:
        end = min(frames, math.ceil(Fraction((index + 1) * GRID_MS, 1000) * rate))
        yield {"index": index, "frames": [first, end]}
        index, first = index + 1, end


def _segment(plan: Plan, common: JSON, grid: JSON, cues: Sequence[JSON]) -> Plan:
    begin = grid["index"] * GRID_MS
    end = None if grid.get("span_ms", (0, 0))[1] is None else begin + GRID_MS
    seen = _looked_up(grid, Fraction(*common["leader"]["time_base"]), begin, end)
    shown = {n: row for n, row in enumerate(plan.parameters["clips"]) if _overlaps(row, *seen)}
    numbers = {old: new for new, old in enumerate(shown)}
    lanes = sorted({row["lane"] for row in shown.values()})
    heard = [cue for cue in cues if cue["end_ms"] > begin and (end is None or cue["start_ms"] < end)]
    transitions = [
        row | {"first": numbers[row["first"]], "second": numbers[row["second"]]}
        for row in plan.parameters["transitions"]
        if row["first"] in numbers and row["second"] in numbers and _overlaps(row, *seen)
    ]
    clips = [
        _row(row, begin, end, seen[1], "frames" in grid) | {"lane": lanes.index(row["lane"])} for row in shown.values()
    ]
    style = plan.parameters["captions"]["style"] if heard else None
    inputs = tuple(dict.fromkeys(Input(id, role) for row in clips for id, role in _named(row)))
    assets = (item.id for item in inputs if item.id.startswith("asset_"))
    return replace(
        plan,
        kind=KIND,
        parameters=common | grid | {"clips": clips, "transitions": transitions, "cues": heard, "style": style},
        inputs=inputs,
        needs=(),
        warnings=(),
        parent_asset_id=next(assets, None),
    )


def _looked_up(
    grid: JSON, time_base: Fraction, begin: int, end: int | None
) -> tuple[Fraction | int, Fraction | int | None]:
    """The first and the last ms at which a segment's clips are looked up; None: as long as there are frames."""
    if "frames" in grid:
        first, after = grid["frames"]
        times = [looks * 1000 for _, looks in ticks(first, after, time_base)]
        return times[0], times[-1]
    return begin, None if end is None else end - EDGE_S


def _overlaps(row: JSON, first: Fraction | int, last: Fraction | int | None) -> bool:
    """Whether a clip or a transition is seen."""
    return row["start_ms"] + row["duration_ms"] > first and (last is None or row["start_ms"] <= last)


def _row(row: JSON, begin: int, end: int | None, last: Fraction | int | None, constant: bool) -> JSON:
    """What of a clip is seen in a segment: times are still the file's. `constant`: the rate of its frames is."""
    start, ends, out_ms, in_ms = row["start_ms"], row["start_ms"] + row["duration_ms"], row["out_ms"], row["in_ms"]
    far = None if end is None else max(end + SLACK_MS, math.ceil(last or 0) + 1)
    if far is not None and ends > far:
        ends, out_ms = far, None
    if row["kind"] == "image":
        start, in_ms, out_ms = max(start, begin), 0, None
    elif constant and row["speed"] == 1 and start < begin:
        start, in_ms = begin, in_ms + begin - start
    blur = row["face_blur"]
    return {name: row[name] for name in SEEN} | {
        "start_ms": start,
        "in_ms": in_ms,
        "out_ms": out_ms,
        "duration_ms": ends - start,
        "position": row["position"],
        "face_blur": blur and {name: blur[name] for name in HIDING},
        "curves": {
            name: [_near(keys, begin, end) for keys in parts] for name, parts in row["curves"].items() if name in MOVING
        },
    }


def _near(keys: Sequence[Any], begin: int, end: int | None) -> list[Any]:
    """The keyframes that the values from begin to end follow from."""
    first = max((n for n, key in enumerate(keys) if key[0] <= begin), default=0)
    last = next((n for n, key in enumerate(keys) if end is not None and key[0] >= end), len(keys) - 1)
    return list(keys[first : last + 1])


def _named(row: JSON) -> Iterator[tuple[str, str]]:
    """(id, role) of all that a clip is made from."""
    blur = row["face_blur"] or {}
    named = (
        (row["source_id"], "clip"),
        (row["mask_artifact_id"], "mask"),
        (blur.get("tracks_id"), "tracks"),
        (blur.get("mask_artifact_id"), "mask"),
    )
    yield from ((id, role) for id, role in named if id is not None)


__all__ = ["GRID_MS", "KIND", "apart", "cut"]
