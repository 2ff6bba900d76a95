"""Run `n` generations of one prompt side by side and yield their pieces as they come, each with its choice's index."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from vitrail.domain.chat import Sampling
from vitrail.engines.base import Engine, Piece, Prompt
from vitrail.service.answer_shape import AnswerShape, checked
from vitrail.service.thoughts import split_thoughts

_AHEAD = 64  # pieces that generations may be ahead of a slow reader


async def generate_choices(
    engine: Engine,
    prompt: Prompt,
    sampling: Sampling,
    *,
    n: int,
    shape: AnswerShape,
    call_seed: str,
    thinks: bool = False,
) -> AsyncGenerator[tuple[int, Piece], None]:
    """Yield (choice index, piece); the first failure ends all. Closing cancels every generation.

    With a seed, choice k is drawn with seed + k, so that the choices differ and repeat. Every choice is held to
    `shape`; the ids of its function calls come from `call_seed`. `thinks`: the model reasons, maybe in its text.
    """

    def generate(k: int) -> AsyncGenerator[Piece, None]:
        pieces = engine.generate(prompt, _drawn(sampling, k))
        return checked(split_thoughts(pieces) if thinks else pieces, shape, call_seed=f"{call_seed}/{k}")

    if n == 1:
        async with aclosing(generate(0)) as pieces:
            async for piece in pieces:
                yield 0, piece
        return
    queue: asyncio.Queue[tuple[int, Piece] | Exception | None] = asyncio.Queue(_AHEAD)
    tasks = [asyncio.create_task(_pump(queue, generate(k), k)) for k in range(n)]
    try:
        running = n
        while running:
            item = await queue.get()
            if item is None:
                running -= 1
            elif isinstance(item, Exception):
                raise item
            else:
                yield item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _drawn(sampling: Sampling, k: int) -> Sampling:
    return sampling if sampling.seed is None else replace(sampling, seed=sampling.seed + k)


async def _pump(
    queue: asyncio.Queue[tuple[int, Piece] | Exception | None],
    generation: AsyncGenerator[Piece, None],
    index: int,
) -> None:
    """Put the pieces of one generation on the queue, then None, or the exception that ended it."""
    try:
        async with aclosing(generation) as pieces:
            async for piece in pieces:
                await queue.put((index, piece))
    except Exception as failure:  # noqa: BLE001 - handed to the reader, who raises it
        await queue.put(failure)
    else:
        await queue.put(None)
