"""What bytes are, by their first bytes alone: one table. Names and headers of an upload are never believed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

Kind = Literal["image", "video", "audio"]
HEAD = 4096
"""Bytes that are enough to tell. Fewer are too, except for what has its type further in (a long prologue of an SVG)."""


class Media(NamedTuple):
    """What the bytes claim to be; whether they keep the claim is for the probe to say."""

    kind: Kind
    media_type: str
    ext: str


Test = Callable[[bytes], bool]


def _at(offset: int, *marks: bytes) -> Test:
    return lambda head: any(head[offset : offset + len(mark)] == mark for mark in marks)


def _major(*brands: bytes) -> Test:
    """An ISO base media file of one of these brands."""
    return lambda head: head[4:8] == b"ftyp" and head[8:12] in brands


def _brand(*brands: bytes) -> Test:
    """An ISO base media file of one of these brands, or compatible with one."""

    def test(head: bytes) -> bool:
        size = min(int.from_bytes(head[:4], "big"), len(head))
        named = (head[8:12], *(head[i : i + 4] for i in range(16, size - 3, 4)))
        return head[4:8] == b"ftyp" and any(name in brands for name in named)

    return test


def _doctype(name: bytes) -> Test:
    """An EBML file of this document type."""
    element = b"\x42\x82" + bytes([0x80 | len(name)]) + name
    return lambda head: head[:4] == b"\x1a\x45\xdf\xa3" and element in head[:96]


def _mpeg_audio(head: bytes) -> bool:
    """A frame header of MPEG audio, layer III, without reserved values."""
    return (
        len(head) >= 4
        and head[0] == 0xFF
        and head[1] & 0xE6 == 0xE2
        and (head[1] >> 3) & 3 != 1
        and head[2] & 0xF0 not in (0x00, 0xF0)
        and head[2] & 0x0C != 0x0C
    )


def _adts(head: bytes) -> bool:
    return len(head) >= 7 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0 and (head[2] >> 2) & 15 < 13


SVG = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*\?>\s*|<!--.*?-->\s*|<!DOCTYPE\s+svg[^>\[]*(?:\[.*?\]\s*)?>\s*)*<svg[\s/>]",
    re.S,
)


def _svg(head: bytes) -> bool:
    """Text whose first element is `svg`; one that declares a DOCTYPE too, so that it is refused by name later on."""
    return SVG.match(head[:HEAD]) is not None


def _riff(form: bytes) -> Test:
    return lambda head: head[:4] in (b"RIFF", b"RF64") and head[8:12] == form


TABLE: tuple[tuple[Media, Test], ...] = (
    (Media("image", "image/jpeg", "jpg"), _at(0, b"\xff\xd8\xff")),
    (Media("image", "image/png", "png"), _at(0, b"\x89PNG\r\n\x1a\n")),
    (Media("image", "image/webp", "webp"), _riff(b"WEBP")),
    (Media("image", "image/gif", "gif"), _at(0, b"GIF87a", b"GIF89a")),
    (Media("image", "image/tiff", "tif"), _at(0, b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")),
    (Media("image", "image/bmp", "bmp"), lambda head: head[:2] == b"BM" and head[6:10] == b"\0\0\0\0"),
    (Media("image", "image/avif", "avif"), _brand(b"avif", b"avis")),
    (Media("audio", "audio/mp4", "m4a"), _major(b"M4A ", b"M4B ")),
    (Media("video", "video/quicktime", "mov"), _major(b"qt  ")),
    (
        Media("video", "video/mp4", "mp4"),
        _brand(*(b"isom iso2 iso4 iso5 iso6 mp41 mp42 avc1 3gp4 3gp5 dash".split()), b"M4V "),
    ),
    (Media("video", "video/quicktime", "mov"), _at(4, b"moov", b"mdat", b"wide", b"free")),
    (Media("video", "video/webm", "webm"), _doctype(b"webm")),
    (Media("video", "video/x-matroska", "mkv"), _doctype(b"matroska")),
    (Media("audio", "audio/wav", "wav"), _riff(b"WAVE")),
    (Media("audio", "audio/flac", "flac"), _at(0, b"fLaC")),
    (Media("audio", "audio/ogg", "ogg"), _at(0, b"OggS")),
    (Media("audio", "audio/mpeg", "mp3"), lambda head: head[:3] == b"ID3" or _mpeg_audio(head)),
    (Media("audio", "audio/aac", "aac"), _adts),
    (Media("image", "image/svg+xml", "svg"), _svg),
)
"""The first row whose test holds. To add a format, add its row here and its reader in probe.py."""


def sniff(head: bytes) -> Media | None:
    """What the first bytes (HEAD or more) of a file say that it is; None for what is not served."""
    return next((media for media, test in TABLE if test(head)), None)


__all__ = ["HEAD", "TABLE", "Kind", "Media", "sniff"]
