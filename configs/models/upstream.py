"""A model's file from its upstream URL."""

from __future__ import annotations

import http.client
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from configs.models.transfer import CHUNK, SourceFailed

CONNECT_S = 3.0
ANSWER_S = 6.0
"""Name look-up, connection and redirects together: a machine without a way out must not wait long for a fall-back."""


def read(url: str) -> Iterator[bytes]:
    """The URL's bytes in pieces; SourceFailed where it cannot be reached in ANSWER_S seconds or stalls."""
    answer = _open(url)
    try:
        with answer:
            while piece := answer.read(CHUNK):
                yield piece
    except (OSError, http.client.HTTPException) as error:
        raise SourceFailed(f"broke off: {error}") from error


def _open(url: str) -> Any:
    # a socket time-out does not bound the name look-up, so the opening runs beside us and may be left behind
    box: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def connect() -> None:
        try:
            box.put(urllib.request.urlopen(url, timeout=CONNECT_S))  # noqa: S310 - the table takes https only
        except (OSError, http.client.HTTPException, ValueError) as error:
            box.put(error)

    threading.Thread(target=connect, daemon=True, name="weights-upstream").start()
    try:
        answer = box.get(timeout=ANSWER_S)
    except queue.Empty:
        raise SourceFailed(f"no answer in {ANSWER_S:.0f} s") from None
    if isinstance(answer, urllib.error.HTTPError):
        raise SourceFailed(f"answers {answer.code} {answer.reason}")
    if isinstance(answer, Exception):
        raise SourceFailed(f"cannot be reached: {getattr(answer, 'reason', answer)}")
    return answer


__all__ = ["read"]
