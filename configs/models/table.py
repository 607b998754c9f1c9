"""models.yaml as typed rows."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from configs.models.converters import CONVERTERS

TABLE = Path(__file__).parent.parent / "models.yaml"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class UnknownModel(LookupError):
    """No row, or no row of that task, has the name; the message lists those that have."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class File(_Strict):
    """What a source gives, checked before anything reads it."""

    name: FileName
    """Its name in a folder of MODELS_PATH, and in the cache where nothing is converted."""
    sha256: Sha256
    size: int = Field(gt=0)
    """In bytes."""


class Member(_Strict):
    """One file inside a Python package."""

    package: str = Field(pattern=r"^[A-Za-z0-9._-]+==[A-Za-z0-9.+!_-]+$")
    """`name==version`"""
    path: str
    """Inside the wheel, with forward slashes."""

    @property
    def requirement(self) -> tuple[str, str]:
        name, version = self.package.split("==")
        return name, version


class Source(_Strict):
    """One place that gives one of the row's files: a URL, or members of packages, joined in their order."""

    file: str
    """Name of the row's file that comes from here."""
    url: str | None = Field(None, pattern=r"^https://")
    members: tuple[Member, ...] = ()

    @model_validator(mode="after")
    def _one_kind(self) -> Source:
        if (self.url is None) == (not self.members):
            raise ValueError("a source has either a url or members")
        return self


class Row(_Strict):
    """One model."""

    name: str
    task: str
    """`faces`, `speech`, or `speech-ct2`: what a speech model needs in CTranslate2's form."""
    licence: str
    weights_id: Sha256
    """One per set of tensors: the file's SHA-256, or where the row converts, that of the tensors."""
    aliases: tuple[str, ...] = ()
    """What callers of the task may write instead of the name."""
    languages: tuple[str, ...] = ()
    """The only languages that a speech model knows; empty: it is multilingual."""
    convert: str | None = None
    """The row of `converters.CONVERTERS` that makes `converted` from a source's file."""
    converted: FileName | None = None
    files: tuple[File, ...] = Field(min_length=1)
    """Any one of them is enough; several only where they hold the same tensors."""
    sources: tuple[Source, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Row:
        if (self.convert is None) != (self.converted is None):
            raise ValueError(f"{self.name}: `convert` and `converted` go together")
        if self.convert is not None and self.convert not in CONVERTERS:
            raise ValueError(f"{self.name}: no converter {self.convert!r}; there are {', '.join(CONVERTERS)}")
        names = {file.name for file in self.files}
        for source in self.sources:
            if source.file not in names:
                raise ValueError(f"{self.name}: the source's file {source.file!r} is none of {sorted(names)}")
        if self.convert is None and {file.sha256 for file in self.files} != {self.weights_id}:
            raise ValueError(f"{self.name}: without a converter, weights_id is the file's sha256")
        return self

    @property
    def target(self) -> str:
        """The name in the cache of the file that the model's reader opens."""
        return self.converted or self.files[0].name

    def file(self, name: str) -> File:
        return next(file for file in self.files if file.name == name)


def load_rows(path: Path = TABLE) -> dict[str, Row]:
    """Name -> row; ValueError where the table is not as Row says."""
    rows = [Row.model_validate(row) for row in yaml.safe_load(path.read_text(encoding="utf-8"))["models"]]
    table = {row.name: row for row in rows}
    if len(table) != len(rows):
        raise ValueError(f"{path.name} names a model twice")
    return table


@cache
def default_rows() -> dict[str, Row]:
    """The rows of configs/models.yaml, read once."""
    return load_rows()


__all__ = ["File", "Member", "Row", "Source", "UnknownModel", "default_rows", "load_rows"]
