"""Start worker processes that import what they run and nothing of the program that started them. Used by workers."""

from __future__ import annotations

import sys
from multiprocessing.context import SpawnContext, SpawnProcess
from threading import Lock
from types import ModuleType
from typing import ClassVar


class WorkerProcess(SpawnProcess):
    """A spawned process that does not run the parent's main module again.

    Python's spawn imports it in every child: for a server that is the whole command line and all behind it, a second
    of time and tens of megabytes a worker, and whatever it holds would lie beside the bytes of hostile images.
    """

    _starting: ClassVar[Lock] = Lock()

    def start(self) -> None:
        """Start the process, hiding the main module from spawn for as long as that takes."""
        with self._starting:
            main = sys.modules["__main__"]
            sys.modules["__main__"] = ModuleType("__main__")
            try:
                super().start()
            finally:
                sys.modules["__main__"] = main


class WorkerContext(SpawnContext):
    """The spawn context whose processes are worker processes."""

    Process = WorkerProcess
