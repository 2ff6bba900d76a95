"""A model as a key sees it: name, aliases, modalities, prices and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from vitrail.domain.limits import NO_LIMITS, Limits


class Modality(StrEnum):
    """What a model takes in or gives out."""

    TEXT = "text"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices in the API's unit: USD cents per 100 million tokens; a generated image in USD cents each."""

    prompt_text: int = 0
    prompt_image: int = 0
    cached_prompt_text: int = 0
    completion_text: int = 0
    image: int = 0


@dataclass(frozen=True, slots=True)
class Model:
    """A model that the server offers; `context_tokens` counts text and image tokens of a prompt and its answer.

    `text_tokens` is set where less text than that fits: pictures are billed by the tile rule, whatever room they take.
    """

    id: str
    engine: str
    created: int  # Unix seconds
    aliases: tuple[str, ...] = ()
    input_modalities: tuple[Modality, ...] = (Modality.TEXT, Modality.IMAGE)
    output_modalities: tuple[Modality, ...] = (Modality.TEXT,)
    context_tokens: int = 8192
    text_tokens: int | None = None
    reasoning: bool = False
    prices: Prices = Prices()
    limits: Limits = NO_LIMITS  # of each team that has none of its own
    owned_by: str = "vitrail"
    version: str = "1.0.0"

    @property
    def prompt_tokens(self) -> int:
        """Return how long any prompt may be, whatever it is made of."""
        return self.context_tokens if self.text_tokens is None else min(self.context_tokens, self.text_tokens)

    @property
    def is_free(self) -> bool:
        """Tell whether nothing has to be paid for it."""
        return self.prices == Prices()

    @property
    def makes_images(self) -> bool:
        """Tell whether this is an image model: it gives generated images and no text."""
        return Modality.IMAGE in self.output_modalities

    def answers_to(self, name: str) -> bool:
        """Tell whether `name` is this model's id or one of its aliases."""
        return name == self.id or name in self.aliases
