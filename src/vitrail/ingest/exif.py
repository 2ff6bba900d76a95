"""Turn EXIF metadata into the orientation it holds, and nothing else. Called by sniff. Never raises on broken EXIF."""

from __future__ import annotations

from typing import Literal

EXIF_HEADER = b"Exif\x00\x00"

_ORIENTATION_TAG = 0x0112
_SHORT, _LONG = 3, 4
_MOST_ENTRIES = 512
_ENTRY_BYTES = 12


def parse_orientation(tiff: bytes) -> int:
    """Return the orientation (1-8) in the first directory of EXIF's TIFF structure; 1 when absent or broken.

    Only that directory is read, so directories that point at each other cannot make a loop.
    """
    byte_order = _byte_order(tiff)
    if byte_order is None:
        return 1
    directory = int.from_bytes(tiff[4:8], byte_order)
    entries = min(int.from_bytes(tiff[directory : directory + 2], byte_order), _MOST_ENTRIES)
    for entry in range(directory + 2, directory + 2 + entries * _ENTRY_BYTES, _ENTRY_BYTES):
        if int.from_bytes(tiff[entry : entry + 2], byte_order) != _ORIENTATION_TAG:
            continue
        kind = int.from_bytes(tiff[entry + 2 : entry + 4], byte_order)
        width = {_SHORT: 2, _LONG: 4}.get(kind, 0)
        value = int.from_bytes(tiff[entry + 8 : entry + 8 + width], byte_order)
        return value if 1 <= value <= 8 else 1
    return 1


def _byte_order(tiff: bytes) -> Literal["little", "big"] | None:
    if tiff.startswith(b"II*\x00"):
        return "little"
    return "big" if tiff.startswith(b"MM\x00*") else None
