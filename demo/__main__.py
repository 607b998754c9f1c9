"""`python -m demo [--clip CLIP] [--url URL]`: start the service unless one is named, walk the path, show the result."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from demo.client import Client, Refused
from demo.clip import SENTENCE, face_frames, photograph, write_clip
from demo.sheet import contact_sheet
from demo.walk import STEPS, Walk

START_S = 420  # a first start compiles the kernels, on a busy machine for minutes
console = Console(highlight=False)


@contextmanager
def service(home: Path) -> Iterator[str]:
    """The application on a free port, ended with SIGTERM; its output goes to serve.log."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    log = home / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "deployments", "serve"],
            env=os.environ | {"HTTP_PORT": str(port), "MATTEBOX_HOME": str(home)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            client = Client(url)
            with console.status("starting Ray Serve"):
                until = time.monotonic() + START_S
                while not client.ready():
                    if process.poll() is not None or time.monotonic() > until:
                        tail = log.read_text(errors="replace").splitlines()[-15:]
                        raise SystemExit("the service did not start:\n" + "\n".join(tail) + f"\nall of it: {log}")
                    time.sleep(0.3)
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--clip", type=Path, help="a clip of your own; without it one is made")
    parser.add_argument("--url", help="a running service; without it one is started and ended")
    options = parser.parse_args()
    home = Path(os.environ.get("MATTEBOX_HOME", Path.cwd() / "var")).absolute()
    out = home / "demo"
    out.mkdir(parents=True, exist_ok=True)
    if options.clip and not options.clip.is_file():
        raise SystemExit(f"CLIP={options.clip}: no such file")

    subprocess.run(
        [sys.executable, "-m", "deployments", "models"], check=True, env=os.environ | {"MATTEBOX_HOME": str(home)}
    )
    photo, clip = out / "photograph.png", options.clip or out / "source.mp4"
    photograph("chelsea.png").save(photo)
    if not options.clip:
        speaks = write_clip(clip, face_frames, 8, SENTENCE)
        if not speaks:
            console.print("no speech synthesiser is installed: the clip is silent and its captions will be empty")
    if options.url:
        return walk(Walk(Client(options.url), photo, clip, out))
    with service(home) as url:
        return walk(Walk(Client(url), photo, clip, out))


def walk(path: Walk) -> int:
    """Do every step twice: the second time each answer is a hit and nothing is computed."""
    table = Table("step", "artifact", "cache", "seconds", "again")
    columns = (TextColumn("{task.description:24}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("", total=len(STEPS))
        for name, doing, step in STEPS:
            progress.update(bar, description=doing)
            try:
                started = time.perf_counter()
                answer = path.made[name] = step(path)
                seconds = time.perf_counter() - started
                before = path.client.computations()
                again = step(path)
                if path.client.computations() != before:
                    raise SystemExit(f"{doing}: the second request was computed again")
            except Refused as error:
                raise SystemExit(f"{doing}: {error}") from None
            id = next(
                (answer[key] for key in ("artifact_id", "summary_artifact_id", "sequence_id", "id") if key in answer),
                "",
            )
            table.add_row(doing, id[:22], answer.get("cache", ""), f"{seconds:.2f}", again.get("cache", "same id"))
            progress.advance(bar)
    console.print(table)
    for name, answer in path.made.items():
        for warning in answer.get("warnings", []):
            console.print(f"{name}: {warning['message']}")
    cues = path.made["captions"]["cues"]
    console.print(
        f"captions: {sum(len(cue['lines']) for cue in cues)} lines" if cues else "captions: none, no speech was heard"
    )
    picture = path.out / path.made["picture"]["filename"]
    sheet = contact_sheet(picture, path.clip, path.out / "clip.mp4", path.out / "contact_sheet.png")
    for file in (picture, path.out / "captions.srt", path.out / "clip.mp4", sheet):
        console.print(f"  {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
