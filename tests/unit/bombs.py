"""Hostile media and bodies, sent to the whole application in this process: `python -m tests.unit.bombs <svg folder>`.

Prints JSON: each one's status, and by how many MiB the process grew at its peak.
"""

from __future__ import annotations

import io
import json
import re
import struct
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import av
from PIL import Image
from starlette.testclient import TestClient

from artifacts import Registry, Store
from configs.settings import Settings
from deployments.gateway.http import build_http
from deployments.replicas.local import local_runner

SMALL = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><rect width='5' height='5'/></svg>"
SCOPE = {"X-Tenant-Id": "t_acme", "X-Env": "dev"}


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, depth: int, color: int, *more: bytes, idat: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + header
        + b"".join(more)
        + chunk(b"IDAT", idat or zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def zeros(mib: int) -> bytes:
    """So many MiB of zeros, deflated a thousandfold."""
    press = zlib.compressobj(1)
    return b"".join([*(press.compress(bytes(1 << 20)) for _ in range(mib)), press.flush()])


def box(name: bytes, data: bytes, size: int | None = None) -> bytes:
    return struct.pack(">I", len(data) + 8 if size is None else size) + name + data


FTYP = box(b"ftyp", b"isom\0\0\0\0isommp42")


def gif(frames: int, width: int = 1, height: int = 1) -> bytes:
    frame = b"\x2c\0\0\0\0\1\0\1\0\0\2\2\x44\1\0"
    screen = struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return b"GIF89a" + screen + frame * frames + b"\x3b"


def many_streams(count: int) -> bytes:
    """A playable file of so many silent streams."""
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as made:
        streams = [made.add_stream("pcm_s16le", rate=8000, layout="mono") for _ in range(count)]
        for stream in streams:
            frame = av.AudioFrame(format="s16", layout="mono", samples=80)
            frame.planes[0].update(bytes(160))
            frame.sample_rate, frame.pts = 8000, 0
            made.mux(stream.encode(frame))
    return out.getvalue()


def huge_table(name: bytes, entries: int) -> bytes:
    """An MP4 whose track promises a sample table of so many entries."""
    stsd = box(b"stsd", struct.pack(">II", 0, 1) + box(b"avc1", bytes(78)))
    table = box(name, struct.pack(">III", 0, 0, entries) if name == b"stsz" else struct.pack(">II", 0, entries))
    media = box(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, 1000, 1000, 0, 0)) + box(
        b"hdlr", bytes(8) + b"vide" + bytes(13)
    )
    track = box(b"tkhd", bytes(84)) + box(b"mdia", media + box(b"minf", box(b"stbl", stsd + table)))
    return FTYP + box(b"moov", box(b"mvhd", bytes(100)) + box(b"trak", track)) + box(b"mdat", bytes(64))


def uploads() -> Iterator[tuple[str, bytes]]:
    yield "png of 65535 x 65535", png(65535, 65535, 8, 6)
    yield "png of 30000 x 30000, all there", png(30000, 30000, 1, 0, idat=zeros(108))
    yield "png of 2^31 x 2^31", png(2**31 - 1, 2**31 - 1, 16, 6)
    yield "png with a compressed text of 300 MiB", png(1, 1, 8, 0, chunk(b"zTXt", b"a\0\0" + zeros(300)))
    jpeg = bytearray(picture("JPEG"))
    at = re.search(rb"\xff\xc0..\x08", bytes(jpeg), re.S).end()  # type: ignore[union-attr]
    jpeg[at : at + 4] = b"\xff\xff\xff\xff"
    yield "jpeg of 65535 x 65535", bytes(jpeg)
    yield "gif of 65535 x 65535", gif(1, 65535, 65535)
    yield "gif of 100000 frames", gif(100_000)
    yield "webp of 16384 x 16384", b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0\xff\x3f\0\xff\x3f\0" + bytes(8)
    yield (
        "bmp of 2^31 x 2^31",
        b"BM" + bytes(8) + struct.pack("<IIiiHHIIIIII", 54, 40, 2**31 - 1, 2**31 - 1, 1, 32, *[0] * 6),
    )
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, 2**31 - 1) for tag in (256, 257, 273, 278, 279))
    yield "tiff of 2^31 x 2^31", b"II*\0\x08\0\0\0" + struct.pack("<H", 5) + tags + bytes(4)
    yield "tiff whose directory is its own next", b"II*\0\x08\0\0\0" + struct.pack("<H", 0) + struct.pack("<I", 8)
    yield "zip", b"PK\3\4" + zeros(50)
    yield "gzip", b"\x1f\x8b\x08" + zeros(50)
    yield "moov of 4 GiB that is not there", FTYP + box(b"moov", bytes(64), 0xFFFFFFF0)
    yield "moov of 2^62 that is not there", FTYP + struct.pack(">I4sQ", 1, b"moov", 2**62) + bytes(64)
    yield "moov of 64 MiB of nothing", FTYP + box(b"moov", bytes(64 << 20))
    yield "moov in moov, 5000 deep", FTYP + b"".join(box(b"moov", b"", 8 * (5000 - n)) for n in range(5000))
    for name in (b"stsz", b"stts", b"stco", b"stsc", b"ctts"):
        yield f"{name.decode()} of 2^28 entries", huge_table(name, 2**28)
    yield "matroska of 200 streams", many_streams(200)
    yield (
        "matroska whose element is 2^56 long",
        b"\x1a\x45\xdf\xa3\x8b\x42\x82\x88matroska\x18\x53\x80\x67\x01" + b"\xff" * 7,
    )
    yield (
        "wav of 65535 channels",
        b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\1\0" + b"\xff" * 14 + b"data\xff\xff\xff\xff",
    )
    yield "svg 100000 deep", b"<svg xmlns='http://www.w3.org/2000/svg'>" + b"<g>" * 100_000
    yield "svg of 10^9 x 10^9", b"<svg xmlns='http://www.w3.org/2000/svg' width='1e9' height='1e9'/>"
    yield (
        "svg of 9 MiB",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'>" + b" " * (9 << 20) + b"</svg>",
    )


def picture(form: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64)).save(out, form)
    return out.getvalue()


def bodies() -> Iterator[tuple[str, bytes]]:
    yield "json a million deep", b'{"a":' + b"[" * 1_000_000
    yield "json of four million values", b'{"a":[' + b"0," * 3_900_000 + b"0]}"
    yield "json of two million objects", b'{"a":[' + b"{}," * 2_000_000 + b"{}]}"
    yield "json number of 7 MB", b'{"a":' + b"9" * 7_000_000 + b"}"
    yield "json string of 7 MB", b'{"a":"' + b"x" * 7_000_000 + b'"}'
    yield "json name of 7 MB", b'{"' + b"x" * 7_000_000 + b'":1}'
    yield "json of backslashes", b'{"a":"' + b"\\" * 7_000_001
    yield "body of 60 MB", b" " * 60_000_000
    layer = {"color": "#fff", "width": 1e6, "height": 1e6, "scale": 10_000}
    huge = {"composition": {"width": 100_000, "height": 100_000, "layers": [layer]}}
    yield "canvas of 10^10 pixels", json.dumps(huge).encode()
    crowd = {"composition": {"width": 8, "height": 8, "layers": [{"color": "#fff"}] * 50_000}}
    yield "50000 layers", json.dumps(crowd).encode()


def mib(name: str) -> float:
    return int(re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text()).group(1)) / 1024  # type: ignore[union-attr]


def main() -> None:
    statuses: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(mattebox_home=Path(home))
        registry = Registry(Store(f"file://{home}/artifacts"))
        with TestClient(build_http(local_runner(settings, registry), registry, settings), headers=SCOPE) as http:

            def upload(data: bytes) -> tuple[int, str]:
                answer = http.post("/media-v2/assets", files={"file": ("x", data)})
                return answer.status_code, answer.text

            for form in ("PNG", "GIF", "WEBP", "TIFF", "BMP"):  # readers are imported and buffers made by these
                upload(picture(form))
            upload(many_streams(1))
            http.post("/vector/render", json={"svg": SMALL})
            Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
            before = mib("VmRSS")
            worst = ("", before)

            def note(name: str, status: int) -> None:
                nonlocal worst
                statuses[name] = status
                if (now := mib("VmHWM")) > worst[1] + 1:
                    worst = (name, now)

            for name, data in uploads():
                note(name, upload(data)[0])
            for path in sorted(Path(sys.argv[1]).glob("*.svg")) if len(sys.argv) > 1 else ():
                text = path.read_text()
                note(f"upload of {path.name}", upload(text.encode())[0])
                note(f"drawing of {path.name}", http.post("/vector/render", json={"svg": text}).status_code)
                layers = {"composition": {"width": 8, "height": 8, "layers": [{"svg": text}]}}
                note(f"layer of {path.name}", http.post("/image/render", json=layers).status_code)
            for name, data in bodies():
                note(name, http.post("/image/render", content=data).status_code)
            alive = [upload(picture("PNG"))[0], http.post("/vector/render", json={"svg": SMALL}).status_code]
            grew = mib("VmHWM") - before
            print(json.dumps({"statuses": statuses, "alive": alive, "grew_mib": grew, "worst": worst[0]}))


if __name__ == "__main__":
    main()
