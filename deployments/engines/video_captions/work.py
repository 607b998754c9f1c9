"""Sound into a transcript: window by window, so that it can be stopped and hours of it need no more memory."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import av

from deployments.engines.video_captions import audio, cues
from deployments.engines.video_captions.backends import BACKENDS, STUB
from deployments.engines.video_captions.models import Segment, Transcript, Word
from deployments.engines.video_captions.windows import windows
from deployments.errors import UndecodableMedia
from deployments.operation import JSON, Inputs, Output, Plan, Source, Stopped, Tools

if TYPE_CHECKING:
    from deployments.engines.video_captions.speaker import Heard, Speaker

UNKNOWN = "und"
"""The language of a sound in which nothing was said and for which none was asked (ISO 639)."""


def write_captions(plan: Plan, inputs: Inputs, tools: Tools) -> Output:
    """An asr_transcript: the bytes of models.Transcript. No sound, or none in which anybody speaks, gives no cues.

    Raises Stopped, and UndecodableMedia for a file that cannot be opened.
    """
    source = inputs.one("media")
    if plan.backend == STUB:
        return _stub(plan, source)
    segments, language, facts = _transcribe(plan, source, tools)
    language = "en" if plan.parameters["task"] == "translate" else language
    return _output(plan, source, language, segments, facts)


def _transcribe(plan: Plan, source: Source, tools: Tools) -> tuple[list[Segment], str, JSON]:
    """The segments, the language spoken, and what meta has to say about how."""
    asked = plan.parameters["language"]
    language = None if asked == "auto" else str(asked)
    duration_ms = int(source.meta.get("duration_ms") or 0)
    segments: list[Segment] = []
    samples = 0
    stream = Counted(_pieces(source))
    speaker: Speaker | None = None
    facts: JSON = {}
    for window in windows(stream):
        if tools.stop.is_set():
            raise Stopped
        if speaker is None:
            speaker, facts = _open(plan, tools)
        heard_language, heard = speaker.transcribe(window.samples, language, plan.parameters["task"], tools.stop)
        offset = window.start / audio.RATE
        made = [_segment(words, offset, heard_language) for words in heard]
        segments.extend(segment for segment in made if segment.words)
        if segments:
            language = heard_language  # noise has no language: only one in which something was said is kept
        samples = window.start + len(window.samples)
        tools.progress(min(duration_ms, samples * 1000 // audio.RATE), duration_ms)
    if tools.stop.is_set():
        raise Stopped
    facts["duration_ms"] = duration_ms or stream.count * 1000 // audio.RATE
    if not stream.count:
        facts["warnings"] = ["the asset has no sound"]
    elif not segments:
        facts["warnings"] = ["nobody is heard speaking"]
    return segments, language or UNKNOWN, facts


class Counted:
    """Pieces of sound, and how many samples they held so far."""

    def __init__(self, pieces: Iterator[audio.Samples]) -> None:
        self._pieces = pieces
        self.count = 0

    def __iter__(self) -> Iterator[audio.Samples]:
        for piece in self._pieces:
            self.count += len(piece)
            yield piece


def _pieces(source: Source) -> Iterator[audio.Samples]:
    try:
        yield from audio.pieces(source.path())
    except av.FFmpegError as error:
        raise UndecodableMedia(f"the sound cannot be decoded: {error.strerror}", field="asset_id") from error


def _open(plan: Plan, tools: Tools) -> tuple[Speaker, JSON]:
    """The model on the device that the settings name, or on the CPU where that fails, which meta then says."""
    backend = BACKENDS[plan.backend]
    module, function = backend.open.split(":")
    open_model = getattr(importlib.import_module(module), function)
    name = plan.parameters["model"].removeprefix("whisper-")
    wanted = tools.settings.video_captions_device
    weights = [tools.weights(row) for row in backend.rows(plan.parameters["model"])]
    try:
        speaker = open_model(weights, name, wanted, tools.settings.threads)
    except RuntimeError:
        if wanted == "cpu":
            raise
        speaker = open_model(weights, name, "cpu", tools.settings.threads)
    facts = {"device": speaker.device}
    if wanted not in ("auto", speaker.device):
        facts["device_requested"] = wanted
    return speaker, facts


def _segment(heard: list[Heard], offset: float, language: str) -> Segment:
    """A segment in the asset's time, the words put together where Whisper cut them inside (d'|habitude)."""
    words: list[Word] = []
    for part in heard:
        text = "".join(c for c in part.text if c.isprintable())
        start, end = round((part.start + offset) * 1000), round((part.end + offset) * 1000)
        inside = words and language not in cues.UNSPACED and not text.startswith(" ")
        if inside:
            last = words[-1]
            words[-1] = Word(
                start_ms=last.start_ms,
                end_ms=max(last.end_ms, end),
                text=last.text + text.strip(),
                probability=min(last.probability, round(part.probability, 3)),
            )
        elif text.strip():
            words.append(Word(start_ms=start, end_ms=end, text=text.strip(), probability=round(part.probability, 3)))
    glue = "" if language in cues.UNSPACED else " "
    text = glue.join(word.text for word in words)
    ends = (words[0].start_ms, words[-1].end_ms) if words else (0, 0)
    return Segment(start_ms=ends[0], end_ms=ends[1], text=text, words=words)


def _stub(plan: Plan, source: Source) -> Output:
    """A transcript that says of itself that it is none: one cue at the start."""
    duration_ms = int(source.meta.get("duration_ms") or 0)
    end = min(duration_ms, 2000) or 2000
    texts = ["[speech", "is", "not", "transcribed", "here]"]
    words = [
        Word(start_ms=end * n // len(texts), end_ms=end * (n + 1) // len(texts), text=text, probability=0.0)
        for n, text in enumerate(texts)
    ]
    segment = Segment(start_ms=0, end_ms=end, text=" ".join(texts), words=words)
    language = plan.parameters["language"]
    facts = {"duration_ms": duration_ms, "device": "cpu", "stub": True, "stub_reason": plan.parameters["stub_reason"]}
    return _output(plan, source, UNKNOWN if language == "auto" else language, [segment], facts)


def _output(plan: Plan, source: Source, language: str, segments: list[Segment], facts: JSON) -> Output:
    fps: Any = source.meta.get("fps")
    shown = cues.make(
        [word for segment in segments for word in segment.words],
        language,
        duration_ms=facts["duration_ms"] or None,
        fps=float(fps) if fps else None,
    )
    used = STUB if plan.backend == STUB else plan.parameters["model"]
    said = {"backend": plan.backend, "backend_version": plan.backend_version, "model_used": used}
    said |= {"task": plan.parameters["task"]} | {key: facts[key] for key in facts if not key.startswith("device")}
    transcript = Transcript(language=language, segments=segments, cues=shown, meta=said)
    meta = said | {key: facts[key] for key in facts if key.startswith("device")}
    meta |= {"cache_key": plan.cache_key, "language": language, "cues_count": len(shown)}
    meta |= {"words_count": sum(len(segment.words) for segment in segments)}
    return Output("application/json", transcript.model_dump_json().encode(), meta)


__all__ = ["write_captions"]
