"""The scripted engine: plays answers from a YAML file instead of a model. A stand-in for the cloud API in tests and CI.

Nothing is drawn at random and nothing sleeps unless the script says so. Without a script, or where no rule holds, the
answer says what the engine saw: the number and sizes of the images, and the question.

    rules:                                # tried in order; the first whose `when` holds answers
      - when: {text: invoice, images: 1}  # all must hold: text (substring), regex, system, last_role, model, images,
        text: The total is 18.20 EUR.     #   width_px, height_px, sha256, digest, call; numbers may be {min: 1, max: 3}
      - when: {regex: "slow|stream"}
        chunks: ["One, ", {text: "two.", delay_seconds: 0.5}]
      - when: {text: weather}
        tool_calls: [{name: find_weather, arguments: {city: Oslo}}]
      - when: {text: flaky}               # first call, second call, ...; the last one for ever
        answers:
          - error: {kind: Unavailable, retry_after_seconds: 1}
          - text: It works now.
      - text: "Call {call}: I see {images}."        # no `when`: always

An answer may also have `delay_seconds` (before every chunk), `first_delay_seconds`, `reasoning`, `finish_reason`,
`logprob`, `error.text`, `error.headers`, `error.after_chunks`, `fault` (drop, truncate, invalid_json, silence),
`verbatim` and the counts `completion_tokens`, `reasoning_tokens`, `prompt_tokens`, `cached_tokens`. In its
texts `{images}` (as in "2 images (448x448, 640x480 px)"), `{image_count}`, `{sizes}`, `{question}`, `{model}` and
`{call}` (1, 2, ...) are filled in. A top-level `capabilities` switches off `images`, `logprobs`, `structured`, `tools`
or `reasoning`. When the request has a JSON schema, or must call a tool, and the rule says nothing, the smallest valid
instance is made up. `strict: true` refuses what no rule holds for. With another engine to record from, that one is
asked instead, and its answer becomes a rule of the script. The whole format: docs/scripted.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

from vitrail.domain.chat import Sampling
from vitrail.domain.errors import InvalidArgument, Unavailable
from vitrail.engines.base import Capabilities, Engine, Health, Piece, Prompt, Token
from vitrail.engines.request_log import RequestLog
from vitrail.engines.script import Asked, Script
from vitrail.engines.script_asked import read_asked
from vitrail.engines.script_deck import Deck, Turn
from vitrail.engines.script_file import parse_script
from vitrail.engines.script_player import Player
from vitrail.engines.script_recording import check_appendable, read_text, record_rule
from vitrail.engines.words import count_words, tokenize_words
from vitrail.engines.yaml_reading import BadDocument

MESSAGE_TOKENS = 4  # what a chat template adds to each message
ANSWER_TOKENS = 3  # and for the beginning of the answer
QUESTION_LIMIT = 200
SILENCE_SECONDS = 3600.0

Sleep = Callable[[float], Awaitable[object]]


class ScriptedEngine:
    """Plays the script in a file, or echoes without one; `model` is the id that rules may ask for.

    With `record_from`, a started or unstarted engine that this one owns from now on, what no rule holds for is asked
    there and appended to the file, which need not be there yet.
    """

    def __init__(
        self,
        script: Path | None = None,
        *,
        model: str = "",
        log: RequestLog | None = None,
        record_from: Engine | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._path = script
        self._model = model
        self._log = log or RequestLog()
        self._source = record_from if script else None
        self._sleep = sleep
        self._deck = Deck(Script())
        self._is_file = False  # whether the file's script is on the deck, and not one that a test put there

    @property
    def capabilities(self) -> Capabilities:
        """Return what the script says that the engine can do."""
        return self._deck.script.capabilities

    @property
    def fingerprint(self) -> str:
        """Return text that changes with the script."""
        return self._deck.fingerprint

    async def start(self) -> None:
        """Read the script; raises Unavailable that names the line at fault, for the operator."""
        if self._source is not None:
            await self._source.start()
        await self.rewind()

    async def rewind(self) -> None:
        """Play the file from its beginning, whatever was played before; raises Unavailable as `start` does."""
        self._deck, self._is_file = Deck(Script()), True
        if self._path is None:
            return
        try:
            text = await asyncio.to_thread(self._read_file, self._path)
            self._deck = Deck(parse_script(text, source=self._path.name), text)
        except (OSError, UnicodeDecodeError, BadDocument) as failure:
            raise Unavailable(f"The script cannot be played: {failure}") from failure

    def play(self, text: str) -> int:
        """Play this script from its beginning instead of the file's; return its number of rules.

        Nothing is recorded meanwhile. Raises InvalidArgument that names the line at fault.
        """
        try:
            deck = Deck(parse_script(text), text)
        except BadDocument as failure:
            raise InvalidArgument(f"The script cannot be played: {failure}") from failure
        self._deck, self._is_file = deck, False
        return len(deck.script.rules)

    def _read_file(self, path: Path) -> str:
        if self._source is None:
            return path.read_text("utf-8")
        text = read_text(path)
        check_appendable(text, source=path.name)
        return text

    async def close(self) -> None:
        """Close the engine that is recorded from."""
        if self._source is not None:
            await self._source.close()

    async def health(self) -> Health:
        """Return that the engine is ready."""
        return Health(ready=True, detail=f"{len(self._deck.script.rules)} rules")

    async def count_text_tokens(self, prompt: Prompt) -> int:
        """Return words and signs of all texts, four more for each message and three for the answer to begin."""
        tools = sum(count_words(t.name) + count_words(t.description) + count_words(t.parameters) for t in prompt.tools)
        texts = sum(MESSAGE_TOKENS + count_words(message.text) for message in prompt.messages)
        calls = sum(count_words(c.name) + count_words(c.arguments) for m in prompt.messages for c in m.tool_calls)
        return texts + tools + calls + ANSWER_TOKENS

    async def tokenize(self, text: str) -> tuple[Token, ...]:
        """Return words and signs as tokens."""
        return tokenize_words(text)

    async def generate(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """Yield the answer of the first rule that holds, or what is said where none does; all of it is logged."""
        if prompt.images and not self.capabilities.images:
            raise InvalidArgument("This model takes text only, and the request has images.")
        asked = read_asked(prompt, sampling, model=self._model)
        turn = self._deck.draw(asked)
        source = self._source if turn.rule is None and self._is_file else None
        entry = self._log.open(
            prompt, sampling, model=self._model, digest=asked.digest, rule=turn.rule, recorded=source is not None
        )
        pieces = self._play(turn, asked, prompt, sampling)
        if source is not None:
            pieces = self._record(source, asked, prompt, sampling)
        async with aclosing(entry.follow(pieces)) as followed:
            async for piece in followed:
                yield piece

    async def _play(self, turn: Turn, asked: Asked, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        if turn.rule is None and self._deck.script.strict:
            raise _refusal(asked)
        player = Player(turn.answer, prompt, sampling, fill=lambda text: _fill(text, asked, call=turn.call))
        if player.first_delay_seconds:
            await self._sleep(player.first_delay_seconds)
        for piece in player.open():
            yield piece
        for chunk in player.chunks:
            if chunk.delay_seconds:
                await self._sleep(chunk.delay_seconds)
            for piece in player.play(chunk):
                yield piece
            if player.is_over:
                break
        if player.falls_silent:
            await self._sleep(SILENCE_SECONDS)
            raise Unavailable
        if player.failure is not None:
            raise player.failure
        for piece in player.finish():
            yield piece

    async def _record(
        self, source: Engine, asked: Asked, prompt: Prompt, sampling: Sampling
    ) -> AsyncGenerator[Piece, None]:
        """Yield the other engine's answer; its last piece comes once the answer is in the file."""
        assert self._path is not None
        told: list[Piece] = []
        last: Piece | None = None
        async with aclosing(source.generate(prompt, sampling)) as pieces:
            async for piece in pieces:
                if last is not None:
                    yield last
                told.append(piece)
                last = piece
        try:
            text = await asyncio.to_thread(record_rule, self._path, asked, told)
        except (OSError, UnicodeDecodeError, BadDocument) as failure:
            raise Unavailable(f"The answer cannot be recorded: {failure}") from failure
        if self._is_file:
            self._deck.replace(parse_script(text, source=self._path.name), text)
        if last is not None:
            yield last


def _refusal(asked: Asked) -> InvalidArgument:
    """What a strict script says where no rule holds: all that a rule could be written for."""
    images = ", ".join(f"{i.width_px}x{i.height_px} px sha256 {i.sha256}" for i in asked.images) or "no image"
    return InvalidArgument(
        f"No rule of the script holds for this request to {asked.model}: {asked.text[:QUESTION_LIMIT]!r}, {images}.",
        hint="Add a rule, or leave `strict` out of the script.",
    )


def _fill(text: str, asked: Asked, *, call: int) -> str:
    """The text with its placeholders filled in; all other braces stay."""
    sizes = ", ".join(f"{image.width_px}x{image.height_px}" for image in asked.images)
    count = len(asked.images)
    images = "no image" if count == 0 else f"1 image ({sizes} px)" if count == 1 else f"{count} images ({sizes} px)"
    values = {
        "{images}": images,
        "{image_count}": str(count),
        "{sizes}": sizes,
        "{model}": asked.model,
        "{call}": str(call),
        "{question}": asked.text[:QUESTION_LIMIT],  # last, since it may hold a placeholder itself
    }
    for name, value in values.items():
        text = text.replace(name, value)
    return text
