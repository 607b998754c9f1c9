"""Log lines as JSON: request_id, tenant and operation as fields; no paths, no traces, no secrets above DEBUG."""

from __future__ import annotations

import json
import logging
import os
import select
import stat
import sys
import time
from functools import lru_cache
from json.encoder import encode_basestring
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any

from configs.settings import Settings

_value = json.JSONEncoder(ensure_ascii=False).encode
TOLD = ("request_id", "tenant", "operation", "job", "why", "status", "seconds")
FRAMES = 6
"""Innermost frames of a fault that are told."""


class JsonLines(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        return "{" + ", ".join([f'"{name}": {_json(value)}' for name, value in _fields(record).items()]) + "}"


class TextLines(logging.Formatter):
    """The same fields for people: `time LEVEL logger: message key=value …`."""

    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(record)
        head = f"{fields.pop('time')} {fields.pop('level')} {fields.pop('logger')}: {fields.pop('message')}"
        return " ".join([head, *(f"{key}={value}" for key, value in fields.items())])


class Appended(logging.Handler):
    """Lines at the end of a file or in a pipe that several processes write to: each line in one write, so that none is
    torn. What the pipe does not take (its reader is slow or gone, the line is too long) goes to stderr."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK  # nobody waits for who reads a pipe
        self._file = os.open(path, flags, 0o600)
        self._longest = select.PIPE_BUF if stat.S_ISFIFO(os.fstat(self._file).st_mode) else sys.maxsize

    def emit(self, record: logging.LogRecord) -> None:
        line = f"{self.format(record)}\n"
        sent = line.encode(errors="replace")
        try:
            if len(sent) <= self._longest:
                os.write(self._file, sent)
                return
        except OSError:
            pass
        sys.stderr.write(line)
        sys.stderr.flush()


def configure(settings: Settings) -> None:
    """Send this process's own log lines to LOG_FILE, else to stderr, in the form that LOG_FORMAT names."""
    logger = logging.getLogger("deployments")
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    refused = ""
    if settings.log_file:
        try:
            handler = Appended(Path(settings.log_file))
        except OSError as error:  # a pipe that nobody reads, a folder that is not there
            refused = error.strerror or "unknown"
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines())
    logger.handlers = [handler]
    logger.setLevel(settings.log_level)
    logger.propagate = False  # Ray's own handlers would write each line again, traces and all
    if refused:
        logger.warning("LOG_FILE cannot be opened (%s); lines go to standard error", refused)


def _json(value: Any) -> str:
    """Texts and whole numbers, as most are, take a fifth of the encoder's time so."""
    kind = type(value)
    return encode_basestring(value) if kind is str else str(value) if kind is int else _value(value)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "time": f"{_second(int(record.created))}.{int(record.msecs):03d}Z",
        "level": record.levelname,
        "logger": record.name,
        "message": record.getMessage(),
    }
    about = getattr(record, "about", {})
    fields |= {key: about[key] for key in TOLD if about.get(key) not in (None, "")}
    if record.exc_info and record.exc_info[0]:
        # What went wrong and where; the exception's own words may hold a path or a caller's data.
        fields["fault"] = record.exc_info[0].__name__
        fields["where"] = _where(record.exc_info[2])
        if logging.getLogger(record.name).isEnabledFor(logging.DEBUG):
            fields["trace"] = logging.Formatter().formatException(record.exc_info)
    return fields


@lru_cache(maxsize=2)
def _second(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))


def _where(trace: TracebackType | None) -> str:
    """`file:line function` of the innermost frames, outermost first, file names without folders."""
    frames = []
    while trace:
        code = trace.tb_frame.f_code
        frames.append(f"{PurePath(code.co_filename).name}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return " > ".join(frames[-FRAMES:])


__all__ = ["Appended", "JsonLines", "TextLines", "configure"]
