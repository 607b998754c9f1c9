"""Works that have no need of torch do not import it: it takes 140 MB of each replica that does."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("engine", ["video_render", "video_regions", "video_visual_meta"])
def test_video_is_made_without_torch(engine: str) -> None:
    script = f"import sys; import deployments.engines.{engine}.work; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=False).returncode == 0
