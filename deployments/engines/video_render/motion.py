"""Where a clip stands and how it changes with time: one table of values, the same for plan and work. Light."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deployments.operation import JSON
from kernels import curves
from kernels.curves import Keys

Place = tuple[float, float, int, int]
"""x, y, width, height on the canvas; the sizes are whole."""


def automated(body: JSON, track: JSON, clip: JSON) -> dict[str, list[list[list[object]]]]:
    """Property -> the curves that make it, each [[ms of the timeline, value, easing], …]. `position` is two of them.

    A clip's own curve comes first and stands for the clip's value; a track's and the sequence's come on top.
    """
    start = clip["start_ms_on_timeline"]
    made: dict[str, list[list[list[object]]]] = {}
    for target, offset in ((clip["id"], start), (track["id"], 0), (body["id"], 0)):
        for row in body.get("automation", ()):
            if row["target_id"] != target:
                continue
            keys = [[key["ms"] + offset, key["value"], key.get("easing") or "linear"] for key in row["keyframes"]]
            parts = [keys]
            if row["property"] == "position":
                parts = [[[ms, value[axis], easing] for ms, value, easing in keys] for axis in (0, 1)]
            name = row["property"]
            if target != clip["id"]:
                name = f"{name}_over"
            made.setdefault(name, []).extend(parts)
    return made


def moved(keyframes: Mapping[str, Sequence[Sequence[Sequence[object]]]], by_ms: int) -> JSON:
    """The same curves on a timeline that begins by_ms later."""
    return {
        name: [[[key[0] - by_ms, *key[1:]] for key in keys] for keys in parts]  # type: ignore[operator]
        for name, parts in keyframes.items()
    }


def opacity(row: JSON, ms: float) -> float:
    """0..1 at a time of the timeline."""
    share = _own(row, "opacity", ms, row["opacity"]) or 0.0
    for keys in row["curves"].get("opacity_over", ()):
        share *= _value(keys, ms)
    return min(1.0, max(0.0, share))


def volume_db(row: JSON, ms: float) -> float:
    level = _own(row, "volume_db", ms, row["volume_db"]) or 0.0
    return level + sum(_value(keys, ms) for keys in row["curves"].get("volume_db_over", ()))


def moves(row: JSON) -> bool:
    """Whether its place changes with time."""
    return "position" in row["curves"] or "scale" in row["curves"]


def place(row: JSON, canvas: Sequence[int], ms: float = 0) -> Place:
    """Where the clip's picture stands. Contained in the canvas, in its middle, unless a scale and a position are set;
    sizes are even, and so is a place that nobody named."""
    size, scale, position = row["size"], row["scale"], row["position"]
    if scale is None and position is None and not moves(row) and list(canvas) == [round(side) for side in size]:
        return 0, 0, canvas[0], canvas[1]
    scale = _own(row, "scale", ms, scale)
    factor = min(canvas[0] / size[0], canvas[1] / size[1]) if scale is None else scale
    step = row["step"]
    width, height = (max(step, step * round(side * factor / step)) for side in size)
    if "position" in row["curves"]:
        x, y = (_value(keys, ms) for keys in row["curves"]["position"])
        return x, y, width, height
    if position is None:
        left, top = (2 * round((whole - side) / 4) for whole, side in zip(canvas, (width, height), strict=True))
        return left, top, width, height
    return float(round(position[0])), float(round(position[1])), width, height


def _own(row: JSON, name: str, ms: float, fixed: float | None) -> float | None:
    parts = row["curves"].get(name)
    return _value(parts[0], ms) if parts else fixed


def _value(keys: Keys, ms: float) -> float:
    return curves.value(keys, ms)


__all__ = ["Place", "automated", "moved", "moves", "opacity", "place", "volume_db"]
