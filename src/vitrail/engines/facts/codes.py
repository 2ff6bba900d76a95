"""Read bar codes and matrix codes with zxing-cpp. Called by perceive."""

from __future__ import annotations

import zxingcpp

from vitrail.engines.facts.pixels import Rgb
from vitrail.engines.facts.sheet import Box, Code


def read_codes(picture: Rgb) -> tuple[Code, ...]:
    """Return the codes whose check sum holds, top to bottom, each text once."""
    found = [code for code in zxingcpp.read_barcodes(picture) if code.valid and code.text]
    found.sort(key=lambda code: (code.position.top_left.y, code.position.top_left.x))
    codes: dict[tuple[str, str], Code] = {}
    for one in found:
        name = str(one.format), str(one.text)
        codes.setdefault(name, Code(*name, box=_box(one.position)))
    return tuple(codes.values())


def _box(position: zxingcpp.Position) -> Box:
    corners = (position.top_left, position.top_right, position.bottom_right, position.bottom_left)
    xs, ys = [corner.x for corner in corners], [corner.y for corner in corners]
    return Box(min(xs), min(ys), max(xs), max(ys))
