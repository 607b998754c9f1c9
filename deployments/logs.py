"""Log lines as JSON: request_id, tenant and operation as fields; no paths, no traces, no secrets above DEBUG."""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import PurePath
from types import TracebackType
from typing import Any

from configs.settings import Settings

TOLD = ("request_id", "tenant", "operation", "job", "why", "status", "seconds")
FRAMES = 6
"""Innermost frames of a fault that are told."""


class JsonLines(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(_fields(record), ensure_ascii=False)


class TextLines(logging.Formatter):
    """The same fields for people: `time LEVEL logger: message key=value …`."""

    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(record)
        head = f"{fields.pop('time')} {fields.pop('level')} {fields.pop('logger')}: {fields.pop('message')}"
        return " ".join([head, *(f"{key}={value}" for key, value in fields.items())])


def configure(settings: Settings) -> None:
    """Send this process's own log lines to stderr, in the form that LOG_FORMAT names."""
    logger = logging.getLogger("deployments")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines())
    logger.handlers = [handler]
    logger.setLevel(settings.log_level)
    logger.propagate = False  # Ray's own handlers would write each line again, traces and all


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    fields: dict[str, Any] = {
        "time": f"{at}.{int(record.msecs):03d}Z",
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


def _where(trace: TracebackType | None) -> str:
    """`file:line function` of the innermost frames, outermost first, file names without folders."""
    frames = []
    while trace:
        code = trace.tb_frame.f_code
        frames.append(f"{PurePath(code.co_filename).name}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return " > ".join(frames[-FRAMES:])


__all__ = ["JsonLines", "TextLines", "configure"]
