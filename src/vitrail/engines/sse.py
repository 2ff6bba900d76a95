"""Bytes of a server-sent event stream to the data of its events. Knows nothing of HTTP or JSON."""

from __future__ import annotations

from collections.abc import Iterator

EVENT_LIMIT_BYTES = 16 << 20


class EventSplitter:
    """Gathers bytes however they are cut, and gives whole events; comments (keep-alives) give nothing."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def push(self, received: bytes) -> Iterator[bytes]:
        """Yield the data of every event that is whole by now; raises ValueError for one over the limit."""
        *lines, self._rest = (self._rest + received).split(b"\n")
        if len(self._rest) > EVENT_LIMIT_BYTES:
            raise ValueError("an event of the stream is too long")
        for line in lines:
            line = line.removesuffix(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data:
                data, self._data = b"\n".join(self._data), []
                yield data

    def flush(self) -> Iterator[bytes]:
        """Yield the last event of a stream that ended without an empty line."""
        yield from self.push(b"\n\n")
