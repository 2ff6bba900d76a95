"""The embedded engine: pictures -> fact sheets -> one answer of a language model -> checks. Made by app.

A plain text conversation passes through to the language model and streams. As soon as there is a picture, the answer is
held back until it is checked, since a check may still veto it; it then comes in a few quick pieces.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from vitrail.domain.chat import Sampling
from vitrail.domain.errors import Unavailable
from vitrail.domain.perception import Perceived
from vitrail.domain.pictures import PreparedImage
from vitrail.engines.base import Capabilities, Engine, Health, Piece, Prompt, Restarting, Token
from vitrail.engines.facts.answers import Case, answer_in_words, open_case
from vitrail.engines.facts.ask import Answer
from vitrail.engines.facts.conversation import without_pictures
from vitrail.engines.facts.delivery import deliver
from vitrail.engines.facts.options import FactsOptions
from vitrail.engines.facts.parts import split_prompt
from vitrail.engines.facts.perceived import render_sheet
from vitrail.engines.facts.room import check_room
from vitrail.engines.facts.structured import answer_in_json
from vitrail.engines.facts.worker import Perception

PERCEPTION_VERSION = "2"  # raised with every change of perception, prompt or checks that changes answers


class FactsEngine:
    """Answers about pictures with a language model that sees none; owns that engine: starts and closes it."""

    def __init__(
        self, language: Engine, options: FactsOptions | None = None, *, perception: Perception | None = None
    ) -> None:
        self._language = language
        self._options = options or FactsOptions()
        self._perception = perception or Perception(self._options)
        self._perception_print = ""

    @property
    def capabilities(self) -> Capabilities:
        """Return pictures, and of the rest what the language engine can do; log probabilities are not offered."""
        theirs = self._language.capabilities
        return Capabilities(
            images=True,
            perception=True,
            structured=theirs.structured,
            tools=theirs.tools,
            picture_long_edge_px=self._options.picture_long_edge_px,
        )

    @property
    def fingerprint(self) -> str:
        """Return text over the perception models, this package's rules and the language engine."""
        return f"facts-{PERCEPTION_VERSION}-{self._perception_print}-{self._language.fingerprint}"

    @property
    def restarts(self) -> int:
        """Return how often the language engine's process was started again."""
        return self._language.restarts if isinstance(self._language, Restarting) else 0

    async def start(self) -> None:
        """Start perception and the language engine side by side, or raise Unavailable."""
        self._perception_print = await asyncio.to_thread(_hash_models)
        try:
            async with asyncio.TaskGroup() as starting:
                starting.create_task(self._perception.start())
                starting.create_task(self._language.start())
        except ExceptionGroup as failures:  # what an `except*` raises is itself a group in Python 3.11.2
            unavailable, others = failures.split(Unavailable)
            if unavailable is None or others is not None:
                raise
            raise _first(unavailable) from None

    async def close(self) -> None:
        """End perception and the language engine."""
        await self._perception.close()
        await self._language.close()

    async def health(self) -> Health:
        """Return ready when pictures can be looked at and the language engine is ready."""
        if not self._perception.is_ready:
            return Health(False, "perception is not running")
        return await self._language.health()

    async def count_text_tokens(self, prompt: Prompt) -> int:
        """Return the tokens of the client's own text; the facts are not billed."""
        return await self._language.count_text_tokens(without_pictures(prompt))

    async def tokenize(self, text: str) -> tuple[Token, ...]:
        """Return the tokens of the language engine."""
        return await self._language.tokenize(text)

    async def perceive(self, image: PreparedImage, *, asker: str = "") -> Perceived:
        """Return the facts of a picture, the same that answers rest on."""
        return render_sheet(await self._perception.look(image))

    async def generate(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """Yield one answer; see the module for when it streams and when it is held back."""
        if not prompt.images:
            pieces = self._language.generate(prompt, sampling)
        else:
            pieces = self._answer_about_pictures(prompt, sampling)
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    async def _answer_about_pictures(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        if prompt.tools:
            pieces = self._call_tools(await self._open_case(prompt), sampling)
        else:
            answers = [await self._answer(part, sampling) for part in split_prompt(prompt)]
            text = "\n".join(answer.text for answer in answers)
            pieces = deliver(text, sampling, self._language, reason=answers[-1].reason)
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    async def _answer(self, prompt: Prompt, sampling: Sampling) -> Answer:
        case = await self._open_case(prompt)
        if prompt.response_format:
            return await answer_in_json(case, prompt.response_format, sampling, self._language, self._options)
        return await answer_in_words(case, sampling, self._language, self._options)

    async def _open_case(self, prompt: Prompt) -> Case:
        """Return the case with every picture looked at; raises ContextTooLong when its facts leave no room."""
        sheets = tuple([await self._perception.look(image) for image in prompt.images])
        case = open_case(prompt, sheets, self._options)
        await check_room(case, self._language, self._options)
        return case

    def _call_tools(self, case: Case, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """Return the language model's own pieces over the facts: the caller judges what its functions are given."""
        temperature = 0.0 if sampling.temperature is None else sampling.temperature
        return self._language.generate(case.prompt, replace(sampling, temperature=temperature))


def _first(failures: BaseExceptionGroup[Unavailable]) -> Unavailable:
    """Return the first failure of a group, however deep."""
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _hash_models() -> str:
    """Return a short hash over the shipped models and the version of the OCR package."""
    digest = hashlib.sha256(version("rapidocr").encode())
    for path in sorted(Path(__file__).with_name("models").iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
