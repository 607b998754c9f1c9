"""The settings: defaults, then serve_config.yaml's `args`, then the environment. Read once, by `build()`."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

Device = Literal["auto", "cpu", "cuda"]
ENVS = ("dev", "test", "staging", "prod", "local")
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
    auth_mode: Literal["headers", "keys"] = Field(
        "headers", description="`headers`: the scope headers are believed. `keys`: API keys are asked for."
    )
    api_keys_file: str = Field(
        "", description="Absolute path of the API keys' hashes; empty: MATTEBOX_HOME/api_keys.json."
    )
    trusted_proxy: bool = Field(
        False,
        description="Every request comes through a proxy that sets the scope headers.",
    )
    http_host: str = Field("127.0.0.1", description="Where HTTP listens.")
    http_port: int = Field(8000, ge=0, le=65535, description="The port of HTTP.")
    http_proxy_kind: Literal["default", "haproxy"] = Field(
        "default",
        description="What `make serve` puts before the Gateways: Serve's own proxy, or HAProxy, which is faster and "
        "also listens on ports 8404 and 9101.",
    )
    log_format: Literal["json", "text"] = Field("json", description="One JSON object a line, or text for people.")
    log_file: str = Field(
        "",
        description="Absolute path of a file or pipe that log lines are appended to; empty: standard error, where "
        "`make serve` puts them by a pipe of its own, as passing them through Ray costs more than a found artifact.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least level that is logged; DEBUG adds traces, which hold paths and callers' data."
    )

    threads: int = Field(2, ge=1, le=256, description="Threads of each kernel and decoder in a replica.")
    device: Device = Field("auto", description="Where kernels and models run.")
    jpeg_encoder: Literal["pillow", "nvjpeg"] = Field(
        "pillow",
        description="What writes the JPEGs of compositions. `nvjpeg` takes CUDA and torchvision, and writes other "
        "files, under keys of their own.",
    )

    models_path: str = Field("", description="Folders searched first for weights, separated by `:`.")
    offline: bool = Field(False, description="Never ask an upstream URL for weights.")
    allow_stubs: bool = Field(True, description="Outside staging and prod, a backend without weights answers a stub.")

    max_requests_per_tenant: int = Field(
        64, ge=1, description="Requests of one tenant in flight in one Gateway; those over it are answered 429."
    )
    max_running_jobs: int = Field(8, ge=1, description="Jobs of one tenant that are dispatched at a time.")
    max_queued_jobs: int = Field(
        100, ge=1, description="Jobs of one tenant that wait behind those; those over it are answered 429."
    )
    webhook_hosts: str = Field(
        "", description="Hosts that may be told of a job's end, with commas; `host:port` for another port than 443."
    )
    webhook_secret: str = Field(
        "",
        description="Signs what they are sent (HMAC-SHA256). Webhooks are off while this or WEBHOOK_HOSTS is empty.",
    )
    max_upload_bytes: int = Field(2 * GIB, ge=1, description="Largest upload.")
    max_body_bytes: int = Field(8 * MIB, ge=1, description="Largest JSON body.")
    max_image_pixels: int = Field(100_000_000, ge=1, description="Most pixels of a picture, read or made.")
    max_layers: int = Field(256, ge=1, description="Most layers of a composition.")
    max_layer_bytes: int = Field(
        4 * GIB, ge=1, description="Most memory that the layers and masks of one composition take when they are drawn."
    )
    max_duration_ms: int = Field(4 * 3600 * 1000, ge=1, description="Longest video or audio.")
    max_streams: int = Field(16, ge=1, description="Most streams of an upload.")

    video_render_parallel: int = Field(
        1,
        ge=1,
        le=64,
        description="Replicas of Video that make segments of one render at a time; 1: one makes all.",
    )
    video_region_backend: str = Field("opencv_face_detector", description="Default detector.")
    video_regions_min_confidence: float = Field(0.5, ge=0, le=1, description="Default least confidence of a face.")
    mediapipe_consent: bool = Field(
        False, description="Let mediapipe_face_detector start: its releases send usage metrics to their vendor."
    )
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

    @field_validator("api_keys_file", "log_file")
    @classmethod
    def _absolute_file(cls, value: str, info: ValidationInfo) -> str:
        if value and not Path(value).is_absolute():
            name = (info.field_name or "").upper()
            raise ValueError(
                f"{name} is the relative path {value!r}, and a replica has a working folder of its own; "
                f"write an absolute one, for example {name}={Path(value).absolute()}"
            )
        return value

    @field_validator("served_envs")
    @classmethod
    def _known_envs(cls, value: str) -> str:
        named = [part.strip() for part in value.split(",") if part.strip()]
        if not named or set(named) - set(ENVS):
            raise ValueError(f"SERVED_ENVS is {value!r}; write some of {', '.join(ENVS)}, with commas between")
        return value

    @model_validator(mode="after")
    def _prod_is_guarded(self) -> Self:
        if "prod" in self.envs and self.auth_mode == "headers" and not self.trusted_proxy:
            raise ValueError(
                "SERVED_ENVS has prod, and AUTH_MODE=headers believes whoever asks; set AUTH_MODE=keys, or "
                "TRUSTED_PROXY=1 where a proxy sets the scope headers of every request"
            )
        return self

    @property
    def keys_file(self) -> Path:
        return Path(self.api_keys_file) if self.api_keys_file else self.mattebox_home / "api_keys.json"

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
        return _parts(self.served_envs)


@lru_cache(maxsize=8)
def _parts(text: str) -> frozenset[str]:
    """What stands between commas."""
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def load(args: dict[str, Any] | None = None) -> Settings:
    """The settings from the environment over `args` over the defaults; ValueError names the variable."""
    return Settings(**{key.lower(): value for key, value in (args or {}).items()})


def explain(error: ValidationError) -> list[str]:
    """One line for each wrong setting, with the name of its variable and what was given."""
    lines = []
    for item in error.errors(include_url=False):
        name = ".".join(str(part) for part in item["loc"]).upper()
        reason = item["msg"].removeprefix("Value error, ")
        unknown = f"{name} is no setting; docs/settings.md lists them"
        known = reason if reason.startswith(name) else f"{name}={item['input']}: {reason}"
        lines.append(unknown if item["type"] == "extra_forbidden" else known)
    return lines


__all__ = ["ENVS", "Device", "Settings", "explain", "load"]
