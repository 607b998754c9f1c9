"""The program that draws one SVG, run by `svg.draw` in a process of its own: whatever happens here ends here.

It reads a line of JSON {memory_bytes, cpu_seconds, zoom, font_files, font_family} and then the SVG from standard input,
limits itself, and writes a PNG to standard output. It runs isolated, so it imports nothing of this project.
"""

from __future__ import annotations

import json
import resource
import sys


def main() -> None:
    task = json.loads(sys.stdin.buffer.readline())
    svg = sys.stdin.buffer.read().decode("utf-8")
    import resvg_py  # before the limits: its libraries map more address space than a picture needs

    for limit, value in (
        (resource.RLIMIT_AS, task["memory_bytes"]),
        (resource.RLIMIT_CPU, task["cpu_seconds"]),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        resource.setrlimit(limit, (value, value))
    png = resvg_py.svg_to_bytes(
        svg_string=svg,
        zoom=task["zoom"],
        skip_system_fonts=True,
        font_files=task["font_files"],
        font_family=task["font_family"],
        sans_serif_family=task["font_family"],
        serif_family=task["font_family"],
        monospace_family=task["font_family"],
    )
    sys.stdout.buffer.write(bytes(png))


if __name__ == "__main__":
    main()
