"""Tracks of faces against crowd_pan's exact boxes: cover, area outside, switches of identity, frames/s.

`python -m tests.bench.crowd DATA` prints a line a mode; DATA is the folder of the shared test material.
"""

from __future__ import annotations

import json
import sys
import time
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from kernels.faces import iou, pair
from kernels.regions import Oval, draw
from tests.unit.searches import planned, run, sides

Boxes = list[list[tuple[int, np.ndarray]]]
"""(id, box x, y, w, h) of each frame"""
Faces = list[list[dict[str, Any]]]
"""{id, box, counts} of each face of each frame"""
SIZE = (640, 360)
LEAST_SHARE, LEAST_HEIGHT = 0.5, 16
FINE = 2
"""Cells a pixel that areas are counted in."""


def truth(data: Path) -> Faces:
    """The faces of each frame; those count that are visible enough and high enough."""
    frames = json.loads((data / "media" / "crowd_pan.boxes.json").read_text())["frames"]
    return [
        [
            {
                "id": face["id"],
                "box": np.array([x1, y1, x2 - x1, y2 - y1]),
                "counts": face["visible"] >= LEAST_SHARE and y2 - y1 >= LEAST_HEIGHT,
            }
            for face in faces
            for x1, y1, x2, y2 in [face["box"]]
        ]
        for faces in frames
    ]


def tracked(
    mode: str, data: Path, weights: dict[str, Path], loaded: dict[str, Any] | None = None
) -> tuple[Boxes, float, float]:
    """The boxes of each frame by the tracks that a request makes, and the frames/s of making them: by the clock, and by
    the processor's time. `loaded`: detectors that are kept from one call to the next, as a replica keeps them."""
    began, busy = time.perf_counter(), time.process_time()
    output = run(planned(mode=mode), data / "media" / "crowd_pan.mp4", weights, loaded=loaded)
    took, worked = time.perf_counter() - began, time.process_time() - busy
    boxes: Boxes = [[] for _ in range(200)]
    for track in json.loads(sides(output, "face_tracks")["face_tracks"].data)["tracks"]:
        for row in track["boxes"]:
            boxes[row[0] // 512].append((track["track_id"], np.array(row[1:5])))
    return boxes, 200 / took, 200 / worked


def covered(faces: Faces, boxes: Boxes, grow: float, *, ellipse: bool = False) -> tuple[float, float]:
    """(share of the counted faces' area that is covered, area covered outside any face / the counted faces' area).

    What covers is the box grown by `grow`, or the ellipse around it that the painting draws.
    """
    size = (SIZE[0] * FINE, SIZE[1] * FINE)
    inside = area = outside = 0
    for wanted, found in zip(faces, boxes, strict=True):
        there, cover = (np.zeros(size[::-1], np.bool_) for _ in range(2))
        for face in wanted:
            there |= _box(face["box"])
        for _, (x, y, w, h) in found:
            if ellipse:
                a, b = (grow * side * FINE / 2**0.5 for side in (w, h))
                cover |= draw(*size, [Oval((x + w / 2) * FINE, (y + h / 2) * FINE, a, b)]) > 127
            else:
                cover |= _box(np.array([x - w * (grow - 1) / 2, y - h * (grow - 1) / 2, w * grow, h * grow]))
        for face in filter(itemgetter("counts"), wanted):
            part = _box(face["box"])
            inside, area = inside + int((cover & part).sum()), area + int(part.sum())
        outside += int((cover & ~there).sum())
    return inside / area, outside / area


def _box(box: np.ndarray) -> np.ndarray:
    x1, y1, x2, y2 = np.rint(np.array([*box[:2], *(box[:2] + box[2:])]) * FINE).astype(int)
    mask = np.zeros((SIZE[1] * FINE, SIZE[0] * FINE), np.bool_)
    mask[max(0, y1) : max(0, y2), max(0, x1) : max(0, x2)] = True
    return mask


def switches(faces: Faces, boxes: Boxes) -> int:
    """Identity switches as CLEAR-MOT counts them (Bernardin, Stiefelhagen 2008) at IoU 0.5: a face keeps the track it
    had while that still fits, else it is given the best free one, and another than its last is a switch."""
    last: dict[int, int] = {}
    count = 0
    for all_faces, found in zip(faces, boxes, strict=True):
        wanted = [face for face in all_faces if face["counts"]]
        if not wanted or not found:
            continue
        ids = [id for id, _ in found]
        overlap = iou([face["box"] for face in wanted], [box for _, box in found])
        now: dict[int, int] = {}
        for n, face in enumerate(wanted):
            before = last.get(face["id"])
            if before in ids and overlap[n, ids.index(before)] >= 0.5:
                now[n] = ids.index(before)
        for n in now:
            overlap[n] = -1
        overlap[:, list(now.values())] = -1
        now |= dict(pair(overlap, 0.5))
        for n, column in now.items():
            face = wanted[n]["id"]
            count += last.get(face, ids[column]) != ids[column]
            last[face] = ids[column]
    return count


def plain(data: Path, weights: dict[str, Path]) -> Boxes:
    """Plain IoU linking: a box of one frame goes on with the one of the frame before that it overlaps by 0.5."""
    import av

    from configs.settings import Settings
    from deployments.engines.video_regions.detectors import make_detector

    detector = make_detector("opencv_face_detector", weights.__getitem__, Settings())
    boxes: Boxes = []
    count = 0
    with av.open(str(data / "media" / "crowd_pan.mp4")) as container:
        for frame in container.decode(video=0):
            faces = detector(frame.to_ndarray(format="bgr24")[None])[0]
            found = faces[faces[:, 4] >= 0.5, :4].astype(np.float64)
            ids: dict[int, int] = {}
            before = boxes[-1] if boxes else []
            if before and len(found):
                ids = {new: before[old][0] for old, new in pair(iou([box for _, box in before], found), 0.5)}
            for n in range(len(found)):
                if n not in ids:
                    ids[n] = count = count + 1
            boxes.append([(ids[n], box) for n, box in enumerate(found)])
    return boxes


def main() -> None:
    data = Path(sys.argv[1])
    weights = {"yunet": data / "models" / "face_detection_yunet_2023mar.onnx"}
    faces = truth(data)
    loaded: dict[str, Any] = {}
    speed: dict[str, tuple[float, float]] = {}
    kept: dict[str, Boxes] = {}
    for turn in range(4):  # the first one loads and compiles
        for mode in ("every_frame", "auto"):
            kept[mode], *rates = tracked(mode, data, weights, loaded)
            if turn:
                clock, work = speed.get(mode, (0.0, 0.0))
                speed[mode] = max(rates[0], clock), max(rates[1], work)
    kept["plain"] = plain(data, weights)
    for name, boxes in kept.items():
        by_box, by_ellipse = covered(faces, boxes, 1.3), covered(faces, boxes, 1.05, ellipse=True)
        clock, work = speed.get(name, (0.0, 0.0))
        print(
            f"{name}: boxes x 1.3 cover {by_box[0]:.4f}, outside {by_box[1]:.3f}; ellipses x 1.05 {by_ellipse[0]:.4f}, "
            f"{by_ellipse[1]:.3f}; switches {switches(faces, boxes)}; {clock:.0f} frames/s, {work:.0f} of one core"
        )
    clock, work = (speed["auto"][n] / speed["every_frame"][n] for n in (0, 1))
    print(f"auto / every_frame: {clock:.2f} by the clock, {work:.2f} by processor time")


if __name__ == "__main__":
    main()
