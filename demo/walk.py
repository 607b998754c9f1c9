"""The steps: a picture from layers, then a clip whose faces are hidden, captioned and overlaid with that picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.client import Client

JSON = dict[str, Any]
WIDTH, HEIGHT = 640, 360
LOGO = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96" width="96" height="96">
<rect x="4" y="4" width="88" height="88" rx="20" fill="#0b6e5f"/>
<circle cx="38" cy="48" r="22" fill="#ffffff" fill-opacity="0.9"/>
<circle cx="58" cy="48" r="22" fill="#ffb703" fill-opacity="0.75"/>
</svg>"""
SELECTION: JSON = {
    "type": "polygon",
    "points": [[330, 24], [560, 24], [616, 110], [616, 300], [540, 340], [300, 340], [250, 280], [250, 110]],
    "feather_radius": 12,
}


@dataclass
class Walk:
    """What was made so far, by name."""

    client: Client
    photo: Path
    clip: Path
    out: Path
    made: dict[str, JSON] = field(default_factory=dict)

    def composition(self) -> JSON:
        """A backdrop, a photograph through a mask, a tint, a logo and a line of text."""
        return {
            "width": WIDTH,
            "height": HEIGHT,
            "background_color": "#14213d",
            "layers": [
                {"type": "solid", "color": "#1d3557", "width": WIDTH, "height": 120, "y": 240, "blend_mode": "screen"},
                {
                    "type": "raster",
                    "asset_id": self.made["photo"]["id"],
                    "x": 230,
                    "width": 410,
                    "height": 360,
                    "fit": "cover",
                    "mask_artifact_id": self.made["mask"]["artifact_id"],
                },
                {"type": "solid", "color": "#ffb703", "blend_mode": "multiply", "opacity": 0.25},
                {"type": "vector", "svg": LOGO, "x": 32, "y": 32, "width": 96, "height": 96, "rotation": -6},
                {"type": "text", "text": "mattebox", "x": 32, "y": 230, "text_size": 52, "text_color": "#ffffff"},
            ],
        }

    def upload_photo(self) -> JSON:
        return self.client.upload(self.photo)

    def upload_clip(self) -> JSON:
        return self.client.upload(self.clip)

    def mask(self) -> JSON:
        return self.client.post("/image/masks", {"width": WIDTH, "height": HEIGHT, "selection": SELECTION})

    def picture(self) -> JSON:
        answer = self.client.post("/image/render", {"composition": self.composition(), "preset_id": "original"})
        self.client.save(answer["artifact_id"], self.out / answer["filename"])
        return answer

    def regions(self) -> JSON:
        return self.client.post("/video/regions", {"asset_id": self.made["clip"]["id"]})

    def captions(self) -> JSON:
        answer = self.client.post("/video/captions/generate", {"asset_id": self.made["clip"]["id"]})
        srt = self.client.text(f"/video/captions/{answer['artifact_id']}/srt")
        (self.out / "captions.srt").write_text(srt)
        return answer

    def anonymise(self) -> JSON:
        return self.client.post("/video/anonymise/faces", {"asset_id": self.made["clip"]["id"], "preset": "strong"})

    def overlaid(self) -> JSON:
        """The anonymised sequence with the picture above it, seen through the mask that the picture itself used."""
        sequence = self.client.get(f"/video/sequences/{self.made['anonymised']['sequence_id']}")
        overlay = {
            "artifact_id": self.made["picture"]["artifact_id"],
            "mask_artifact_id": self.made["mask"]["artifact_id"],
            "scale": 0.3,
            "position": [0, 248],
        }
        tracks = [track for track in sequence["tracks"] if track["kind"] != "overlay"]
        return {"tracks": [*tracks, {"kind": "overlay", "clips": [overlay]}]}

    def dry_run(self) -> JSON:
        return self.client.post("/video/render/dry-run", {"sequence": self.overlaid(), "burn_in_captions": {}})

    def render(self) -> JSON:
        answer = self.client.post("/video/render", {"sequence": self.overlaid(), "burn_in_captions": {}})
        self.client.save(answer["artifact_id"], self.out / "clip.mp4")
        return answer


Step = tuple[str, str, Callable[[Walk], JSON]]
STEPS: tuple[Step, ...] = (
    ("photo", "upload the photograph", Walk.upload_photo),
    ("mask", "make a mask", Walk.mask),
    ("picture", "compose the picture", Walk.picture),
    ("clip", "upload the clip", Walk.upload_clip),
    ("regions", "find faces", Walk.regions),
    ("captions", "write captions", Walk.captions),
    ("anonymised", "hide the faces", Walk.anonymise),
    ("plan", "dry-run the render", Walk.dry_run),
    ("render", "render the clip", Walk.render),
)
"""Name under which the answer is kept, what it does, and how."""

__all__ = ["STEPS", "Walk"]
