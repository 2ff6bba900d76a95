"""Trying a model ends in time, whatever the model does."""

from __future__ import annotations

import asyncio
import time

from vitrail.domain.completion import FinishReason
from vitrail.engines.base import Capabilities, FinishPiece, TextPiece
from vitrail.engines.llama.trial import try_model

SECONDS = 0.4


class PlayedEngine:
    """Loads, looks and writes as slowly as it is told, in seconds; `looks` of None never ends."""

    pid = None
    capabilities = Capabilities(images=True)

    def __init__(self, *, loads: float = 0.0, looks: float | None = 0.0, writes: float = 0.001) -> None:
        self._loads, self._looks, self._writes = loads, looks, writes
        self.is_closed = False

    async def start(self) -> None:
        await asyncio.sleep(self._loads)

    async def close(self) -> None:
        self.is_closed = True

    async def count_text_tokens(self, prompt):
        return 100

    async def generate(self, prompt, sampling):
        if prompt.images:
            await (asyncio.sleep(self._looks) if self._looks is not None else asyncio.Future())
        for _ in range(sampling.max_tokens):
            await asyncio.sleep(self._writes)
            yield TextPiece("a", 1)
        yield FinishPiece(FinishReason.LENGTH)


async def test_a_picture_that_takes_too_long_leaves_time_for_text():
    """It is not known then, and what text costs is; the whole takes about the time that was given."""
    engine, began = PlayedEngine(looks=None), time.monotonic()
    trial = await try_model(engine, seconds=SECONDS)
    assert time.monotonic() - began < 5.0 and engine.is_closed
    assert trial.picture_seconds is None and trial.tokens_per_second and trial.prompt_tokens_per_second


async def test_a_model_that_loads_for_all_the_time_is_asked_all_the_same():
    """Half of the time is kept for that."""
    trial = await try_model(PlayedEngine(loads=2 * SECONDS), seconds=SECONDS)
    assert trial.load_seconds >= 2 * SECONDS and trial.picture_seconds and trial.tokens_per_second


async def test_a_model_that_never_says_a_word_is_given_up():
    """Only the loading is known."""
    engine, began = PlayedEngine(looks=None, writes=3600.0), time.monotonic()
    trial = await try_model(engine, seconds=SECONDS)
    assert time.monotonic() - began < 5.0 and engine.is_closed
    assert (trial.picture_seconds, trial.prompt_tokens_per_second, trial.tokens_per_second) == (None, None, None)
