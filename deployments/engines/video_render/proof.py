"""The proof: each finished segment is decoded and searched for faces, and what is still one is covered.

A hit of at least `SURE` in the file counts as a face when the same detector has it, at that place (IoU of at least
`SAME`), in the same frame composed without face_blur; a hit without a counterpart was made by the painting, and is
reported alone. Faces that the caller chose to leave open do not count. What counts is linked over the frames around
it, covered in one color by a further pass over the segment, and the segment is searched again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from artifacts import Draft
from deployments.engines.video_render.covers import Cover
from deployments.engines.video_render.film import Film
from deployments.engines.video_render.notes import Notes
from deployments.engines.video_render.search import SURE, Hits, Searches
from deployments.errors import ResidualFaces
from deployments.operation import JSON, Plan, Side, Tools
from kernels.tracks import Linking, link

REPAIRS = 2
"""Passes that cover what was found, before the render is given up."""
LISTED = 1000
"""Most hits of a kind that are listed one by one; counts are of all."""
REPORT = "proof/report"


@dataclass(slots=True)
class Proof:
    """What was searched and found in a segment."""

    searched: int = 0
    """Frames of the file that is kept."""
    fine: int = 0
    """Those of them that were searched at the full scale."""
    artefacts: Hits = field(default_factory=dict)
    """In the file that is kept: hits that are no faces."""
    repaired: Hits = field(default_factory=dict)
    """Faces that were found and then covered."""
    residual: Hits = field(default_factory=dict)
    """Faces that are left."""
    passes: int = 1

    def said(self, times_ms: NDArray[np.float64]) -> JSON:
        """`searched`, `fine`, `passes`, and of each kind of hit its count and its rows."""
        kinds = {"artefacts": self.artefacts, "repaired": self.repaired, "residual": self.residual}
        said: JSON = {"searched": self.searched, "fine": self.fine, "passes": self.passes}
        for name, hits in kinds.items():
            said[name] = {"count": sum(map(len, hits.values())), "rows": _listed(hits, times_ms)}
        return said


def total(proofs: Sequence[tuple[int, JSON]]) -> JSON:
    """What was said of the segments as one; `proofs`: the number of a segment's first frame, and what is said of it."""
    said: JSON = {
        "searched": sum(proof["searched"] for _, proof in proofs),
        "fine": sum(proof["fine"] for _, proof in proofs),
        "passes": max((proof["passes"] for _, proof in proofs), default=1),
    }
    for name in ("artefacts", "repaired", "residual"):
        rows = [row | {"frame": row["frame"] + first} for first, proof in proofs for row in proof[name]["rows"]]
        said[name] = {"count": sum(proof[name]["count"] for _, proof in proofs), "rows": rows[:LISTED]}
    return said


def report(plan: Plan, said: JSON, frames: int, painted: int, end_ms: int, worst: Sequence[JSON] = ()) -> Side:
    """The anonymise_report of a render of so many frames, of what was said of it as one.

    `worst`: the rows of its pictures."""
    wanted = plan.parameters["proof"]
    blurs = [clip["face_blur"] for clip in plan.parameters["clips"] if clip["face_blur"]]
    meta = {
        "summary_ids": list(dict.fromkeys(blur["summary_id"] for blur in blurs)),
        "backend_version": plan.backend_version,
        "frames": said["searched"],
        "faces": painted,
        "residual_faces": said["residual"]["count"],
        "grade": "reversible" if "reversible" in {blur["grade"] for blur in blurs} else "irreversible",
        "mode": wanted["mode"],
        "detector": wanted["detector"],
        "model_used": wanted["model"],
        "independent": wanted["independent"],
        "scale": wanted["scale"],
        "also": wanted["also"] and wanted["also"]["detector"],
        "fine_frames": said["fine"],
        "repaired_faces": said["repaired"]["count"],
        "artefacts": said["artefacts"]["count"],
        "passes": said["passes"],
        "cache_key": plan.cache_key,
        "shows_faces": False,
    }
    body = meta | {
        "render_frames": frames,
        "residual": said["residual"]["rows"],
        "repaired": said["repaired"]["rows"],
        "artefact_hits": said["artefacts"]["rows"],
        "worst": list(worst),
    }
    data = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
    return Side(REPORT, "anonymise_report", "application/json", data, meta, 0, end_ms)


def refusal(said: JSON, report: Side, pictures: Sequence[Side] = ()) -> ResidualFaces:
    """Why a render is not kept. The report is, with its pictures."""
    kept = Draft("", report.kind, report.media_type, report.data, report.meta, 0, report.end_ms)
    return ResidualFaces(
        f"{said['residual']['count']} faces are still found in the finished file, so it is not kept: look at the "
        "report, hide faces with style solid or preset strong, make the summary anew with another detector, or set "
        "allow_residual",
        report=kept,
        pictures=pictures,
    )


async def prove(tools: Tools, notes: Notes, film: Film) -> Proof:
    """What was found in a segment, and repaired in its file."""
    full = film.plan.parameters["proof"]["mode"] == "full"
    chosen = notes.searched(film.plan.parameters["proof"]["mode"])
    fine = None if full else notes.fine(chosen)
    proof, covers = Proof(), []
    search = Searches(film.plan, tools, notes, film)
    faces: Hits = {}
    for turn in range(REPAIRS + 1):
        await search.look(chosen, fine)
        proof.passes, proof.searched, proof.fine = turn + 1, len(chosen), search.fine
        faces = search.faces(chosen)
        if not faces or turn == REPAIRS:
            break
        near = sorted(_near(faces, chosen, notes) - set(chosen))
        await search.look(near)
        fine = None if fine is None else {*fine, *near, *faces}
        found = faces | search.faces(near)
        proof.repaired |= found
        covers.append(await tools.thread(_covered, found, notes))
        chosen = sorted({*chosen, *near})
        await tools.thread(film.again, notes, covers)
    proof.artefacts, proof.residual = search.artefacts(chosen), faces
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


def _listed(hits: Hits, times_ms: NDArray[np.float64]) -> list[JSON]:
    rows = (
        {
            "frame": number,
            "time_ms": round(float(times_ms[number])),
            "box": [round(float(value), 1) for value in row[:4]],
            "confidence": round(float(row[4]), 4),
        }
        for number, boxes in sorted(hits.items())
        for row in boxes
    )
    return list(islice(rows, LISTED))


__all__ = ["REPORT", "Proof", "prove", "refusal", "report", "total"]
