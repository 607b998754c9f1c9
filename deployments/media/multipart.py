"""A multipart body, read as it comes: the file's bytes go to a sink, the short fields into memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from deployments.errors import InvalidRequest, PayloadTooLarge

MAX_FIELD_BYTES = 64 << 10
MAX_PARTS = 32
Sink = Callable[[bytes], Awaitable[None]]


async def read_multipart(content_type: str, stream: AsyncIterator[bytes], sink: Sink) -> dict[str, list[str]]:
    """The fields by name. `sink` gets the bytes of the one part named `file`.

    Raises InvalidRequest for a malformed body or one without `file`, PayloadTooLarge for a long field.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise InvalidRequest("send multipart/form-data with a part named `file`", field="file")
    reader = _Reader()
    fields: dict[tuple[str, int], bytearray] = {}
    files = 0
    try:
        parser = MultipartParser(boundary, reader.callbacks())  # type: ignore[arg-type]
        async for chunk in stream:
            parser.write(chunk)
            for name, index, data in reader.drain():
                if name == "file":
                    if index != reader.file_index:
                        raise InvalidRequest("more than one part is named `file`", field="file")
                    files = 1
                    await sink(data)
                    continue
                value = fields.setdefault((name, index), bytearray())
                value += data
                if len(value) > MAX_FIELD_BYTES:
                    raise PayloadTooLarge(f"the field {name!r} is larger than {MAX_FIELD_BYTES} bytes", field=name)
        parser.finalize()
    except FormParserError as error:
        raise InvalidRequest(f"the multipart body is malformed: {error}") from None
    if not reader.ended:
        raise InvalidRequest("the multipart body ends before its last boundary")
    if not files and reader.file_index is None:
        raise InvalidRequest("the multipart body has no part named `file`", field="file")
    found: dict[str, list[str]] = {}
    for (name, _), value in fields.items():
        try:
            found.setdefault(name, []).append(value.decode())
        except UnicodeDecodeError:
            raise InvalidRequest(f"the field {name!r} is not UTF-8", field=name) from None
    return found


class _Reader:
    """The parser's callbacks; `drain` gives what they saw since the last time."""

    def __init__(self) -> None:
        self.ended = False
        self.file_index: int | None = None
        self._index = -1
        self._name = ""
        self._header = bytearray()
        self._value = bytearray()
        self._seen: list[tuple[str, int, bytes]] = []

    def callbacks(self) -> dict[str, Callable[..., None]]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_part_data": lambda data, start, end: self._seen.append((self._name, self._index, data[start:end])),
            "on_end": self._end,
        }

    def drain(self) -> list[tuple[str, int, bytes]]:
        seen, self._seen = self._seen, []
        return seen

    def _begin(self) -> None:
        self._index += 1
        self._name = ""
        if self._index >= MAX_PARTS:
            raise InvalidRequest(f"the multipart body has more than {MAX_PARTS} parts")

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._value))
            self._name = options.get(b"name", b"").decode("utf-8", "replace")
            if self._name == "file" and self.file_index is None:
                self.file_index = self._index
        self._header.clear()
        self._value.clear()

    def _end(self) -> None:
        self.ended = True


__all__ = ["read_multipart"]
