"""The seam of image models: a text goes in, image files come out. Made by `app.py`; `ImageSlots` wraps any of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from vitrail.engines.base import Health


@dataclass(frozen=True, slots=True)
class DrawnImage:
    """An image file as an engine gave it, not looked at yet; `revised_prompt` is what it was drawn from."""

    data: bytes = field(repr=False)
    revised_prompt: str | None = None


class ImageEngine(Protocol):
    """What generates images. Cancelling `draw` ends the generation.

    Raises `domain.errors.Unavailable` when the engine cannot answer now, `InvalidArgument` for what it refuses.
    """

    @property
    def fingerprint(self) -> str:
        """Return text that changes when engine, weights or answer-changing settings change, and only then."""
        ...

    async def start(self) -> None:
        """Make the engine ready to generate, or raise Unavailable."""
        ...

    async def close(self) -> None:
        """End generations and free everything; safe to call twice."""
        ...

    async def health(self) -> Health:
        """Return whether a request could be taken now, without generating."""
        ...

    async def draw(self, prompt: str, *, n: int) -> tuple[DrawnImage, ...]:
        """Return one to `n` images."""
        ...
