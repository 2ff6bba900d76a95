"""Drawn pictures, real perception models and a language model that says what a test tells it to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from vitrail.domain.chat import Role, Sampling, TextPart
from vitrail.domain.completion import FinishReason, TokenLogprob
from vitrail.domain.pictures import Picture, PreparedImage, TilePlan
from vitrail.engines.base import Capabilities, FinishPiece, Health, Piece, Prompt, PromptMessage, TextPiece, Token
from vitrail.engines.facts.engine import FactsEngine
from vitrail.engines.facts.options import FactsOptions
from vitrail.engines.facts.perceive import Senses, open_senses
from vitrail.engines.facts.sheet import Box, FactSheet, Medium, TextLine, TextRow
from vitrail.engines.facts.worker import Perception


class ScriptedLanguage:
    """Answers with the given texts in turn, a word a piece, and remembers what it was asked."""

    fingerprint = "scripted-language"

    def __init__(self, *answers: str, yes: float | None = None) -> None:
        self.answers = list(answers)
        self.prompts: list[Prompt] = []
        self.samplings: list[Sampling] = []
        self.closed = 0
        self._yes = yes
        self.capabilities = Capabilities(images=False, structured=True, logprobs=yes is not None)

    async def start(self) -> None:
        """Nothing to start."""

    async def close(self) -> None:
        """Nothing to end."""

    async def health(self) -> Health:
        return Health(True)

    async def count_text_tokens(self, prompt: Prompt) -> int:
        return sum(len(message.text.split()) for message in prompt.messages)

    async def tokenize(self, text: str) -> tuple[Token, ...]:
        """One token for each byte: characters of several bytes are split."""
        return tuple(Token(byte, chr(byte), bytes([byte])) for byte in text.encode())

    async def generate(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        self.prompts.append(prompt)
        self.samplings.append(sampling)
        try:
            if sampling.logprobs and self._yes is not None:
                odds = (("yes", float(np.log(self._yes))), ("no", float(np.log1p(-self._yes))))
                yield TextPiece("yes", logprobs=(TokenLogprob("yes", odds[0][1], odds),))
            else:
                for word in self.answers.pop(0).split(" "):
                    yield TextPiece(f"{word} ")
            yield FinishPiece(FinishReason.STOP)
        finally:
            self.closed += 1


class FixedPerception(Perception):
    """Sees the sheets it was given, by content hash."""

    def __init__(self, sheets: dict[str, FactSheet]) -> None:
        super().__init__(FactsOptions())
        self._known = sheets

    @property
    def is_ready(self) -> bool:
        return True

    async def start(self) -> None:
        """Nothing to start."""

    async def close(self) -> None:
        """Nothing to end."""

    async def look(self, image: PreparedImage) -> FactSheet:
        return self._known[image.content_hash]


@pytest.fixture(scope="session")
def senses() -> Senses:
    """The shipped models, loaded once."""
    return open_senses(threads=1)


def font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)


def blank(width_px: int, height_px: int, colour: str = "white") -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (width_px, height_px), colour)
    return image, ImageDraw.Draw(image)


@pytest.fixture
def draw_rows() -> Callable[..., Image.Image]:
    """Draws rows of cells: each row a sequence of (x, text)."""

    def draw(rows: Sequence[Sequence[tuple[int, str]]], *, width_px: int = 760, step_px: int = 56) -> Image.Image:
        image, pen = blank(width_px, 40 + step_px * len(rows))
        for index, row in enumerate(rows):
            for x_px, text in row:
                pen.text((x_px, 24 + index * step_px), text, font=font(26), fill="black")
        return image

    return draw


@pytest.fixture
def sheet_of() -> Callable[..., FactSheet]:
    """Makes a document's sheet from rows of text, cells divided by ` | `."""

    def make(*rows: str, medium: Medium = Medium.GRAPHIC, **facts: object) -> FactSheet:
        lines = [
            TextRow(
                tuple(
                    TextLine(text, 0.99, Box(200.0 * place, 40.0 * index, 200.0 * place + 100, 40.0 * index + 20))
                    for place, text in enumerate(row.split(" | "))
                )
            )
            for index, row in enumerate(rows)
        ]
        return FactSheet(width_px=800, height_px=600, medium=medium, rows=tuple(lines), **facts)  # type: ignore[arg-type]

    return make


@pytest.fixture
def engine_with() -> Callable[..., FactsEngine]:
    """Makes an engine over a scripted language model that sees the given sheets, named a, b, c …"""

    def make(language: ScriptedLanguage, *sheets: FactSheet) -> FactsEngine:
        known = dict(zip("abcdefgh", sheets, strict=False))
        return FactsEngine(language, perception=FixedPerception(known))

    return make


def image(name: str) -> PreparedImage:
    return PreparedImage(Picture(1, 1, bytes(3)), TilePlan(0, 0, 1, 1, 256), name)


def user(*parts: str | PreparedImage) -> PromptMessage:
    return PromptMessage(Role.USER, tuple(TextPart(part) if isinstance(part, str) else part for part in parts))


async def say(engine: FactsEngine, prompt: Prompt, sampling: Sampling | None = None) -> str:
    """The whole text of one answer."""
    pieces = [piece async for piece in engine.generate(prompt, sampling or Sampling())]
    assert isinstance(pieces[-1], FinishPiece)
    return "".join(piece.text for piece in pieces if isinstance(piece, TextPiece))


@pytest.fixture(scope="session")
def pixels() -> Callable[[Image.Image], np.ndarray]:
    """Turns a drawn image into (rows, columns, 3) uint8."""
    return lambda drawn: np.asarray(drawn.convert("RGB"))
