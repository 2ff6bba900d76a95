"""The models a key may see: names to models, and the fingerprint of what answers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from pydantic import BaseModel, ConfigDict, Field

from vitrail.domain.errors import InvalidArgument, NotFound, PermissionDenied, UnknownModel
from vitrail.domain.keys import ANY, AclKind, Grant, acl
from vitrail.domain.limits import Limits
from vitrail.domain.models import Modality, Model, Prices

_FIRST_RELEASE = 1795305600  # 2026-11-22, Unix seconds: `created` of models whose file names none
_IMAGE_PROMPT_TOKENS = 1024  # as the real API's image models have it
_IMAGE_SETTING_HINT = (
    'The operator can add a `[[models]]` entry with `engine = "upstream"` and `output = ["image"]`: see docs/models.md.'
)


class PriceOptions(BaseModel):
    """Prices of a model in the API's unit: USD cents per 100 million tokens, or for each generated image."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt_text: int = Field(0, ge=0, description="Price of text prompt tokens.")
    prompt_image: int = Field(0, ge=0, description="Price of image prompt tokens.")
    cached_prompt_text: int = Field(0, ge=0, description="Price of text prompt tokens found in the cache.")
    completion_text: int = Field(0, ge=0, description="Price of completion and reasoning tokens.")
    image: int = Field(0, ge=0, le=10**6, description="Price of one generated image, in USD cents.")


class LimitOptions(BaseModel):
    """Rate limits of a model for each team; an operator can set others for a team."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests_per_second: int | None = Field(None, ge=1, description="Requests of a team in any second.")
    requests_per_minute: int | None = Field(None, ge=1, description="Requests of a team in any minute.")
    tokens_per_minute: int | None = Field(
        None, ge=1, description="Tokens of a team in a minute: text, image, completion and reasoning."
    )


class ModelOptions(BaseModel):
    """One `[[models]]` entry of vitrail.toml: what clients see of a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, description="Name that answers carry; aliases resolve to it.")
    aliases: tuple[str, ...] = Field((), description="Other names under which clients may ask for it.")
    input: tuple[Modality, ...] = Field((Modality.TEXT, Modality.IMAGE), description="What it takes: text, image.")
    output: tuple[Modality, ...] = Field(
        (Modality.TEXT,), description='What it gives: ["text"], or ["image"] for an image model on engine upstream.'
    )
    context_tokens: int = Field(
        32768,
        ge=256,
        description="Most prompt tokens, text and image together; 1024 for an image model if not set. With `llama` "
        "text never has more than `llama.context_tokens`, or than the file was trained on.",
    )
    reasoning: bool = Field(False, description="Takes reasoning_effort; refuses penalties and stop.")
    prices: PriceOptions = Field(PriceOptions(), description="What its tokens or generated images cost.")
    limits: LimitOptions = Field(LimitOptions(), description="How much a team may ask of it.")
    created: int = Field(_FIRST_RELEASE, description="Unix time shown in /v1/models.")
    owned_by: str = Field("vitrail", description="Owner shown in /v1/models.")

    def model(self, *, engine: str) -> Model:
        """Return the model that this entry describes; an image model takes text."""
        makes_images = Modality.IMAGE in self.output
        is_set = "context_tokens" in self.model_fields_set
        return Model(
            id=self.id,
            engine=engine,
            created=self.created,
            aliases=self.aliases,
            input_modalities=(Modality.TEXT,) if makes_images else self.input,
            output_modalities=self.output,
            context_tokens=_IMAGE_PROMPT_TOKENS if makes_images and not is_set else self.context_tokens,
            reasoning=self.reasoning,
            prices=Prices(**self.prices.model_dump()),
            limits=Limits(**self.limits.model_dump()),
            owned_by=self.owned_by,
        )


class Catalog:
    """The configured models in their order; `fingerprint_text` gives the text of the engine behind a model."""

    def __init__(self, models: Sequence[Model], *, fingerprint_text: Callable[[Model], str]) -> None:
        self._models = tuple(models)
        self._fingerprint_text = fingerprint_text

    @property
    def models(self) -> tuple[Model, ...]:
        """Return all models, whoever may use them."""
        return self._models

    def visible(self, grant: Grant, *, output: Modality | None = None) -> tuple[Model, ...]:
        """Return the models that the key's ACLs name, or those of them that give `output`."""
        return tuple(
            model
            for model in self._models
            if (output is None or output in model.output_modalities) and _is_allowed(model, grant)
        )

    def resolve(self, name: str, grant: Grant, *, output: Modality | None = None) -> Model:
        """Return the model that answers to `name`, among those that give `output`.

        Raises UnknownModel, or PermissionDenied for a model that the key's ACLs do not name.
        """
        models = self.visible(grant, output=output)
        for model in models:
            if model.answers_to(name):
                return model
        for model in self._models:
            if model.answers_to(name):
                _check_allowed(model, grant)
        known = ", ".join(model.id for model in models) or "none of this kind"
        raise UnknownModel(
            f"The model {name[:100]} does not exist or your team {grant.team_id} does not have access to it. "
            "Please ensure you're using the correct API key.",
            hint=f"Models of this server: {known}; `GET /v1/models` lists them.",
        )

    def resolve_language(self, name: str, grant: Grant) -> Model:
        """Return the model that is to write; raises UnknownModel, or InvalidArgument for an image model."""
        model = self.resolve(name, grant)
        if model.makes_images:
            raise InvalidArgument(
                f"The model {model.id} is an image model and is not available on this route.",
                hint="Use `POST /v1/images/generations` of this server.",
            )
        return model

    def check_image_models(self, grant: Grant) -> tuple[Model, ...]:
        """Return the image models that the key may use, at least one.

        Raises NotFound with the setting that is missing, or PermissionDenied.
        """
        models = [model for model in self._models if model.makes_images]
        if not models:
            raise NotFound(
                "This server generates no images: none of its models has image output.", hint=_IMAGE_SETTING_HINT
            )
        visible = self.visible(grant, output=Modality.IMAGE)
        if not visible:
            _check_allowed(models[0], grant)
        return visible

    def resolve_image(self, name: str | None, grant: Grant) -> Model:
        """Return the image model of that name, or the only one if none is named.

        Raises NotFound where there is no image model, UnknownModel, or InvalidArgument for a language model.
        """
        models = self.check_image_models(grant)
        ids = ", ".join(model.id for model in models)
        if name is None and len(models) > 1:
            raise InvalidArgument("`model` is needed: this server has several image models.", hint=f"They are {ids}.")
        if name is None:
            return models[0]
        model = self.resolve(name, grant)
        if not model.makes_images:
            raise InvalidArgument(
                f"The model {model.id} is a language model and generates no images.",
                hint=f"Image models of this server: {ids}. Use {model.id} on `POST /v1/chat/completions`.",
            )
        return model

    def fingerprint(self, model: Model) -> str:
        """Return `fp_` + 10 hex digits over everything that changes this model's answers."""
        text = f"{model.id}\n{self._fingerprint_text(model)}"
        return "fp_" + hashlib.sha256(text.encode()).hexdigest()[:10]


def find_model(models: Sequence[Model], name: str) -> Model:
    """Return the model that answers to `name`, whoever may use it; raises UnknownModel."""
    for model in models:
        if model.answers_to(name):
            return model
    known = ", ".join(model.id for model in models)
    raise UnknownModel(f"There is no model {name[:100]!r}.", hint=f"Models of this server: {known}.")


def _is_allowed(model: Model, grant: Grant) -> bool:
    return grant.key.may_use(AclKind.MODEL, (model.id, *model.aliases))


def _check_allowed(model: Model, grant: Grant) -> None:
    if not _is_allowed(model, grant):
        raise PermissionDenied(
            f"This API key ({grant.key.redacted}) has no access to the model {model.id}.",
            hint=f"Its ACLs need `{acl(AclKind.MODEL, model.id)}` or `{acl(AclKind.MODEL, ANY)}`.",
        )
