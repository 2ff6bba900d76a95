"""Download a file over HTTP, from where an earlier try stopped, and give up on a server that is silent.

Called by weights in a thread of its own. Knows nothing of digests.
"""

from __future__ import annotations

import http.client
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from io import FileIO
from pathlib import Path

READ_BYTES = 256 << 10

Advance = Callable[[int], None]


class SourceFailed(Exception):
    """A source did not give the file; the text says why, in one line for the operator."""


class SourceSilent(SourceFailed):
    """A source did not answer in time, and is not worth asking again soon."""


def download(url: str, partial: Path, *, size_bytes: int | None, silent_seconds: float, advance: Advance) -> None:
    """Add what is missing to `partial` until it has `size_bytes`; `advance` hears how many there are.

    Without a known size the file is fetched anew, and has to be as long as the server says.

    Raises SourceFailed, and SourceSilent after `silent_seconds` without a byte, name look-up included; what came stays.
    However it ends, `partial` is the caller's alone from then on.
    """
    transfer = _Transfer(url, partial, size_bytes=size_bytes, silent_seconds=silent_seconds)
    threading.Thread(target=transfer.run, name="weights download", daemon=True).start()
    try:
        while True:
            event = transfer.events.get(timeout=silent_seconds)
            if isinstance(event, Exception):
                raise event
            if event is None:
                return
            advance(event)
    except queue.Empty:
        raise SourceSilent(f"no answer for {silent_seconds:g} s") from None
    finally:
        transfer.abandon()


class _Transfer:
    """One transfer in a thread that may hang for ever (in a name look-up, say) and is abandoned then."""

    def __init__(self, url: str, partial: Path, *, size_bytes: int | None, silent_seconds: float) -> None:
        self.events: queue.Queue[int | SourceFailed | None] = queue.Queue()
        self._url = url
        self._partial = partial
        self._size_bytes = size_bytes
        self._silent_seconds = silent_seconds
        self._writing = threading.Lock()
        self._abandoned = False

    def abandon(self) -> None:
        """Return once the thread writes no more."""
        with self._writing:
            self._abandoned = True

    def run(self) -> None:
        """Transfer, and say how it ended."""
        try:
            self._transfer()
        except SourceFailed as failure:
            self.events.put(failure)
        except urllib.error.HTTPError as failure:
            failure.close()
            self.events.put(SourceFailed(f"HTTP {failure.code}"))
        except TimeoutError:
            self.events.put(SourceSilent(f"no answer for {self._silent_seconds:g} s"))
        except (OSError, http.client.HTTPException, ValueError) as failure:
            reason = getattr(failure, "reason", failure)
            silent = isinstance(reason, TimeoutError)
            self.events.put((SourceSilent if silent else SourceFailed)(f"no connection ({reason})"))
        else:
            self.events.put(None)

    def _transfer(self) -> None:
        have = self._partial.stat().st_size if self._size_bytes and self._partial.exists() else 0
        if self._size_bytes and have >= self._size_bytes:
            return
        request = urllib.request.Request(self._url, headers={"User-Agent": "vitrail"})
        if have:
            request.add_header("Range", f"bytes={have}-")
        with urllib.request.urlopen(request, timeout=self._silent_seconds) as response:
            continues = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            if not (response.status == 206 and continues):
                have = 0
            if self._size_bytes is None:
                self._size_bytes = _read_length(response.headers.get("Content-Length"))
            with self._open_at(have) as file:
                while received := response.read1(READ_BYTES):
                    have += len(received)
                    self._write(file, received, have)
        assert self._size_bytes is not None
        if have < self._size_bytes:
            raise SourceFailed(f"the transfer ended after {have:,} of {self._size_bytes:,} bytes")

    def _open_at(self, have: int) -> FileIO:
        """The partial file, cut to its first `have` bytes. Unbuffered: no write is left for its closing."""
        with self._writing:
            self._refuse_abandoned()
            file = FileIO(self._partial, "a")
            file.truncate(have)
            return file

    def _write(self, file: FileIO, received: bytes, have: int) -> None:
        if self._size_bytes is not None and have > self._size_bytes:
            raise SourceFailed(f"the file there is longer than {self._size_bytes:,} bytes")
        with self._writing:
            self._refuse_abandoned()
            if file.write(received) != len(received):
                raise SourceFailed("the disk took only a part of it")
        self.events.put(have)

    def _refuse_abandoned(self) -> None:
        if self._abandoned:
            raise SourceFailed("abandoned")


def _read_length(header: str | None) -> int:
    if header is None or not header.isdigit():
        raise SourceFailed("the server does not say how long the file is")
    return int(header)
