"""Hand pictures to the child in memory files, since llama.cpp takes 30 ms to read a megabyte of JSON. Used by engine.

A memory file has no name in any folder, so nothing is left on a disk, and it is gone with us. The child opens it by our
file descriptor in /proc; where it cannot, and on other systems than Linux, pictures go in the request.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vitrail.domain.pictures import Picture
from vitrail.engines.pictures import render_ppm_header

Lend = Callable[[Picture], str | None]


class MemoryFiles:
    """At most `limit` memory files. Descriptors are kept and reused: a late reader never opens something else."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._opened: set[int] = set()
        self._free: list[int] = []
        self._lock = threading.Lock()

    def make_probe(self) -> str | None:
        """Return the path of an empty memory file, by which a child finds out whether it can read ours."""
        with self._lock:
            descriptor = self._claim()
            if descriptor is None:
                return None
            self._free.append(descriptor)
            return f"/proc/{os.getpid()}/fd/{descriptor}"

    @contextmanager
    def lending(self) -> Iterator[Lend]:
        """Yield what puts a picture into a file for the time of the block, and returns its URL for the child.

        It returns None if the picture has to go in the request. A thread that the block left behind may still call it.
        """
        lent: list[int] = []
        is_over = False

        def lend(picture: Picture) -> str | None:
            with self._lock:
                descriptor = None if is_over else self._claim()
                if descriptor is None:
                    return None
                lent.append(descriptor)
                try:
                    with open(descriptor, "wb", closefd=False) as file:
                        file.seek(0)
                        file.write(render_ppm_header(picture))
                        file.write(picture.rgb)
                except OSError:  # no memory for it
                    return None
                return f"file://{descriptor}"

        try:
            yield lend
        finally:
            with self._lock:
                is_over = True
                for descriptor in self._opened.intersection(lent):  # none if all were closed meanwhile
                    os.ftruncate(descriptor, 0)
                    self._free.append(descriptor)

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            for descriptor in self._opened:
                os.close(descriptor)
            self._opened.clear()
            self._free.clear()

    def _claim(self) -> int | None:
        """The descriptor of an empty file that nobody uses; None if there is no room for one. The lock is held."""
        if self._free:
            return self._free.pop()
        if sys.platform != "linux" or len(self._opened) >= self._limit:
            return None
        try:
            descriptor = os.memfd_create("vitrail-picture")
        except OSError:  # no descriptors left, or forbidden here
            return None
        self._opened.add(descriptor)
        return descriptor
