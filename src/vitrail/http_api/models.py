"""`/v1/models`, `/v1/language-models` and `/v1/image-generation-models`: what this key may use, and at which prices."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from starlette.responses import Response

from vitrail.domain.models import Modality, Model
from vitrail.http_api.exchange import AdmittedExchange
from vitrail.http_api.json_answer import render_json


class ModelRow(Struct):
    """A model in the OpenAI list."""

    id: str
    created: int
    object: Literal["model"]
    owned_by: str


class ModelList(Struct):
    """All models that the key may use."""

    object: Literal["list"]
    data: list[ModelRow]


class LanguageModel(Struct):
    """A model with its modalities, aliases and prices in USD cents per 100 million tokens."""

    id: str
    fingerprint: str
    created: int
    object: Literal["model"]
    owned_by: str
    version: str
    input_modalities: list[str]
    output_modalities: list[str]
    prompt_text_token_price: int
    cached_prompt_text_token_price: int
    prompt_image_token_price: int
    completion_text_token_price: int
    search_price: int
    aliases: list[str]


class LanguageModels(Struct):
    """All models that the key may use, with their prices."""

    models: list[LanguageModel]


class ImageModel(Struct):
    """An image model with its aliases and the price of an image in USD cents."""

    id: str
    fingerprint: str
    max_prompt_length: int
    created: int
    object: Literal["model"]
    owned_by: str
    version: str
    input_modalities: list[str]
    output_modalities: list[str]
    image_price: int
    aliases: list[str]


class ImageModels(Struct):
    """All image models that the key may use, with their prices."""

    models: list[ImageModel]


async def list_models(admitted: AdmittedExchange) -> Response:
    """List the models in the OpenAI form."""
    models = admitted.exchange.services.catalog.visible(admitted.grant)
    return render_json(ModelList(object="list", data=[_render_model(model) for model in models]))


async def show_model(admitted: AdmittedExchange) -> Response:
    """Show one model, by its id or an alias."""
    return render_json(_render_model(_resolve(admitted)))


async def list_language(admitted: AdmittedExchange) -> Response:
    """List the models that answer in text, with modalities and prices."""
    models = admitted.exchange.services.catalog.visible(admitted.grant, output=Modality.TEXT)
    return render_json(LanguageModels(models=[_render_language_model(model, admitted) for model in models]))


async def show_language(admitted: AdmittedExchange) -> Response:
    """Show one model with modalities and prices, by its id or an alias."""
    return render_json(_render_language_model(_resolve(admitted, output=Modality.TEXT), admitted))


async def list_image_models(admitted: AdmittedExchange) -> Response:
    """List the image models with their prices; none is an empty list."""
    models = admitted.exchange.services.catalog.visible(admitted.grant, output=Modality.IMAGE)
    return render_json(ImageModels(models=[_render_image_model(model, admitted) for model in models]))


async def show_image_model(admitted: AdmittedExchange) -> Response:
    """Show one image model, by its id or an alias."""
    return render_json(_render_image_model(_resolve(admitted, output=Modality.IMAGE), admitted))


def _resolve(admitted: AdmittedExchange, *, output: Modality | None = None) -> Model:
    name = admitted.exchange.path_value("model_id")
    return admitted.exchange.services.catalog.resolve(name, admitted.grant, output=output)


def _render_model(model: Model) -> ModelRow:
    return ModelRow(id=model.id, created=model.created, object="model", owned_by=model.owned_by)


def _render_language_model(model: Model, admitted: AdmittedExchange) -> LanguageModel:
    return LanguageModel(
        id=model.id,
        fingerprint=admitted.exchange.services.catalog.fingerprint(model),
        created=model.created,
        object="model",
        owned_by=model.owned_by,
        version=model.version,
        input_modalities=[modality.value for modality in model.input_modalities],
        output_modalities=[modality.value for modality in model.output_modalities],
        prompt_text_token_price=model.prices.prompt_text,
        cached_prompt_text_token_price=model.prices.cached_prompt_text,
        prompt_image_token_price=model.prices.prompt_image,
        completion_text_token_price=model.prices.completion_text,
        search_price=0,
        aliases=list(model.aliases),
    )


def _render_image_model(model: Model, admitted: AdmittedExchange) -> ImageModel:
    return ImageModel(
        id=model.id,
        fingerprint=admitted.exchange.services.catalog.fingerprint(model),
        max_prompt_length=model.context_tokens,
        created=model.created,
        object="model",
        owned_by=model.owned_by,
        version=model.version,
        input_modalities=[modality.value for modality in model.input_modalities],
        output_modalities=[modality.value for modality in model.output_modalities],
        image_price=model.prices.image,
        aliases=list(model.aliases),
    )
