"""Read bar codes and matrix codes with zxing-cpp. Called by perceive."""

from __future__ import annotations

import zxingcpp

from vitrail.engines.facts.pixels import Rgb
from vitrail.engines.facts.sheet import Code


def read_codes(picture: Rgb) -> tuple[Code, ...]:
    """Return the codes whose check sum holds, top to bottom, each text once."""
    found = [code for code in zxingcpp.read_barcodes(picture) if code.valid and code.text]
    found.sort(key=lambda code: (code.position.top_left.y, code.position.top_left.x))
    return tuple(dict.fromkeys(Code(str(code.format), str(code.text)) for code in found))
