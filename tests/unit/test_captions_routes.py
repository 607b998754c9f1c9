"""Transcripts over HTTP: SRT, VTT, JSON, and 404."""

from __future__ import annotations

from typing import Any

import pytest

from artifacts import Draft, Registry, Scope, Store
from artifacts.errors import NotFound
from configs.settings import Settings
from deployments.engines.video_captions import routes
from deployments.engines.video_captions.models import Cue, Segment, Transcript, Word
from deployments.engines.video_captions.plan import answer
from deployments.operation import Context
from deployments.route import Call
from tests.unit.speech import (
    SCOPE,
    planned,
)


@pytest.fixture
def registry() -> Registry:
    return Registry(Store("memory://"))


def stored(registry: Registry, cues: list[Cue]) -> Any:
    words = [Word(start_ms=0, end_ms=900, text="Tea & cake", probability=1.0)]
    segments = [Segment(start_ms=0, end_ms=900, text="Tea & cake", words=words)]
    body = Transcript(language="en", segments=segments, cues=cues, meta={})
    meta = {"backend": "x", "backend_version": "1", "model_used": "x", "cache_key": "k", "duration_ms": 1000}
    data = body.model_dump_json().encode()
    main = Draft("", "asr_transcript", "application/json", data, meta | {"language": "en"})
    return registry.commit(SCOPE, cache_key=planned().cache_key, main=main)


def call(registry: Registry, id: str, scope: Scope = SCOPE) -> Call:
    nothing: Any = None
    return Call(Context(scope, "r"), {"artifact_id": id}, nothing, registry, nothing, Settings())


def handler(form: str) -> Any:
    (route,) = [route for route in routes.ROUTES if route.path == f"/video/captions/{{artifact_id}}/{form}"]
    assert route.method == "GET"
    return route.handle


async def test_transcripts_are_served_in_every_form(registry: Registry) -> None:
    record = stored(registry, [Cue(index=1, start_ms=0, end_ms=900, lines=["Tea & cake"])])
    srt = await handler("srt")(call(registry, record.id))
    assert srt.body.decode() == "1\n00:00:00,000 --> 00:00:00,900\nTea & cake\n"
    assert srt.media_type == "application/x-subrip; charset=utf-8"
    vtt = await handler("vtt")(call(registry, record.id))
    assert vtt.body.decode() == "WEBVTT\n\n1\n00:00:00.000 --> 00:00:00.900\nTea &amp; cake\n"
    body = (await handler("json")(call(registry, record.id))).body
    assert body["cues"] == [{"index": 1, "start_ms": 0, "end_ms": 900, "lines": ["Tea & cake"]}]
    assert body["segments"][0]["words"][0].keys() == {"start_ms", "end_ms", "text", "probability"}
    assert answer(planned(), record, registry).keys() == {"artifact_id", "language", "cues", "meta"}


async def test_ids_that_name_no_transcript_here_get_the_same_404(registry: Registry) -> None:
    record = stored(registry, [])
    mask = Draft(
        "", "mask", "image/png", b"x", {"width": 1, "height": 1, "feather": 0, "selection_hash": "", "source": ""}
    )
    other = registry.commit(SCOPE, cache_key="other", main=mask)
    messages = set()
    for id, scope in (
        ("transcript_aaaaaaaa", SCOPE),
        ("../../etc/passwd", SCOPE),
        (other.id, SCOPE),
        (record.id, Scope("t_other", "dev")),
    ):
        for form in ("srt", "vtt", "json"):
            with pytest.raises(NotFound) as caught:
                await handler(form)(call(registry, id, scope))
            messages.add((caught.value.message, caught.value.field))
    assert len(messages) == 1
