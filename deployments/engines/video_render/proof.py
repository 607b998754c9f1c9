"""The proof: the finished file is decoded and searched for faces, and what is still one is covered.

A hit of at least `SURE` in the file counts as a face when the same detector has it, at that place (IoU of at least
`SAME`), in the same frame composed without face_blur; a hit without a counterpart was made by the painting, and is
reported alone. Faces that the caller chose to leave open do not count. What counts is linked over the frames around
it, covered in one color by a further pass over the timeline, and the file is searched again.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from artifacts import Draft
from deployments.engines.video_render.covers import Cover
from deployments.engines.video_render.film import Film
from deployments.engines.video_render.notes import Notes
from deployments.engines.video_render.search import SURE, Hits, Search
from deployments.errors import ResidualFaces
from deployments.operation import JSON, Plan, Side, Tools
from kernels.tracks import Linking, link

REPAIRS = 2
"""Passes that cover what was found, before the render is given up."""
LISTED = 1000
"""Most hits that a report lists one by one; its counts are of all."""
REPORT = "proof/report"


@dataclass(slots=True)
class Proof:
    """What was searched and found."""

    searched: int = 0
    """Frames of the file that is kept."""
    artefacts: Hits = field(default_factory=dict)
    """In the file that is kept: hits that are no faces."""
    repaired: Hits = field(default_factory=dict)
    """Faces that were found and then covered."""
    residual: list[JSON] = field(default_factory=list)
    """Faces that are left."""
    passes: int = 1

    def report(self, plan: Plan, notes: Notes) -> Side:
        """The anonymise_report."""
        wanted = plan.parameters["proof"]
        blurs = [clip["face_blur"] for clip in plan.parameters["clips"] if clip["face_blur"]]
        grades = {blur["grade"] for blur in blurs}
        times = notes.times_ms
        meta = {
            "summary_ids": list(dict.fromkeys(blur["summary_id"] for blur in blurs)),
            "backend_version": plan.backend_version,
            "frames": self.searched,
            "faces": notes.painted,
            "residual_faces": len(self.residual),
            "grade": "reversible" if "reversible" in grades else "irreversible",
            "mode": wanted["mode"],
            "detector": wanted["detector"],
            "model_used": wanted["model"],
            "independent": wanted["independent"],
            "scale": wanted["scale"],
            "repaired_faces": sum(map(len, self.repaired.values())),
            "artefacts": sum(map(len, self.artefacts.values())),
            "passes": self.passes,
            "cache_key": plan.cache_key,
            "shows_faces": False,
        }
        body = meta | {
            "render_frames": len(notes.pts),
            "residual": self.residual[:LISTED],
            "repaired": _listed(self.repaired, times),
            "artefact_hits": _listed(self.artefacts, times),
        }
        data = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
        return Side(REPORT, "anonymise_report", "application/json", data, meta, 0, round(notes.end * 1000))


async def prove(
    plan: Plan,
    tools: Tools,
    notes: Notes,
    film: Film,
    repair: Callable[[Sequence[Cover], Sequence[int]], Awaitable[None]],
) -> Proof:
    """What was found, and repaired in `notes`' segments. Raises ResidualFaces, with the report, unless the plan allows
    them. `repair`: makes segments anew, with covers over them."""
    wanted = plan.parameters["proof"]
    chosen = notes.searched(wanted["mode"])
    proof, covers = Proof(), []
    search = Search(plan, tools, notes, film)
    faces: Hits = {}
    fresh = chosen
    for turn in range(REPAIRS + 1):
        proof.passes, proof.searched = turn + 1, len(chosen)
        await search.look(fresh)
        faces = search.faces(chosen)
        if not faces or turn == REPAIRS:
            break
        near = sorted(_near(faces, chosen, notes) - set(chosen))
        await search.look(near)
        found = faces | search.faces(near)
        proof.repaired |= found
        cover = await tools.thread(_covered, found, notes)
        covers.append(cover)
        chosen = sorted({*chosen, *near})
        changed = sorted({notes.segment_of(number) for number in cover.numbers()})
        await repair(covers, changed)
        fresh = [number for number in chosen if notes.segment_of(number) in changed]
    proof.artefacts = search.artefacts(chosen)
    proof.residual = _listed(faces, notes.times_ms, most=None)
    if proof.residual and not wanted["allow_residual"]:
        report = proof.report(plan, notes)
        raise ResidualFaces(
            f"{len(proof.residual)} faces are still found in {len(faces)} frames of the finished file, so it is not "
            "kept: look at the report, hide faces with style solid or preset strong, make the summary anew with "
            "another detector, or set allow_residual",
            report=Draft("", report.kind, report.media_type, report.data, report.meta, 0, report.end_ms),
        )
    return proof


def _near(faces: Iterable[int], chosen: Sequence[int], notes: Notes) -> set[int]:
    """The frames from the one searched before each of these to the one searched after it, in its shot."""
    order = np.asarray(chosen)
    near: set[int] = set()
    for number in faces:
        first, last = notes.shot(number)
        at = int(np.searchsorted(order, number))
        before = int(order[at - 1]) + 1 if at else 0
        after = int(order[at + 1]) - 1 if at + 1 < len(order) else last
        near.update(range(max(first, before), min(last, after) + 1))
    return near


def _covered(found: Hits, notes: Notes) -> Cover:
    numbers = sorted(found)
    return Cover(link([found[n] for n in numbers], numbers, notes.times_ms, notes.cuts, Linking(min_confidence=SURE)))


def _listed(hits: Hits, times_ms: np.ndarray, most: int | None = LISTED) -> list[JSON]:
    rows = [
        {
            "frame": number,
            "time_ms": round(float(times_ms[number])),
            "box": [round(float(value), 1) for value in row[:4]],
            "confidence": round(float(row[4]), 4),
        }
        for number, boxes in sorted(hits.items())
        for row in boxes
    ]
    return rows[:most]


__all__ = ["REPORT", "Proof", "prove"]
