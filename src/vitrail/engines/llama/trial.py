"""Try a model for some seconds: how long it loads, reads a prompt, looks at a picture, how fast it writes.

Called by `app.py` for `vitrail models check`. Knows nothing of weights' names.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from vitrail.domain.chat import Role, Sampling, TextPart
from vitrail.domain.pictures import TILE_PX, TOKENS_PER_TILE, Picture, PreparedImage, TilePlan
from vitrail.engines.base import Engine, FinishPiece, Prompt, PromptMessage
from vitrail.engines.llama.memory import read_resident_bytes

QUESTION = "Tell in full sentences, as long as you can, what one may see on a walk through a harbour in the morning. "
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
    """Start the engine, ask it for about `seconds` at most, and close it; raises Unavailable if it does not start."""
    began = monotonic()
    try:
        await engine.start()
        loaded = monotonic()
        picture_seconds = None
        if engine.capabilities.images:
            picture_seconds, _, _ = await _ask(engine, (_draw_tile(), TextPart("What?")), began + seconds, monotonic)
        first_seconds, rate, prompt_tokens = await _ask(engine, (TextPart(QUESTION * 8),), began + seconds, monotonic)
        return Trial(
            load_seconds=loaded - began,
            prompt_tokens_per_second=prompt_tokens / first_seconds if prompt_tokens and first_seconds else None,
            tokens_per_second=rate,
            picture_seconds=picture_seconds,
            resident_bytes=read_resident_bytes(engine.pid) if engine.pid else None,
        )
    finally:
        await engine.close()


async def _ask(
    engine: ProcessEngine, parts: tuple[TextPart | PreparedImage, ...], deadline: float, monotonic: Clock
) -> tuple[float | None, float | None, int | None]:
    """The seconds to the first token, the tokens a second after it, and the prompt's tokens, as far as time allows."""
    prompt = Prompt((PromptMessage(Role.USER, parts),))
    prompt_tokens = await engine.count_text_tokens(prompt)
    sampling = LONG_ANSWER if monotonic() < deadline else Sampling(max_tokens=1, temperature=0.0)
    began, first_at, last_at, tokens = monotonic(), None, 0.0, 0
    async with aclosing(engine.generate(prompt, sampling)) as pieces:
        async for piece in pieces:
            if isinstance(piece, FinishPiece):
                break
            last_at = monotonic()
            first_at = first_at if first_at is not None else last_at
            tokens += piece.tokens
            if last_at > deadline:
                break
    if first_at is None:
        return None, None, prompt_tokens
    rate = (tokens - 1) / (last_at - first_at) if tokens > 1 and last_at > first_at else None
    return first_at - began, rate, prompt_tokens


def _draw_tile() -> PreparedImage:
    """A picture of one tile, of stripes."""
    row = b"".join(bytes((x % 256, x // 2 % 256, 128)) for x in range(TILE_PX))
    plan = TilePlan(
        columns=1, rows=1, fitted_width_px=TILE_PX, fitted_height_px=TILE_PX, image_tokens=2 * TOKENS_PER_TILE
    )
    picture = Picture(TILE_PX, TILE_PX, row * TILE_PX)
    return PreparedImage(picture=picture, plan=plan, content_hash=hashlib.sha256(row).hexdigest())
