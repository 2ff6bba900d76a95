"""Read the text of `{"reply": "..."}` out of JSON while it still comes. Called by forced_tools."""

from __future__ import annotations

import json
import re

THOUGHT = re.compile(r"\s*<think>(.*?)</think>\s*", re.S)
OPENING = re.compile(r'\s*\{\s*"reply"\s*:\s*"')
HIGH = r"\\u[dD][89abAB][0-9a-fA-F]{2}"  # the first half of a character beyond 16 bits
LOW = r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # its second half
NOT_LOW = rf"(?!{LOW})\\u[0-9a-fA-F]{{4}}"
WHOLE_CHARACTERS = re.compile(
    rf'(?:[^"\\]|\\[^u]|{HIGH}{LOW}|{HIGH}(?=[^\\]|\\[^u]|{NOT_LOW})|\\u(?![dD][89abAB])[0-9a-fA-F]{{4}})*'
)


class ReplyReader:
    """Takes the answer in fragments; `whole` is all of it, but for the thought that some servers leave before it."""

    def __init__(self) -> None:
        self.whole = ""
        self.thought = ""
        self._read = 0  # characters of `whole` that were decoded; 0 until the reply begins

    def push(self, fragment: str) -> str:
        """Return the text of the reply that `fragment` completes; nothing while the answer is something else."""
        self.whole += fragment
        if ">" in fragment and not self._read and not self.thought and (thought := THOUGHT.match(self.whole)):
            self.thought, self.whole = thought[1].strip(), self.whole[thought.end() :]
        if self._read == 0:
            opening = OPENING.match(self.whole)
            if opening is None:
                return ""
            self._read = opening.end()
        ready = WHOLE_CHARACTERS.match(self.whole, self._read)
        assert ready is not None
        self._read = ready.end()
        text: str = json.loads(f'"{ready[0]}"', strict=False)
        return text.encode("utf-8", "replace").decode("utf-8")
