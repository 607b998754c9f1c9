"""Transitions resolved: two clips of a lane made to overlap for as long as the one goes into the other. Light."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from deployments.errors import InvalidRequest
from deployments.operation import JSON


def passages(body: JSON, stored: Sequence[tuple[str, str]], clips: list[JSON]) -> list[JSON]:
    """[{kind, first, second, start_ms, duration_ms}], the clips by their numbers. Changes `clips`.

    Two clips that follow each other are both lengthened, by half of the duration, out of what their sources hold
    beyond their cut; where these hold nothing, the last (or the first) frame stays and the sound is silent. So nothing
    moves on the timeline. Two that overlap already pass one into the other for as long as they overlap. The sound
    passes over with equal power.

    stored: (id, JSON path) of the clips of the sequence; clips: as resolved, in the same order. Raises InvalidRequest.
    """
    numbers = {id: number for number, (id, _) in enumerate(stored)}
    made: list[JSON] = []
    for n, row in enumerate(body.get("transitions", ())):
        where = f"sequence.transitions[{n}]"
        first, second = numbers.get(row["from_clip_id"]), numbers.get(row["to_clip_id"])
        if first is None or second is None:
            raise InvalidRequest(
                f"{where}: transitions lead between clips of video tracks; elsewhere automate opacity or volume_db",
                field=where,
            )
        a, b = clips[first], clips[second]
        if a["lane"] != b["lane"] or second != first + 1:
            raise InvalidRequest(f"{where} leads from one clip into the next one of its track", field=where)
        begins, ends = b["start_ms"], a["start_ms"] + a["duration_ms"] - a["tail_ms"]
        lasts = row["duration_ms"]
        if begins > ends:
            raise InvalidRequest(f"{where}: there are {begins - ends} ms of nothing between its clips", field=where)
        if begins < ends and ends - begins != lasts:
            raise InvalidRequest(
                f"{where}.duration_ms is {lasts}, and its clips overlap by {ends - begins} ms",
                field=f"{where}.duration_ms",
            )
        half = lasts // 2
        if begins == ends:
            if min(a["duration_ms"] - a["lead_ms"], b["duration_ms"]) < max(half, lasts - half):
                raise InvalidRequest(f"{where} is longer than its clips", field=f"{where}.duration_ms")
            _lengthen(a, tail_ms=lasts - half)
            _lengthen(b, lead_ms=half)
        a["ramps"].append(["fall", "power", b["start_ms"], b["start_ms"] + lasts])
        b["ramps"].append(["rise", "power", b["start_ms"], b["start_ms"] + lasts])
        made.append(
            {"kind": row["kind"], "first": first, "second": second, "start_ms": b["start_ms"], "duration_ms": lasts}
        )
    made.sort(key=lambda row: int(row["first"]))
    _check_overlaps(clips, [where for _, where in stored], made)
    return made


def _lengthen(clip: JSON, lead_ms: int = 0, tail_ms: int = 0) -> None:
    """`in_ms` may fall below 0, and `out_ms` lie behind the source's end: there the first and last frame stay."""
    clip["lead_ms"] += lead_ms
    clip["tail_ms"] += tail_ms
    clip["start_ms"] -= lead_ms
    clip["in_ms"] -= round(lead_ms * clip["speed"])
    clip["duration_ms"] += lead_ms + tail_ms
    if clip["out_ms"] is not None:
        clip["out_ms"] += round(tail_ms * clip["speed"])


def _check_overlaps(clips: Sequence[JSON], places: Sequence[str], made: Sequence[JSON]) -> None:
    """Where two clips of a lane are seen at once, a transition says how; three are never."""
    joined = {(row["first"], row["second"]) for row in made}
    for number, (a, b) in enumerate(pairwise(clips)):
        if a["lane"] != b["lane"] or b["start_ms"] >= a["start_ms"] + a["duration_ms"]:
            continue
        if (number, number + 1) not in joined:
            raise InvalidRequest(
                f"{places[number + 1]} begins at {b['start_ms'] + b['lead_ms']} ms, before {places[number]} has ended; "
                "put a transition between them, or the second one on a track of its own",
                field=f"{places[number + 1]}.start_ms_on_timeline",
            )
    for a, b in pairwise(made):
        if a["second"] == b["first"] and a["start_ms"] + a["duration_ms"] > b["start_ms"]:
            raise InvalidRequest("two transitions overlap", field="sequence.transitions")


__all__ = ["passages"]
