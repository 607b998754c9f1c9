"""Bytes do not follow THREADS, and replicas read their settings alone."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLIP = ROOT / "tests" / "fixtures" / "video_clips" / "face_clip.mp4"
OWN_PROCESS = """
import asyncio, json, sys
from pathlib import Path
from configs.settings import Settings
from deployments.replicas.threads import pin
threads, home, models, clip, speech = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]), sys.argv[5]
settings = Settings(mattebox_home=home, models_path=models, threads=threads, offline=True)
pin(settings.model_copy(update={"mattebox_home": Path(sys.argv[6])}))
from artifacts import Registry, Scope, Store
from deployments.media.receive import UploadFields, adopt
from deployments.operation import Context
from deployments.replicas.local import local_runner
registry = Registry(Store("memory://"))
runner = local_runner(settings, registry)
who = Context(Scope("t_acme", "dev"), "r1")
points = [[9.5, 3], [300, 40.25], [150, 170]]
selection = {"type": "polygon", "points": points, "feather_radius": 7.5}
async def main():
    receiving = registry.receive(who.scope, 1 << 30)
    await receiving.write(clip.read_bytes())
    asset = (await adopt(runner, who, receiving, UploadFields())).id
    done = {}
    async def run(name, **request):
        made = await runner.run(name, request, who)
        done[name] = next((made[id] for id in ("artifact_id", "summary_artifact_id") if id in made), None)
        return made
    if speech == "speech":
        await run("video_captions", asset_id=asset, model="base")
    else:
        mask = await run("image_masks", width=320, height=180, selection=selection)
        layers = [
            {"type": "solid", "color": "#3366cc", "mask_artifact_id": mask["artifact_id"], "blend_mode": "overlay"},
            {"type": "text", "text": "threads", "text_size": 40, "text_color": "#fff", "x": 20.5, "y": 60},
        ]
        composition = {"width": 320, "height": 180, "background_color": "#a94", "layers": layers}
        await run("image_render", composition=composition, format="png")
        await run("video_regions", asset_id=asset)
        hidden = await run("video_anonymise", asset_id=asset, style="solid")
        await run("video_render", sequence_id=hidden["sequence_id"])
    for name, id in done.items():
        if id:
            done[name] = registry.artifact(who.scope, id).sha256
    print(json.dumps({name: sha256 for name, sha256 in done.items() if sha256}))
asyncio.run(main())
"""


def made(tmp_path: Path, models: Path, speech: str) -> list[dict[str, str]]:
    """The hash of what each operation made, in a process with THREADS=1 and in one with 2."""
    kernels = os.environ.get("NUMBA_CACHE_DIR", str(ROOT / "var" / "numba"))
    running = []
    for threads in (1, 2):
        arguments = [str(threads), str(tmp_path), str(models), str(CLIP), speech, str(Path(kernels).parent)]
        running.append(
            subprocess.Popen(
                [sys.executable, "-c", OWN_PROCESS, *arguments],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
    found = []
    for process in running:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err.decode()[-2000:]
        found.append(json.loads(out.splitlines()[-1]))
    return found


def test_bytes_do_not_follow_threads(tmp_path: Path, weights: Callable[[str], Path]) -> None:
    one, two = made(tmp_path, weights("yunet").parent, "pictures")
    assert set(one) == {"image_masks", "image_render", "video_regions", "video_render"}
    assert all(len(sha256) == len(hashlib.sha256().hexdigest()) for sha256 in one.values())
    assert one == two


@pytest.mark.slow
def test_a_transcript_does_not_follow_threads(tmp_path: Path, weights: Callable[[str], Path]) -> None:
    one, two = made(tmp_path, weights("whisper-base").parent, "speech")
    assert one == two


READ_BY_REPLICAS = ("artifacts", "kernels", "deployments/engines", "deployments/replicas", "deployments/media")
READS = {"environ", "getenv", "getcwd", "cwd", "chdir"}
ALLOWED = {("deployments/replicas/threads.py", "environ")}
"""It only writes; see its docstring."""


def reads() -> Iterator[tuple[str, str]]:
    for folder in READ_BY_REPLICAS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and node.attr in READS:
                    yield str(path.relative_to(ROOT)), node.attr


def test_replicas_read_neither_environment_nor_working_folder() -> None:
    assert set(reads()) <= ALLOWED


FREED = """
import ctypes
from deployments.replicas.heaps import trim
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
def pages():
    return int(open("/proc/self/statm").read().split()[1])
taken = [libc.malloc(50_000) for _ in range(2000)]
for block in taken:
    ctypes.memset(block, 1, 50_000)
for block in taken[:-1]:  # the last one keeps the heap's end where it is
    libc.free(block)
before = pages()
trim()
print((before - pages()) * 4096)
"""


@pytest.mark.skipif(sys.platform != "linux" or "CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="of glibc alone")
def test_what_is_free_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", FREED], cwd=ROOT, capture_output=True, check=True)
    assert int(done.stdout) > 80_000_000


LARGE = """
import ctypes, sys
from deployments.replicas.heaps import few
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
def pages():
    return int(open("/proc/self/statm").read().split()[1])
if sys.argv[1] == "few":
    few()
size = 9 << 20
libc.free(libc.malloc(size))  # after it glibc takes blocks of this size from its heap
taken = [libc.malloc(size) for _ in range(10)]
for block in taken:
    ctypes.memset(block, 1, size)
before = pages()
for block in taken[:-1]:
    libc.free(block)
print((before - pages()) * 4096)
"""


@pytest.mark.skipif(sys.platform != "linux" or "CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="of glibc alone")
@pytest.mark.parametrize(("how", "given_back"), [("few", True), ("as it is", False)])
def test_large_blocks_are_given_back_as_they_are_freed(how: str, given_back: bool) -> None:
    done = subprocess.run([sys.executable, "-c", LARGE, how], cwd=ROOT, capture_output=True, check=True)
    assert (int(done.stdout) > 80_000_000) is given_back


@pytest.mark.parametrize(("given", "used"), [(None, "1000"), ("7", "7")])
def test_a_replica_waits_briefly_unless_told_otherwise(given: str | None, used: str) -> None:
    settings = "from configs.settings import Settings; from deployments.replicas.threads import pin; pin(Settings())"
    script = f"import os; {settings}; print(os.environ['GOMP_SPINCOUNT'])"
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    environment |= {} if given is None else {"GOMP_SPINCOUNT": given}
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == used
