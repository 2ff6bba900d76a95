"""Bytes of a server-sent event stream to the data of its events. Knows nothing of HTTP or JSON."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

EVENT_LIMIT_BYTES = 16 << 20


class EventSplitter:
    """Gathers bytes however they are cut, and gives whole events; comments (keep-alives) give nothing."""

    def __init__(self) -> None:
        self._rest = bytearray()  # of a line that has not ended
        self._data: list[bytes] = []
        self._held_bytes = 0  # of `_data`
        self._is_begun = False

    def push(self, received: bytes) -> Iterator[bytes]:
        """Yield the data of every event that is whole by now; raises ValueError for one over the limit."""
        *ends, rest = received.split(b"\n")
        for end in ends:
            line = bytes(self._rest) + end
            self._rest.clear()
            yield from self._read_line(line.removesuffix(b"\r"))
        self._rest += rest
        self._check(len(self._rest))

    def flush(self) -> Iterator[bytes]:
        """Yield the last event of a stream that ended without an empty line."""
        yield from self.push(b"\n\n")

    def _read_line(self, line: bytes) -> Iterator[bytes]:
        if not self._is_begun:
            self._is_begun, line = True, line.removeprefix(codecs.BOM_UTF8)
        if line.startswith(b"data:"):
            self._check(len(line))
            self._data.append(line[5:].removeprefix(b" "))
            self._held_bytes += len(line)
        elif not line and self._data:
            data, self._data, self._held_bytes = b"\n".join(self._data), [], 0
            yield data

    def _check(self, more_bytes: int) -> None:
        if self._held_bytes + more_bytes > EVENT_LIMIT_BYTES:
            raise ValueError("an event of the stream is too long")
