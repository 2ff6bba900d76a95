"""Image generation as values: what is asked for, and the images that were drawn."""

from __future__ import annotations

from dataclasses import dataclass, field

from vitrail.domain.limits import UNCOUNTED, Allowance
from vitrail.domain.pictures import ImageFormat


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A prompt to draw `n` images from; `model` None means the only image model that there is."""

    prompt: str
    model: str | None = None
    n: int = 1


@dataclass(frozen=True, slots=True)
class GeneratedImage:
    """An image file whose header is that of a JPEG or PNG; `revised_prompt` is what it was drawn from."""

    data: bytes = field(repr=False)
    format: ImageFormat
    revised_prompt: str


@dataclass(frozen=True, slots=True)
class ImageGeneration:
    """The images of one request, settled at this cost in ticks (1 USD = 10^10)."""

    images: tuple[GeneratedImage, ...]
    cost_ticks: int
    allowance: Allowance = UNCOUNTED
