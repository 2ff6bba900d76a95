"""Keep words of a user from turning into control tokens of the model. Called by engine for every text it sends.

llama.cpp reads `<|im_end|>` in a message as the real end of the turn, and a media marker as a place for a picture. A
zero-width character after the marker's first one makes it plain text that looks the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

WORD_JOINER = "\u2060"

# Known to vision models whatever their vocabulary says.
PICTURE_MARKERS = (
    "<__media",
    "<image>",
    "<img>",
    "</img>",
    "<IMG_CONTEXT>",
    "<start_of_image>",
    "<end_of_image>",
    "[IMG]",
)
PIPED_TOKEN = r"<\|[^|<>\s]{1,64}\|>"


class Neutraliser:
    """Breaks every marker that a text holds, `control_tokens` of the model included."""

    def __init__(self, control_tokens: Iterable[str]) -> None:
        markers = {m for m in (*control_tokens, *PICTURE_MARKERS) if len(m) > 1}
        literal = "|".join(re.escape(m) for m in sorted(markers))
        self._first_characters = {m[0] for m in markers} | {"<"}
        self._marker_ahead = re.compile(f"(?={literal}|{PIPED_TOKEN}).", re.DOTALL)

    def __call__(self, text: str) -> str:
        """Return `text` with every marker in it made plain."""
        if not any(character in text for character in self._first_characters):
            return text
        return self._marker_ahead.sub(lambda match: match[0] + WORD_JOINER, text)
