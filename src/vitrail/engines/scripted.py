"""The scripted engine: plays answers from a YAML file instead of a model. A stand-in for the cloud API in tests and CI.

Nothing is drawn at random and nothing sleeps unless the script says so. Without a script, or where no rule holds, the
answer says what the engine saw: the number and sizes of the images, and the question.

    rules:                                # tried in order; the first whose `when` holds answers
      - when: {text: invoice, images: 1}  # all must hold: text (substring), regex, model, images, width_px, height_px;
        text: The total is 18.20 EUR.     #   numbers may be {min: 1, max: 3}
      - when: {regex: "slow|stream"}
        chunks: ["One, ", {text: "two.", delay_seconds: 0.5}]
      - when: {text: weather}
        tool_calls: [{name: find_weather, arguments: {city: Oslo}}]
      - when: {text: flaky}               # first call, second call, ...; the last one for ever
        answers:
          - error: {kind: Unavailable, retry_after_seconds: 1}
          - text: It works now.
      - text: "Call {call}: I see {images}."        # no `when`: always

An answer may also have `delay_seconds` (before every chunk), `reasoning`, `finish_reason`, `logprob`, `error.text`,
`error.after_chunks` and the counts `completion_tokens`, `reasoning_tokens`, `prompt_tokens`, `cached_tokens`. In its
texts `{images}` (as in "2 images (448x448, 640x480 px)"), `{image_count}`, `{sizes}`, `{question}`, `{model}` and
`{call}` (1, 2, ...) are filled in. A top-level `capabilities` switches off `images`, `logprobs`, `structured`, `tools`
or `reasoning`. When the request has a JSON schema, or must call a tool, and the rule says nothing, the smallest valid
instance is made up. The whole format: docs/scripted.md.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

from vitrail.domain.chat import Role, Sampling
from vitrail.domain.errors import InvalidArgument, Unavailable
from vitrail.engines.base import Capabilities, Health, Piece, Prompt, Token
from vitrail.engines.script import Answer, Asked, Rule, Script, When
from vitrail.engines.script_file import parse_script
from vitrail.engines.script_player import Player
from vitrail.engines.words import count_words, tokenize_words
from vitrail.engines.yaml_reading import BadDocument

MESSAGE_TOKENS = 4  # what a chat template adds to each message
ANSWER_TOKENS = 3  # and for the beginning of the answer
QUESTION_LIMIT = 200
DEFAULT_RULE = Rule(When(), (Answer(),))

Sleep = Callable[[float], Awaitable[object]]


class ScriptedEngine:
    """Plays the script in a file, or echoes without one; `model` is the id that rules may ask for."""

    def __init__(self, script: Path | None = None, *, model: str = "", sleep: Sleep = asyncio.sleep) -> None:
        self._path = script
        self._model = model
        self._sleep = sleep
        self._script = Script()
        self._calls: Counter[int] = Counter()
        self._fingerprint = "scripted-echo"

    @property
    def capabilities(self) -> Capabilities:
        """Return what the script says that the engine can do."""
        return self._script.capabilities

    @property
    def fingerprint(self) -> str:
        """Return text that changes with the script."""
        return self._fingerprint

    async def start(self) -> None:
        """Read the script; raises Unavailable that names the line at fault, for the operator."""
        if self._path is None:
            return
        try:
            text = await asyncio.to_thread(self._path.read_text, "utf-8")
            self._script = parse_script(text, source=self._path.name)
        except (OSError, UnicodeDecodeError, BadDocument) as failure:
            raise Unavailable(f"The script cannot be played: {failure}") from failure
        self._fingerprint = f"scripted-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    async def close(self) -> None:
        """Do nothing: there is nothing to free."""

    async def health(self) -> Health:
        """Return that the engine is ready."""
        return Health(ready=True, detail=f"{len(self._script.rules)} rules")

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
        """Yield the answer of the first rule that holds."""
        if prompt.images and not self.capabilities.images:
            raise InvalidArgument("This model takes text only, and the request has images.")
        asked = _read_asked(prompt, self._model)
        answer, call = self._choose(asked)
        player = Player(answer, prompt, sampling, fill=lambda text: _fill(text, asked, call=call))
        for piece in player.open():
            yield piece
        for chunk in player.chunks:
            if chunk.delay_seconds:
                await self._sleep(chunk.delay_seconds)
            for piece in player.play(chunk):
                yield piece
            if player.is_over:
                break
        if player.failure is not None:
            raise player.failure
        for piece in player.finish():
            yield piece

    def _choose(self, asked: Asked) -> tuple[Answer, int]:
        """The answer to give, and how often its rule has answered by now, this time included."""
        rules = (*self._script.rules, DEFAULT_RULE)
        index = next(i for i, rule in enumerate(rules) if rule.when.holds(asked))
        self._calls[index] += 1
        answers = rules[index].answers
        return answers[min(self._calls[index], len(answers)) - 1], self._calls[index]


def _read_asked(prompt: Prompt, model: str) -> Asked:
    """What rules look at in a prompt."""
    texts = [message.text for message in prompt.messages if message.role is Role.USER]
    sizes_px = tuple((image.picture.width_px, image.picture.height_px) for image in prompt.images)
    return Asked(text=texts[-1] if texts else "", model=model, sizes_px=sizes_px)


def _fill(text: str, asked: Asked, *, call: int) -> str:
    """The text with its placeholders filled in; all other braces stay."""
    sizes = ", ".join(f"{width}x{height}" for width, height in asked.sizes_px)
    count = len(asked.sizes_px)
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
