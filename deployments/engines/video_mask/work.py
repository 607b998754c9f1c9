"""Masks in a video's pixels."""

from __future__ import annotations

import io

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from deployments.engines.video_mask.plan import is_wanted, selection_hash
from deployments.engines.video_mask.tracks import boxes_at
from deployments.engines.video_regions.models import FaceTracks, is_ellipse
from deployments.errors import UndecodableMedia
from deployments.operation import JSON, Inputs, Output, Plan, Source, Stopped, Tools
from kernels.faces import ellipse_mask

Bytes = npt.NDArray[np.uint8]
PNG = [cv2.IMWRITE_PNG_COMPRESSION, 3]


def make_mask(plan: Plan, inputs: Inputs, tools: Tools) -> Output:
    """A `mask` of the video's size, PNG of one channel, 8 bits. Raises UndecodableMedia, Stopped."""
    width, height = plan.parameters["width"], plan.parameters["height"]
    video = inputs.one("asset")
    source: JSON = {"asset_id": video.id, "fit": plan.parameters["fit"]}
    meta: JSON = {"width": width, "height": height, "feather": 0.0, "device": "cpu"}
    if given := inputs.all("tracks"):
        (tracks,) = given
        cover, count = _tracked(plan, tracks)
        source |= {"tracks_artifact_id": tracks.id, "regions": plan.parameters["regions"], "regions_count": count}
        used = [tracks]
        if tracks.meta.get("stub"):
            meta |= {"stub": True, "stub_reason": tracks.meta.get("stub_reason", "the tracks were made by a stub")}
    elif "regions" in plan.parameters:
        summary = inputs.one("summary")
        cover, count = _united(plan, summary, inputs, tools)
        source |= {"summary_artifact_id": summary.id, "regions": plan.parameters["regions"], "regions_count": count}
        used = [summary]
        if summary.meta.get("stub"):
            meta |= {"stub": True, "stub_reason": summary.meta.get("stub_reason", "the summary was made by a stub")}
    else:
        mask = inputs.one("mask")
        cover = stretched(read_mask(mask, tools.settings.max_image_pixels), width, height)
        source["mask_artifact_id"] = mask.id
        meta["feather"] = mask.meta["feather"]
        used = [mask]
    meta |= {"selection_hash": selection_hash(plan, [item.sha256 for item in used]), "source": source}
    done, png = cv2.imencode(".png", cover, PNG)
    assert done
    return Output("image/png", png.tobytes(), meta)


def read_mask(source: Source, most_pixels: int) -> Bytes:
    """uint8 [h, w], 255 = selected; 16 bits are rounded. Raises UndecodableMedia."""
    try:
        with Image.open(io.BytesIO(source.read()), formats=["PNG"]) as image:
            if image.width * image.height > most_pixels:
                raise UndecodableMedia(f"the mask {source.id} is over the cap of {most_pixels} pixels")
            if image.mode.startswith("I"):
                return np.rint(np.clip(np.asarray(image, np.float64), 0, 65535) / 257).astype(np.uint8)
            return np.asarray(image.convert("L"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UndecodableMedia(f"the mask {source.id} cannot be decoded") from error


def stretched(mask: Bytes, width: int, height: int) -> Bytes:
    """The mask at another size: the mean of what a pixel covers where it shrinks, linear where it grows."""
    least = (min(width, mask.shape[1]), min(height, mask.shape[0]))
    for how, size in ((cv2.INTER_AREA, least), (cv2.INTER_LINEAR, (width, height))):
        if size != mask.shape[::-1]:
            mask = cv2.resize(mask, size, interpolation=how).astype(np.uint8)
    return mask


def _tracked(plan: Plan, tracks: Source) -> tuple[Bytes, int]:
    """The faces of tracks at one moment as one mask, and how many there are."""
    width, height = plan.parameters["width"], plan.parameters["height"]
    wanted = plan.parameters["regions"]
    found = boxes_at(FaceTracks.model_validate_json(tracks.read()), wanted["time_ms"], wanted["track_ids"])
    cover = np.zeros((height, width), np.uint8)
    for box in found:
        np.maximum(cover, ellipse_mask(width, height, list(box)), out=cover)
    return cover, len(found)


def _united(plan: Plan, summary: Source, inputs: Inputs, tools: Tools) -> tuple[Bytes, int]:
    """The wanted regions as one mask, and how many there are: a face is the ellipse in its box, all else its mask."""
    width, height = plan.parameters["width"], plan.parameters["height"]
    interval = summary.meta["frame_sample_interval_ms"]
    cover = np.zeros((height, width), np.uint8)
    others = {source.id: source for source in inputs.all("region_mask")}
    entries = [entry for entry in summary.json()["entries"] if is_wanted(entry, plan.parameters["regions"], interval)]
    for number, entry in enumerate(entries):
        if tools.stop.is_set():
            raise Stopped
        tools.progress(number, len(entries))
        if is_ellipse(entry):
            box = [value * side for value, side in zip(entry["box"], (width, height) * 2, strict=True)]
            one = ellipse_mask(width, height, box)
        else:
            id = entry["mask_artifact_id"]
            one = read_mask(others.get(id) or summary.beside(id), tools.settings.max_image_pixels)
            one = stretched(one, width, height)
        np.maximum(cover, one, out=cover)
    return cover, len(entries)


__all__ = ["make_mask", "read_mask", "stretched"]
