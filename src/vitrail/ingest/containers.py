"""Judge the rest of an image file by its markers and chunks, before anything is decoded.

Called by prepare after the header was read. Refuses what would cost the decoder much more than its size tells: scans
without end, chunks without number, metadata that is a bomb. Knows nothing of pixels.
"""

from __future__ import annotations

import re
import zlib
from typing import assert_never

from vitrail.domain.errors import InvalidArgument
from vitrail.domain.pictures import ImageFormat
from vitrail.ingest.sniff import MAX_JPEG_SEGMENTS, ImageHeader

MAX_JPEG_SCANS = 100  # progressive files have about ten; every scan costs a pass over all coefficients
MAX_PNG_CHUNKS = 10_000  # 10 MiB in libpng's 8 KiB pieces are 1,280
MAX_PNG_METADATA_BYTES = 4 * 1024 * 1024  # inflated, all compressed text and colour profiles of a file together

_SOS, _EOI = 0xDA, 0xD9
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # in entropy-coded data FF is followed by 00 or a restart
_FIRST_CHUNK = 8  # right behind the signature


def check_container(data: bytes, header: ImageHeader) -> None:
    """Raise InvalidArgument for a file that no encoder writes, or that is cut off so that its markers tell."""
    match header.format:
        case ImageFormat.JPEG:
            _check_jpeg(data, header)
        case ImageFormat.PNG:
            _check_png(data)
        case _:
            assert_never(header.format)


def _check_jpeg(data: bytes, header: ImageHeader) -> None:
    """Walk the segments behind the frame header; a file whose first scan holds everything is not walked further."""
    at, scans = header.rest_at, 0
    for _ in range(MAX_JPEG_SEGMENTS):
        found = _NEXT_MARKER.search(data, at)
        if found is None or data[found.start() + 1] == _EOI:
            if not scans:
                raise InvalidArgument("The JPEG has no pixels: it ends before its first scan.")
            return  # the decoder says what is missing
        marker, at = data[found.start() + 1], found.end()
        length = int.from_bytes(data[at : at + 2], "big")
        if marker == _SOS:
            scans += 1
            if scans > MAX_JPEG_SCANS:
                raise InvalidArgument(f"The JPEG has more than {MAX_JPEG_SCANS} scans.")
            if not header.progressive and data[at + 2 : at + 3] == bytes([header.components]):
                return
        at += max(2, length)
    raise InvalidArgument(f"The JPEG has more than {MAX_JPEG_SEGMENTS} segments.")


def _check_png(data: bytes) -> None:
    """Walk all chunks: their number, pixels and end, and what compressed metadata inflates to."""
    at, has_pixels, room_bytes = _FIRST_CHUNK, False, MAX_PNG_METADATA_BYTES
    for _ in range(MAX_PNG_CHUNKS):
        kind, end = data[at + 4 : at + 8], at + 12 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            raise InvalidArgument("The PNG is cut off: its end is missing.")
        if kind == b"IEND":
            if not has_pixels:
                raise InvalidArgument("The PNG has no pixels: it has no IDAT chunk.")
            return
        if kind == b"IDAT":
            has_pixels = True
        elif kind in (b"iCCP", b"zTXt", b"iTXt"):
            room_bytes -= _count_inflated_bytes(kind, data[at + 8 : end - 4], room_bytes)
            if room_bytes < 0:
                raise InvalidArgument(f"The PNG's metadata inflates to more than {MAX_PNG_METADATA_BYTES:,} bytes.")
        at = end
    raise InvalidArgument(f"The PNG is made of more than {MAX_PNG_CHUNKS:,} chunks.")


def _count_inflated_bytes(kind: bytes, body: bytes, room_bytes: int) -> int:
    """Return the inflated size of a metadata chunk, or `room_bytes + 1` once it is known to be over that."""
    _, _, rest = body.partition(b"\x00")
    if kind == b"iTXt":
        if rest[:1] != b"\x01":  # not compressed
            return len(rest)
        compressed = rest[2:].split(b"\x00", 2)[-1]  # behind the language and the translated keyword
    else:
        compressed = rest[1:]
    try:
        return len(zlib.decompressobj().decompress(compressed, room_bytes + 1))
    except zlib.error:
        return len(compressed)  # decoders pass over broken metadata
