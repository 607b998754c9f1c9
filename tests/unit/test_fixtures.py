"""The committed clips are what their digests say, small, and of the stated content."""

from __future__ import annotations

import hashlib
from pathlib import Path

import av
import pytest

CLIPS = Path(__file__).parents[1] / "fixtures" / "video_clips"


@pytest.mark.parametrize("name", ["face_clip.mp4", "broll_clip.mp4"])
def test_a_clip_matches_its_digest_and_is_small(name: str) -> None:
    data = (CLIPS / name).read_bytes()
    digest, said = (CLIPS / f"{name}.sha256").read_text().split()
    assert (hashlib.sha256(data).hexdigest(), name) == (digest, said)
    assert len(data) < 1_000_000
    with av.open(str(CLIPS / name)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        assert sum(1 for _ in container.decode(video=0)) == container.streams.video[0].frames
