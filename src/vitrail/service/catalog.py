"""The models a key may see: names to models, and the fingerprint of what answers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from pydantic import BaseModel, ConfigDict, Field

from vitrail.domain.errors import UnknownModel
from vitrail.domain.keys import Grant
from vitrail.domain.models import Modality, Model, Prices

_FIRST_RELEASE = 1795305600  # 2026-11-22, Unix seconds: `created` of models whose file names none


class PriceOptions(BaseModel):
    """Prices of a model in the API's unit: USD cents per 100 million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt_text: int = Field(0, ge=0, description="Price of text prompt tokens.")
    prompt_image: int = Field(0, ge=0, description="Price of image prompt tokens.")
    cached_prompt_text: int = Field(0, ge=0, description="Price of text prompt tokens found in the cache.")
    completion_text: int = Field(0, ge=0, description="Price of completion and reasoning tokens.")


class ModelOptions(BaseModel):
    """One `[[models]]` entry of vitrail.toml: what clients see of a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, description="Name that answers carry; aliases resolve to it.")
    aliases: tuple[str, ...] = Field((), description="Other names under which clients may ask for it.")
    input: tuple[Modality, ...] = Field((Modality.TEXT, Modality.IMAGE), description="What it takes: text, image.")
    context_tokens: int = Field(32768, ge=256, description="Most prompt tokens, text and image together.")
    reasoning: bool = Field(False, description="Takes reasoning_effort; refuses penalties and stop.")
    prices: PriceOptions = Field(PriceOptions(), description="What its tokens cost.")
    created: int = Field(_FIRST_RELEASE, description="Unix time shown in /v1/models.")
    owned_by: str = Field("vitrail", description="Owner shown in /v1/models.")

    def model(self, *, engine: str) -> Model:
        """Return the model that this entry describes."""
        return Model(
            id=self.id,
            engine=engine,
            created=self.created,
            aliases=self.aliases,
            input_modalities=self.input,
            context_tokens=self.context_tokens,
            reasoning=self.reasoning,
            prices=Prices(**self.prices.model_dump()),
            owned_by=self.owned_by,
        )


class Catalog:
    """The configured models in their order; `fingerprint_text` gives the text of the engine behind a model."""

    def __init__(self, models: Sequence[Model], *, fingerprint_text: Callable[[Model], str]) -> None:
        self._models = tuple(models)
        self._fingerprint_text = fingerprint_text

    def visible(self, grant: Grant) -> tuple[Model, ...]:
        """Return the models that this grant may use."""
        return self._models

    def resolve(self, name: str, grant: Grant) -> Model:
        """Return the model that answers to `name`; raises UnknownModel."""
        for model in self.visible(grant):
            if model.answers_to(name):
                return model
        known = ", ".join(model.id for model in self.visible(grant))
        raise UnknownModel(
            f"The model {name[:100]} does not exist or your team {grant.team_id} does not have access to it. "
            "Please ensure you're using the correct API key.",
            hint=f"Models of this server: {known}; `GET /v1/models` lists them.",
        )

    def fingerprint(self, model: Model) -> str:
        """Return `fp_` + 10 hex digits over everything that changes this model's answers."""
        text = f"{model.id}\n{self._fingerprint_text(model)}"
        return "fp_" + hashlib.sha256(text.encode()).hexdigest()[:10]
