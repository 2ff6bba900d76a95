"""Start the llama.cpp child, wait until it is ready, and kill it. Called by supervisor. Knows nothing of requests."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import re
import sys
from contextlib import suppress
from typing import Any

import structlog

from vitrail.domain.errors import Unavailable
from vitrail.engines.llama.spec import ChildSpec

LINE_LIMIT_BYTES = 1 << 20
LAST_WORDS_SECONDS = 1.0  # for what a process that ended still has in its pipe
COMPLAINT = re.compile(r"[\d.]+ E .{0,60}?\w: (.{1,500})")  # time, level, module, function
MOST_COMPLAINTS = 10


class CannotLoad(Unavailable):
    """The engine could not load its model."""


class Child:
    """A running llama.cpp server at `url`, loopback only, that takes `key`, and pictures in memory files if it can."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        *,
        url: str,
        key: str,
        reads_memory_files: bool,
        log_pump: asyncio.Task[None],
    ) -> None:
        self.url = url
        self.key = key
        self.reads_memory_files = reads_memory_files
        self._process = process
        self._log_pump = log_pump

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Tell whether the process still runs."""
        return self._process.returncode is None

    def kill(self) -> None:
        """End the process at once; `wait` returns soon after."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def wait(self) -> int:
        """Return the exit status once the process has ended."""
        status = await self._process.wait()
        self._log_pump.cancel()
        return status


async def start_child(spec: ChildSpec, *, deadline_seconds: float) -> Child:
    """Return a child that has loaded its model; raises Unavailable, and leaves no process, if it does not get there."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "vitrail.engines.llama.child", str(os.getpid())),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=LINE_LIMIT_BYTES,
        start_new_session=True,
    )
    complaints: list[str] = []
    log_pump = asyncio.create_task(_pump_log(process, complaints))
    try:
        async with asyncio.timeout(deadline_seconds):
            ready = await _shake_hands(process, spec)
    except BaseException as failure:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await asyncio.wait((log_pump,), timeout=LAST_WORDS_SECONDS)
        log_pump.cancel()
        if isinstance(failure, TimeoutError):
            raise Unavailable(f"The engine process was not ready within {deadline_seconds:g} s.") from failure
        if isinstance(failure, CannotLoad):
            raise CannotLoad(_tell_cause(spec, [*complaints, failure.message])) from failure
        raise
    return Child(
        process,
        url=ready["url"],
        key=spec.key,
        reads_memory_files=ready["reads_memory_files"],
        log_pump=log_pump,
    )


async def _shake_hands(process: asyncio.subprocess.Process, spec: ChildSpec) -> dict[str, Any]:
    """Send the spec, and return what the child announces of itself."""
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(json.dumps(dataclasses.asdict(spec)).encode() + b"\n")
        await process.stdin.drain()
        line = await process.stdout.readline()
    except (BrokenPipeError, ConnectionResetError) as failure:
        raise Unavailable("The engine process ended before it was ready.") from failure
    if not line:
        raise Unavailable("The engine process ended before it was ready.")
    try:
        announced: dict[str, Any] = json.loads(line)
    except ValueError as failure:
        raise Unavailable("The engine process said something else than that it is ready.") from failure
    if "error" in announced:
        raise CannotLoad(str(announced["error"]))
    return announced


def _tell_cause(spec: ChildSpec, complaints: list[str]) -> str:
    """Return which files could not be loaded and the first complaint, of which the others follow."""
    names = " with ".join(path for path in (spec.gguf, spec.mmproj) if path is not None)
    return f"The engine could not load {names}: {complaints[0].rstrip('.')}."


async def _pump_log(process: asyncio.subprocess.Process, complaints: list[str]) -> None:
    """Pass the child's standard error to our log, line by line, and the first errors to `complaints`."""
    assert process.stderr is not None
    log = structlog.get_logger(engine="llama", pid=process.pid)
    while True:
        try:
            line = await process.stderr.readline()
        except ValueError:  # a line over the limit; the reader has dropped it
            continue
        if not line:
            return
        text = line.decode("utf-8", "replace").rstrip()
        if (complaint := COMPLAINT.match(text)) and len(complaints) < MOST_COMPLAINTS:
            complaints.append(complaint[1])
        log.debug("llama.cpp", line=text)
