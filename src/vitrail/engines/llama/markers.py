"""Keep words of a user from turning into control tokens of the model. Called by engine for every text it sends.

llama.cpp reads `<|im_end|>` in a message as the real end of the turn, and a media marker as a place for a picture. A
zero-width character after the marker's first one makes it plain text that looks the same.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import groupby

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
PIPED_TOKEN = r"\|[^|<>\s]{1,64}\|>"  # after its `<`
LONGEST_MARKER = 64  # of a longer one its beginning counts


class Neutraliser:
    """Breaks every marker that a text holds, `control_tokens` of the model included."""

    def __init__(self, control_tokens: Iterable[str]) -> None:
        markers = {marker[:LONGEST_MARKER] for marker in (*control_tokens, *PICTURE_MARKERS) if len(marker) > 1}
        begins = [
            f"{re.escape(first)}(?={_any_of(rests)}{'|' + PIPED_TOKEN if first == '<' else ''})"
            for first, rests in _by_first(markers)
        ]
        self._begin_of_marker = re.compile("|".join(begins))

    def __call__(self, text: str) -> str:
        """Return `text` with every marker in it made plain; takes a time that grows with the text alone."""
        return self._begin_of_marker.sub(lambda match: match[0] + WORD_JOINER, text)


def _any_of(words: Collection[str]) -> str:
    """Return a pattern that finds the beginning of any word: a tree, since Gemma has 6,000 that begin alike."""
    if "" in words:
        return ""
    branches = [re.escape(first) + _any_of(rests) for first, rests in _by_first(words)]
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"


def _by_first(words: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each first character with what follows it."""
    for first, group in groupby(sorted(words), key=lambda word: word[0]):
        yield first, [word[1:] for word in group]
