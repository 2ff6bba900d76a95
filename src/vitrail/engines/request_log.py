"""Keep what scripted models were asked and how they answered, for tests to assert on: one log, bounded, for a server.

Written by `scripted`, read through the service. Never holds a key or a byte of an image.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from vitrail.domain.chat import Sampling
from vitrail.domain.errors import Failure
from vitrail.domain.faults import PlayedFault
from vitrail.domain.pictures import PreparedImage
from vitrail.domain.request_log import LoggedImage, LoggedMessage, LoggedRequest, LoggedSampling, Outcome
from vitrail.engines.base import FinishPiece, Piece, Prompt, PromptMessage, TextPiece, ToolCallPiece

REQUESTS_KEPT = 1000
CHARACTERS_KEPT = 65_536  # of the messages of one request, and of its answer; the newest messages win


class RequestLog:
    """The last requests, numbered from 1 since the server began."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._requests: OrderedDict[int, LoggedRequest] = OrderedDict()
        self._count = 0

    @property
    def requests(self) -> tuple[LoggedRequest, ...]:
        """Return what is kept, oldest first; running requests too."""
        return tuple(self._requests.values())

    def clear(self) -> int:
        """Forget every request and return how many there were; the ones that run are not remembered later."""
        forgotten = len(self._requests)
        self._requests.clear()
        return forgotten

    def open(
        self, prompt: Prompt, sampling: Sampling, *, model: str, digest: str, rule: int | None, recorded: bool
    ) -> LogEntry:
        """Begin the entry of a request."""
        self._count += 1
        request = LoggedRequest(
            number=self._count,
            at=self._clock(),
            model=model,
            messages=_log_messages(prompt),
            sampling=LoggedSampling(
                max_tokens=sampling.max_tokens,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                seed=sampling.seed,
                stop=sampling.stop,
            ),
            digest=digest,
            tools=tuple(tool.name for tool in prompt.tools),
            schema=(prompt.response_format.schema or "{}")[:CHARACTERS_KEPT] if prompt.response_format else None,
            rule=rule,
            recorded=recorded,
        )
        self._requests[request.number] = request
        if len(self._requests) > REQUESTS_KEPT:
            self._requests.popitem(last=False)
        return LogEntry(self, request)

    def write(self, request: LoggedRequest) -> None:
        """Write an entry anew, unless it was forgotten."""
        if request.number in self._requests:
            self._requests[request.number] = request


class LogEntry:
    """The entry of a request that is being answered."""

    def __init__(self, log: RequestLog, request: LoggedRequest) -> None:
        self._log = log
        self._request = request
        self._texts: list[str] = []
        self._calls: list[str] = []

    async def follow(self, pieces: AsyncGenerator[Piece, None]) -> AsyncGenerator[Piece, None]:
        """Yield the pieces on; how it ends is written down before the client can know it."""
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    match piece:
                        case TextPiece():
                            self._texts.append(piece.text)
                        case ToolCallPiece():
                            self._calls.append(piece.call.name)
                        case FinishPiece():
                            self._end(Outcome.ANSWERED)
                    yield piece
        except Failure as failure:
            error = failure.fault.value if isinstance(failure, PlayedFault) else type(failure).__name__
            self._end(Outcome.FAILED, error=error)
            raise
        finally:
            if self._request.outcome is Outcome.RUNNING:
                self._end(Outcome.CANCELLED)

    def _end(self, outcome: Outcome, **how: Any) -> None:
        answer = "".join(self._texts)[:CHARACTERS_KEPT]
        self._request = replace(
            self._request, outcome=outcome, answer=answer, answer_tool_calls=tuple(self._calls), **how
        )
        self._log.write(self._request)


def _log_messages(prompt: Prompt) -> tuple[LoggedMessage, ...]:
    """The messages, the oldest ones with their texts cut where all are too long."""
    left = CHARACTERS_KEPT
    logged: list[LoggedMessage] = []
    for message in reversed(prompt.messages):
        text = message.text[:left]
        left -= len(text)
        logged.append(_log_message(message, text))
    return tuple(reversed(logged))


def _log_message(message: PromptMessage, text: str) -> LoggedMessage:
    return LoggedMessage(
        role=message.role.value,
        text=text.encode("utf-8", "replace").decode("utf-8"),
        images=tuple(_log_image(part) for part in message.parts if isinstance(part, PreparedImage)),
        tool_calls=tuple(call.name for call in message.tool_calls),
    )


def _log_image(image: PreparedImage) -> LoggedImage:
    picture, sent = image.picture, image.sent
    return LoggedImage(
        sha256=sent.sha256 if sent else "",
        width_px=sent.width_px if sent else picture.width_px,
        height_px=sent.height_px if sent else picture.height_px,
        fitted_width_px=picture.width_px,
        fitted_height_px=picture.height_px,
    )
