"""A work's own folder, made when something is first put there: most pictures need none."""

from __future__ import annotations

import shutil
import tempfile
import threading
from pathlib import Path


class Scratch:
    """See operation.Folder. Under MATTEBOX_HOME, so that a large result can be hard-linked into a store on the same
    file system. From any thread."""

    def __init__(self, home: Path) -> None:
        self._parent = home / "scratch"
        self._path: Path | None = None
        self._lock = threading.Lock()

    def __truediv__(self, name: str) -> Path:
        with self._lock:
            if self._path is None:
                self._parent.mkdir(parents=True, exist_ok=True)
                self._path = Path(tempfile.mkdtemp(dir=self._parent))
        return self._path / name

    @property
    def made(self) -> bool:
        """Whether there is a folder to remove."""
        return self._path is not None

    def remove(self) -> None:
        """The folder with all that is in it; nothing is put there any more."""
        with self._lock:
            path, self._path = self._path, None
        if path is not None:
            shutil.rmtree(path, ignore_errors=True)


__all__ = ["Scratch"]
