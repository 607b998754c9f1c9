"""What each preset and style paints, measured on the pixels: cells, their size, their colors, their holding."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from deployments.engines.video_anonymise.plan import grade_of
from deployments.engines.video_render import frames
from deployments.engines.video_render.cut import cut
from deployments.engines.video_render.faces import LOOKS, Painter, Tracks
from deployments.engines.video_render.film import Film, Stage
from deployments.engines.video_render.models import FaceBlur, Style
from deployments.inputs import StoredInputs
from deployments.operation import JSON
from kernels import anonymise
from kernels.anonymise import Planes
from tests.unit.renders import TICK, Shop, face_blur, timeline, tools_for

STYLES: tuple[Style, ...] = ("blur", "mosaic", "solid")
BASE = Fraction(1, 12800)
SIZE = (160, 120)
Box = tuple[float, float, float, float]


def noise(width: int, height: int, seed: int = 0) -> Planes:
    random = np.random.default_rng(seed)
    half = ((height + 1) // 2, (width + 1) // 2)
    y, u, v = (random.integers(16, 236, size, dtype=np.uint8) for size in ((height, width), half, half))
    return y, u, v


def painter(preset: str, style: Style, *tracks: list[list[float]]) -> Painter:
    """Tracks of rows of pts, x, y, w, h."""
    rows = [{"track_id": n, "boxes": boxes} for n, boxes in enumerate(tracks, start=1)]
    return Painter(Tracks({"time_base": [1, 12800], "tracks": rows}), preset, style)


def painted(made: Painter, planes: Planes, pts: int = 0) -> Planes:
    y, u, v = (plane.copy() for plane in planes)
    made.paint((y, u, v), made.faces(pts, BASE))
    return y, u, v


# what strong leaves of a face


@pytest.mark.parametrize("side", [5, 9, 12, 20, 37, 64, 150, 400])
@pytest.mark.parametrize("shape", [(1.0, 1.0), (0.7, 1.0), (1.0, 0.6)])
def test_strong_is_at_most_four_coarse_cells_across_none_under_8_px(side: float, shape: tuple[float, float]) -> None:
    """Read off a painted mosaic: runs of one color along rows and columns through all of the ellipse."""
    w, h = side * shape[0], side * shape[1]
    size = math.ceil(side * 2.2) + 8
    box = (size / 2 - w / 2, size / 2 - h / 2, w, h)
    luma, *chroma = painted(painter("strong", "mosaic", [[0, *box]]), noise(size, size))
    a, b = (LOOKS["strong"].grow * value / math.sqrt(2) for value in (w, h))
    y, x = np.mgrid[0:size, 0:size] + 0.5
    inside = ((x - size / 2) / a) ** 2 + ((y - size / 2) / b) ** 2 <= 1
    assert set(np.unique(luma[inside])) <= {16, 32, 64, 96, 128, 160, 192, 224, 235}
    for plane in chroma:
        half = inside[: size // 2 * 2, : size // 2 * 2].reshape(size // 2, 2, size // 2, 2).all(axis=(1, 3))
        assert {int(value) % 16 for value in np.unique(plane[: size // 2, : size // 2][half])} <= {0}
    edges = [
        {n for row, on in zip(plane, mask, strict=True) for n in np.flatnonzero(np.diff(row) * (on[1:] & on[:-1]))}
        for plane, mask in ((luma.astype(int), inside), (luma.astype(int).T, inside.T))
    ]
    for cuts, half_axis in zip(edges, (a, b), strict=True):
        stops = [size / 2 - half_axis, *sorted(n + 1 for n in cuts), size / 2 + half_axis]
        assert len(cuts) <= 3
        assert not cuts or min(np.diff(stops)) >= 8 - 1  # an edge lies between two pixels
    if max(2 * a, 2 * b) < 16:
        assert len(np.unique(luma[inside])) == 1


@pytest.mark.parametrize("style", STYLES)
def test_a_tracks_cells_are_taken_once_and_move_with_it(style: Style) -> None:
    """25 frames of one face at known shifts: shifted back, they are one and the same picture. A solver of shifts is
    given one frame 25 times."""
    random = np.random.default_rng(5)
    shifts = [(0, 0), *((2 * int(n), 2 * int(m)) for n, m in random.integers(-9, 10, (24, 2)))]
    face = noise(61, 81, 3)
    made = painter("strong", style, [[n * TICK, 70 + dx, 60 + dy, 40, 56] for n, (dx, dy) in enumerate(shifts)])
    first: Planes | None = None
    for number, (dx, dy) in enumerate(shifts):
        canvas = noise(180, 180, 4)
        for index, (plane, part) in enumerate(zip(canvas, face, strict=True)):
            scale = 2 if index else 1
            top, left = (46 + dy) // scale, (58 + dx) // scale
            plane[top : top + part.shape[0], left : left + part.shape[1]] = part
        now = painted(made, canvas, number * TICK)
        y, u, v = (
            plane[(60 + dy) // s : (116 + dy) // s, (70 + dx) // s : (110 + dx) // s]
            for plane, s in zip(now, (1, 2, 2), strict=True)
        )
        first = first or (y, u, v)
        assert all(np.array_equal(a, b) for a, b in zip(first, (y, u, v), strict=True))


def test_tracks_have_cells_of_their_own_and_a_new_shot_takes_new_ones() -> None:
    """Links between frames end at a cut (tests of regions), so a track is of one shot, and each is held by itself."""
    dark, bright = noise(200, 120), noise(200, 120)
    for plane, half in ((dark[0], 30), (bright[0], 200)):
        plane[:, :100], plane[:, 100:] = half, 120
    left, right = [10.0, 30.0, 50.0, 60.0], [130.0, 30.0, 50.0, 60.0]
    made = painter("strong", "mosaic", [[0, *left], [TICK, *left]], [[0, *right], [TICK, *right]], [[2 * TICK, *left]])
    shown = [int(painted(made, planes, n * TICK)[0][60, 35]) for n, planes in enumerate((dark, bright, bright))]
    assert shown == [32, 32, 192]
    assert int(painted(made, dark, 0)[0][60, 155]) == 128


@pytest.mark.parametrize("preset", ["medium", "light"])
def test_reversible_presets_are_computed_anew_in_each_frame(preset: str) -> None:
    made = painter(preset, "blur", [[n * TICK, 30, 20, 60, 70] for n in range(2)])
    assert not np.array_equal(*(painted(made, noise(*SIZE, seed=n), n * TICK)[0][30:80, 40:80] for n in range(2)))


# the ellipse


@pytest.mark.parametrize("preset", list(LOOKS))
def test_the_ellipse_circumscribes_the_grown_box_and_the_feather_lies_outside(preset: str) -> None:
    """White laid on black: whole up to the ellipse, falling outside it, nothing from 1.12 of its radius on."""
    box: Box = (60.0, 50.0, 70.0, 90.0)
    grow = LOOKS[preset].grow
    assert grow >= 1
    (track, face), *_ = painter(preset, "solid", [[0, *box]]).faces(0, BASE)
    assert track == 1
    for sx, sy in itertools.product((-1, 1), repeat=2):  # the grown box's corners lie on it
        corner = ((sx * 35 * grow) / face.a) ** 2 + ((sy * 45 * grow) / face.b) ** 2
        assert corner == pytest.approx(1)
    black = tuple(np.zeros(size, np.uint8) for size in ((200, 200), (100, 100), (100, 100)))
    white = anonymise.Cells(*(np.full((1, 1), 255, np.float32) for _ in range(3)))
    anonymise.paint(black, face, white, "solid")  # type: ignore[arg-type]
    y, x = np.mgrid[0:200, 0:200] + 0.5
    radius = np.sqrt(((x - 95) / face.a) ** 2 + ((y - 95) / face.b) ** 2)
    assert (black[0][radius <= 1] == 255).all()
    assert (black[0][radius >= 1.12] == 0).all()
    order = np.argsort(radius, axis=None)
    assert (np.diff(black[0].reshape(-1)[order].astype(int)) <= 0).all()


# grade


@pytest.mark.parametrize(("preset", "style"), itertools.product(LOOKS, STYLES))
def test_grade_is_irreversible_for_what_is_held_or_of_one_color(preset: str, style: Style) -> None:
    """What the grade says is what the painter does: an irreversible look shows nothing of a second frame's face."""
    held = style == "solid" or preset == "strong"
    grade = "irreversible" if held else "reversible"
    assert grade_of(preset, style) == grade
    params: JSON = {"source_summary_id": "regions_aaaaaaaa", "preset": preset, "style": style}
    assert FaceBlur.model_validate(params).grade == grade
    made = painter(preset, style, [[n * TICK, 30, 20, 60, 70] for n in range(2)])
    one, two = (painted(made, noise(*SIZE, seed=n), n * TICK) for n in range(2))
    same = all(np.array_equal(a[12:40, 18:42], b[12:40, 18:42]) for a, b in zip(one[1:], two[1:], strict=True))
    assert (same and np.array_equal(one[0][22:88, 32:88], two[0][22:88, 32:88])) == held


# non-interference, through a render's own frames


def lossless(path: Path, pictures: list[Planes]) -> bytes:
    with av.open(str(path), "w", format="mp4") as out:
        stream: Any = out.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 12800)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame(*SIZE, "yuv420p")
            for plane, given in zip(frames.planes(frame), picture, strict=True):
                plane[...] = given
            frame.pts, frame.time_base = number * TICK, Fraction(1, 12800)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path.read_bytes()


def in_cells(planes: Planes, box: Box, shape: tuple[int, int]) -> list[list[np.ndarray]]:
    """For each plane the parts of the cells that lie inside the box, as views. The grid spans the ellipse's bounds."""
    x, y, w, h = box
    grow, parts = LOOKS["strong"].grow / math.sqrt(2), []
    for index, plane in enumerate(planes):
        scale = 0.5 if index else 1.0
        across, down = (
            np.round((centre - half + np.arange(count + 1) * (2 * half / count)) * scale).astype(int)
            for centre, half, count in ((x + w / 2, grow * w, shape[1]), (y + h / 2, grow * h, shape[0]))
        )
        left, right = math.ceil(x * scale) + 1, math.floor((x + w) * scale) - 1
        top, bottom = math.ceil(y * scale) + 1, math.floor((y + h) * scale) - 1
        across, down = np.clip(across, left, right), np.clip(down, top, bottom)
        parts.append(
            [
                plane[down[j] : down[j + 1], across[i] : across[i + 1]]
                for j, i in itertools.product(range(shape[0]), range(shape[1]))
            ]
        )
    return parts


def rendered(shop: Shop, path: Path, pictures: list[Planes], boxes: list[Box], **params: Any) -> list[Planes]:
    """The render's frames as they go into the encoder."""
    asset = shop.asset(lossless(path, pictures))
    summary = shop.summary(asset, [[[n * TICK, *box] for n, box in enumerate(boxes)]])
    plan = shop.plan(timeline(asset.id, face_blur(summary.id, **params)) | {"proof": "off"})
    scratch = path.with_suffix("")
    scratch.mkdir()
    inputs = StoredInputs(shop.registry, plan, scratch)
    (segment,) = cut(plan, inputs)
    film = Film(segment, Stage.of(inputs, tools_for(shop, scratch)))
    made = []
    for picture in film.pictures():
        y, u, v = (plane.copy() for plane in frames.planes(picture.frame()))
        made.append((y, u, v))
    return made


@pytest.mark.parametrize(
    ("preset", "style"), [("strong", "blur"), ("strong", "mosaic"), ("strong", "solid"), ("light", "solid")]
)
def test_what_leaves_the_held_cells_alone_leaves_the_frame_alone(
    preset: str, style: Style, shop: Shop, tmp_path: Path
) -> None:
    """Pixels inside the face are changed in every frame: in the first one so that no cell's color changes once it is
    quantised, in the later ones at will. Before encoding, each frame of the render is bit-equal, outside the face too.
    """
    boxes: list[Box] = [(41.3 + 3 * n, 28.6 + n, 46.2, 57.9) for n in range(6)]
    random = np.random.default_rng(9)
    background = noise(*SIZE, seed=7)
    shape = (1, 1) if style == "solid" else (4, 3)
    first, other = [], []
    for number, box in enumerate(boxes):
        planes = [plane.copy() for plane in background]
        changed = [plane.copy() for plane in background]
        for cells in in_cells((changed[0], changed[1], changed[2]), box, shape):
            for cell in cells:
                if number:
                    cell[...] = random.integers(0, 256, cell.shape)
                else:  # the same samples in another order: the same mean
                    cell[...] = random.permutation(cell.reshape(-1)).reshape(cell.shape)
        first.append((planes[0], planes[1], planes[2]))
        other.append((changed[0], changed[1], changed[2]))
    assert all(not np.array_equal(a[0], b[0]) for a, b in zip(first, other, strict=True))
    params = {"preset": preset, "style": style}
    one = rendered(shop, tmp_path / "one.mp4", first, boxes, **params)
    two = rendered(shop, tmp_path / "two.mp4", other, boxes, **params)
    assert len(one) == len(two) == 6
    for a, b in zip(one, two, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert all(not np.array_equal(a[0], b[0]) for a, b in zip(one, first, strict=True))  # faces were painted


def test_a_change_that_moves_a_cell_by_a_step_is_seen_and_one_within_its_step_is_not(
    shop: Shop, tmp_path: Path
) -> None:
    """The control of the test above. A flat face of 70 is held as 64; 74 is too, and 90 is 96."""
    box: Box = (41.0, 28.0, 46.0, 58.0)
    made = []
    for number, luma in enumerate((70, 74, 90)):
        y, u, v = (np.full_like(plane, value) for plane, value in zip(noise(*SIZE), (70, 128, 128), strict=True))
        y[30:84, 43:85] = luma
        made.append(rendered(shop, tmp_path / f"{number}.mp4", [(y, u, v)] * 2, [box] * 2, style="mosaic"))
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(made[0], made[1], strict=True))
    assert not np.array_equal(made[0][0][0], made[2][0][0])


# a solver of shifts

SPOT, SIDE, INK = 60, 40, 4.0
"""Where the face stands, the box's side, and how wide its detail is, in pixels."""


def solved(shifts: list[tuple[int, int]], pictures: list[np.ndarray], trust: float) -> np.ndarray:
    """The face that explains best what the cells showed, each the mean of its rectangle at its frame's known shift: the
    best linear estimate (Wiener) for detail of the width INK, the cells off by `trust` of 255."""
    rows, seen = [], []
    half = LOOKS["strong"].grow * SIDE / math.sqrt(2)
    for (dx, dy), picture in zip(shifts, pictures, strict=True):
        ys, xs = (np.round(SPOT + d - half + np.arange(5) * half / 2).astype(int) for d in (dy, dx))
        for j, i in itertools.product(range(4), range(4)):
            if (i in (0, 3)) and (j in (0, 3)):
                continue  # the corners lie in the feather
            cell = np.zeros((2 * SPOT, 2 * SPOT))
            cell[ys[j] : ys[j + 1], xs[i] : xs[i + 1]] = 1 / ((ys[j + 1] - ys[j]) * (xs[i + 1] - xs[i]))
            rows.append(cell)
            seen.append(float(picture[(ys[j] + ys[j + 1]) // 2, (xs[i] + xs[i + 1]) // 2]) - 128)
    smooth = np.stack([cv2.GaussianBlur(cell, (0, 0), math.sqrt(2) * INK) for cell in rows]).reshape(len(rows), -1)
    plain = np.stack(rows).reshape(len(rows), -1)
    scale = 40.0**2 * 4 * math.pi * INK**2  # detail of 40 of 255
    gram = scale * plain @ smooth.T + trust**2 * np.eye(len(rows))
    made: np.ndarray = (scale * smooth.T @ np.linalg.solve(gram, np.array(seen))).reshape(2 * SPOT, 2 * SPOT)
    return made


def test_a_solver_of_shifts_gains_nothing_from_25_frames() -> None:
    """A box that trembles about a face by known shifts. Of cells computed anew in each frame, the control, 25 frames
    give much more of the face than one; of ours, which are held, they give no more than one does."""
    likeness: dict[str, list[float]] = {"one": [], "held": [], "anew": []}
    for seed in range(2):
        random = np.random.default_rng(seed)
        ink = cv2.GaussianBlur(random.normal(size=(2 * SPOT, 2 * SPOT)), (0, 0), INK)
        face = np.clip(128 + 40 * ink / ink.std(), 16, 235).astype(np.uint8)
        shifts = [(0, 0), *((int(x), int(y)) for x, y in random.integers(-7, 8, (24, 2)))]
        boxes = [[n * TICK, SPOT + x - SIDE / 2, SPOT + y - SIDE / 2, SIDE, SIDE] for n, (x, y) in enumerate(shifts)]
        grey = np.full((SPOT, SPOT), 128, np.uint8)
        made = painter("strong", "mosaic", boxes)
        ours, anew = [], []
        for number in range(25):
            ours.append(painted(made, (face, grey, grey), number * TICK)[0])
            planes = (face.copy(), grey.copy(), grey.copy())
            ((_, ellipse),) = made.faces(number * TICK, BASE)
            anonymise.paint(planes, ellipse, anonymise.reduce(planes, ellipse, (4, 4)), "mosaic")
            anew.append(planes[0])
        part = slice(SPOT - SIDE // 2, SPOT + SIDE // 2)
        for name, found in (
            ("one", solved(shifts[:1], ours[:1], 9.2)),  # a step of 32, rounded: 32 / √12
            ("held", solved(shifts, ours, 9.2)),
            ("anew", solved(shifts, anew, 1.0)),
        ):
            likeness[name].append(float(np.corrcoef(found[part, part].ravel(), face[part, part].ravel())[0, 1]))
    mean = {name: float(np.mean(values)) for name, values in likeness.items()}
    assert mean["anew"] > mean["one"] + 0.2
    assert mean["held"] <= mean["one"]
