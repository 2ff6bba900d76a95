"""Tell clock times from decimals and work out how far they lie apart. Pure; called by figures and the checks."""

from __future__ import annotations

import re
from collections.abc import Sequence

_CLOCK = re.compile(r"(?<![\d.:,])([01]?\d|2[0-3])[:h]([0-5]\d)(?![\d:]|[.,]\d)")
_DOTTED = re.compile(r"([01]?\d|2[0-3])\.([0-5]\d)")
FEWEST_DOTTED = 3


def find_clocks(text: str) -> tuple[int, ...]:
    """Return the clock times of a text, in minutes after midnight."""
    return tuple(int(hours) * 60 + int(minutes) for hours, minutes in _CLOCK.findall(text))


def read_clock(text: str) -> int | None:
    """Return the minutes after midnight of a text that is one clock time, else None."""
    found = _CLOCK.fullmatch(text.strip())
    return int(found[1]) * 60 + int(found[2]) if found else None


def read_clocks(texts: Sequence[str]) -> dict[str, str]:
    """Return how the dotted times among the cells of a table are written with a colon.

    `06.44` is a time when all figures with a dot could be times and are written alike: two digits for every hour, or
    a leading zero somewhere, which no amount has.
    """
    dotted = [text for text in texts if re.fullmatch(r"\d+\.\d+", text)]
    if len(dotted) < FEWEST_DOTTED or not all(_DOTTED.fullmatch(text) for text in dotted):
        return {}
    if any(re.match(r"0\d", text) for text in dotted) or all(len(text) == len("00.00") for text in dotted):
        return {text: text.replace(".", ":") for text in dotted}
    return {}
