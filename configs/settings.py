"""The settings: defaults, then serve_config.yaml's `args`, then the environment. Read once, by `build()`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

Device = Literal["auto", "cpu", "cuda"]
GIB = 1 << 30
MIB = 1 << 20


class Settings(BaseSettings):
    """Every setting. The environment variable is the field's name in capitals."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, validate_default=True, env_ignore_empty=True)

    mattebox_home: Path = Field(Path.home() / ".mattebox", description="Absolute folder of artifacts/ and models/.")
    artifact_store_url: str = Field(
        "", description="`file:///…`; empty: MATTEBOX_HOME/artifacts. `memory://` in tests."
    )
    allow_local_store: bool = Field(
        False, description="A `file://` store although prod is served, or the cluster has more than one node."
    )
    served_envs: str = Field("dev,test,staging,local", description="The envs that this process serves, with commas.")
    http_host: str = Field("127.0.0.1", description="Where HTTP listens.")
    http_port: int = Field(8000, ge=0, le=65535, description="The port of HTTP.")

    threads: int = Field(2, ge=1, le=256, description="Threads of each kernel and decoder in a replica.")
    device: Device = Field("auto", description="Where kernels and models run.")

    models_path: str = Field("", description="Folders searched first for weights, separated by `:`.")
    offline: bool = Field(False, description="Never ask an upstream URL for weights.")
    allow_stubs: bool = Field(True, description="Outside staging and prod, a backend without weights answers a stub.")

    max_upload_bytes: int = Field(2 * GIB, ge=1, description="Largest upload.")
    max_body_bytes: int = Field(8 * MIB, ge=1, description="Largest JSON body.")
    max_image_pixels: int = Field(100_000_000, ge=1, description="Most pixels of a picture, read or made.")
    max_layers: int = Field(256, ge=1, description="Most layers of a composition.")
    max_duration_ms: int = Field(4 * 3600 * 1000, ge=1, description="Longest video or audio.")
    max_streams: int = Field(16, ge=1, description="Most streams of an upload.")

    video_region_backend: str = Field("opencv_face_detector", description="Default detector.")
    video_regions_min_confidence: float = Field(0.5, ge=0, le=1, description="Default least confidence of a face.")
    video_visual_meta_backend: str = Field("opencv_visual_meta", description="Default backend of visual meta.")
    video_captions_backend: str = Field("whisper_openai", description="Default speech backend.")
    video_captions_model: str = Field("tiny", description="Default Whisper model.")
    video_captions_device: Device = Field("cpu", description="Where speech runs.")
    video_captions_language: str = Field("en", description="Default language; `auto` detects it.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over `args` (spec §1)."""
        return env_settings, init_settings

    @field_validator("mattebox_home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        if not value.is_absolute():
            raise ValueError(
                f"MATTEBOX_HOME is the relative path {str(value)!r}, and a replica has a working folder of its own; "
                f"write an absolute one, for example MATTEBOX_HOME={value.absolute()}"
            )
        return value

    @model_validator(mode="after")
    def _lasting(self) -> Self:
        """A store on one machine's disk is no place for prod, unless the operator says that it is."""
        if "prod" in self.envs and self.store_url.startswith("file:") and not self.allow_local_store:
            raise ValueError(
                "SERVED_ENVS holds prod and ARTIFACT_STORE_URL is a file:// store on one machine: name an object store "
                "(s3://, gs://, az://), or set ALLOW_LOCAL_STORE=1 when that disk is backed up"
            )
        return self

    @property
    def store_url(self) -> str:
        return self.artifact_store_url or (self.mattebox_home / "artifacts").as_uri()

    @property
    def models_home(self) -> Path:
        return self.mattebox_home / "models"

    @property
    def models_folders(self) -> tuple[Path, ...]:
        """MODELS_PATH as absolute folders."""
        return tuple(Path(part).expanduser().absolute() for part in self.models_path.split(":") if part)

    @property
    def envs(self) -> frozenset[str]:
        return frozenset(part.strip() for part in self.served_envs.split(",") if part.strip())


def load(args: dict[str, Any] | None = None) -> Settings:
    """The settings from the environment over `args` over the defaults; ValueError names the variable."""
    return Settings(**{key.lower(): value for key, value in (args or {}).items()})


__all__ = ["Device", "Settings", "load"]
