"""Try a model for some seconds: how long it loads, reads a prompt, looks at a picture, how fast it writes.

Called by `app.py` for `vitrail models check`. Knows nothing of weights' names.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Protocol

from vitrail.domain.chat import Role, Sampling, TextPart
from vitrail.domain.pictures import TILE_PX, TOKENS_PER_TILE, Picture, PreparedImage, TilePlan
from vitrail.engines.base import Engine, FinishPiece, Prompt, PromptMessage
from vitrail.engines.llama.memory import read_resident_bytes

QUESTION = "Tell in full sentences, as long as you can, what one may see on a walk through a harbour in the morning. "
LEAST_PART = 0.5  # of the time is for asking, also where loading took all of it
LONG_ANSWER = Sampling(max_tokens=256, temperature=0.0)
Clock = Callable[[], float]


class ProcessEngine(Engine, Protocol):
    """An engine in a process of its own; the llama engine is one."""

    @property
    def pid(self) -> int | None:
        """Return the process id, while there is a process."""
        ...


@dataclass(frozen=True, slots=True)
class Trial:
    """What was measured; None for what there was no time for, or what the model cannot do."""

    load_seconds: float
    prompt_tokens_per_second: float | None
    tokens_per_second: float | None
    picture_seconds: float | None  # from a 448 px picture and a short question to the first word
    resident_bytes: int | None


async def try_model(engine: ProcessEngine, *, seconds: float, monotonic: Clock = time.monotonic) -> Trial:
    """Start the engine, ask it for about `seconds` at most, and close it; raises Unavailable if it does not start.

    However long loading took, the picture and the text get a part of the time each.
    """
    began = monotonic()
    try:
        await engine.start()
        loaded = monotonic()
        left = max(began + seconds - loaded, LEAST_PART * seconds)
        picture_seconds = None
        if engine.capabilities.images:
            picture = await _ask(engine, (_draw_tile(), TextPart("What?")), loaded + left / 2, monotonic)
            picture_seconds = picture.first_seconds
        text = await _ask(engine, (TextPart(QUESTION * 8),), loaded + left, monotonic)
        return Trial(
            load_seconds=loaded - began,
            prompt_tokens_per_second=text.prompt_tokens_per_second,
            tokens_per_second=text.tokens_per_second,
            picture_seconds=picture_seconds,
            resident_bytes=read_resident_bytes(engine.pid) if engine.pid else None,
        )
    finally:
        await engine.close()


async def _ask(
    engine: ProcessEngine, parts: tuple[TextPart | PreparedImage, ...], deadline: float, monotonic: Clock
) -> _Measured:
    """Ask, and give up at the deadline with what was seen until then."""
    measured = _Measured(monotonic)
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, deadline - monotonic())):
            prompt = Prompt((PromptMessage(Role.USER, parts),))
            measured.prompt_tokens = await engine.count_text_tokens(prompt)
            measured.began = monotonic()
            async with aclosing(engine.generate(prompt, LONG_ANSWER)) as pieces:
                async for piece in pieces:
                    if not isinstance(piece, FinishPiece):
                        measured.note(piece.tokens)
    return measured


@dataclass(slots=True)
class _Measured:
    """How one answer came; rates are None for what did not come in time."""

    monotonic: Clock
    prompt_tokens: int = 0
    tokens: int = 0
    began: float = 0.0
    first_at: float | None = None
    last_at: float = 0.0

    def note(self, tokens: int) -> None:
        self.last_at = self.monotonic()
        self.first_at = self.last_at if self.first_at is None else self.first_at
        self.tokens += tokens

    @property
    def first_seconds(self) -> float | None:
        return None if self.first_at is None else self.first_at - self.began

    @property
    def prompt_tokens_per_second(self) -> float | None:
        return self.prompt_tokens / self.first_seconds if self.first_seconds else None

    @property
    def tokens_per_second(self) -> float | None:
        if self.first_at is None or self.tokens < 2 or self.last_at <= self.first_at:
            return None
        return (self.tokens - 1) / (self.last_at - self.first_at)


def _draw_tile() -> PreparedImage:
    """A picture of one tile, of stripes."""
    row = b"".join(bytes((x % 256, x // 2 % 256, 128)) for x in range(TILE_PX))
    plan = TilePlan(
        columns=1, rows=1, fitted_width_px=TILE_PX, fitted_height_px=TILE_PX, image_tokens=2 * TOKENS_PER_TILE
    )
    picture = Picture(TILE_PX, TILE_PX, row * TILE_PX)
    return PreparedImage(picture=picture, plan=plan, content_hash=hashlib.sha256(row).hexdigest())
