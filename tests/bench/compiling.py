"""What the first start on a machine compiles, in seconds of processor time, and what every later one takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.measure import Row

WARM = """
import json
import time
from pathlib import Path
from configs.settings import Settings
from deployments.engines.image_core import work
from kernels import composite

home = Settings(mattebox_home=Path("."))
marks = [time.process_time()]
for warm in (composite.warm, lambda: work.warm(home)):
    warm()
    marks.append(time.process_time())
print(json.dumps([after - before for before, after in zip(marks, marks[1:])]))
"""


def run(home: Path) -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory(prefix="mb-bench-") as cache:
        environment = os.environ | {"NUMBA_CACHE_DIR": cache}
        for start, goals in (("first", (25, None)), ("second", (2, None))):
            command = [sys.executable, "-W", "ignore", "-c", WARM]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            for what, took, goal in zip(
                ("compositor", "PNG, warps, masks and blurs"), json.loads(done.stdout), goals, strict=True
            ):
                rows.append(Row(f"{what}, {start} start, processor time", took, "s", at_most=goal))
    return rows
