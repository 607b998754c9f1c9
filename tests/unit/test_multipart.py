"""The streamed multipart reader: whatever the chunking, the file goes to the sink and the fields come back."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from deployments.errors import InvalidRequest, PayloadTooLarge
from deployments.media.multipart import MAX_FIELD_BYTES, read_multipart

TYPE = "multipart/form-data; boundary=xx"


def part(name: str, data: bytes, extra: str = "") -> bytes:
    return f'--xx\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'.encode() + data + b"\r\n"


BODY = (
    part("tags", b"a,b")
    + part("file", bytes(range(256)) * 9, '; filename="x.png"')
    + part("tags", b"c")
    + b"--xx--\r\n"
)


async def read(body: bytes, size: int = 7, type: str = TYPE) -> tuple[bytes, dict[str, list[str]]]:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    got = bytearray()

    async def sink(data: bytes) -> None:
        got.extend(data)

    return got, await read_multipart(type, chunks(), sink)


@pytest.mark.parametrize("size", [1, 2, 7, 64, 5000])
async def test_any_chunking_gives_the_same(size: int) -> None:
    file, fields = await read(BODY, size)
    assert file == bytes(range(256)) * 9
    assert fields == {"tags": ["a,b", "c"]}


async def test_an_empty_file_is_a_file() -> None:
    file, _ = await read(part("file", b"") + b"--xx--\r\n")
    assert file == b""


@pytest.mark.parametrize(
    ("body", "type", "said"),
    [
        (BODY, "application/json", "multipart/form-data"),
        (BODY, "multipart/form-data", "multipart/form-data"),
        (part("tags", b"a") + b"--xx--\r\n", TYPE, "no part named `file`"),
        (BODY[:-12], TYPE, "last boundary"),
        (b"garbage", TYPE, "malformed"),
        (part("file", b"1") + part("file", b"2") + b"--xx--\r\n", TYPE, "more than one"),
        (part("f", b"1") * 40 + b"--xx--\r\n", TYPE, "more than 32"),
        (part("tags", b"\xff") + part("file", b"1") + b"--xx--\r\n", TYPE, "UTF-8"),
    ],
)
async def test_what_is_wrong_is_said(body: bytes, type: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        await read(body, type=type)


async def test_fields_are_capped_on_both_sides() -> None:
    fits = part("tags", b"a" * MAX_FIELD_BYTES) + part("file", b"1") + b"--xx--\r\n"
    assert len((await read(fits, 4096))[1]["tags"][0]) == MAX_FIELD_BYTES
    with pytest.raises(PayloadTooLarge):
        await read(part("tags", b"a" * (MAX_FIELD_BYTES + 1)) + part("file", b"1") + b"--xx--\r\n", 4096)
