"""`xai_api.Models`: what this key may use, and at which prices. No model of this server gives embeddings."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp
from xai_sdk.proto import models_pb2

from vitrail.domain.errors import UnknownModel
from vitrail.domain.models import Modality, Model
from vitrail.grpc_api.call import AdmittedCall, Message

_MODALITIES = {Modality.TEXT: models_pb2.TEXT, Modality.IMAGE: models_pb2.IMAGE}


async def list_language(call: AdmittedCall) -> Message:
    """List the models that answer in text."""
    models = call.services.catalog.visible(call.grant, output=Modality.TEXT)
    return models_pb2.ListLanguageModelsResponse(models=[_render_language(model, call) for model in models])


async def show_language(call: AdmittedCall) -> Message:
    """Show one model that answers in text, by its id or an alias."""
    name = (await call.read()).name
    return _render_language(call.services.catalog.resolve(name, call.grant, output=Modality.TEXT), call)


async def list_embedding(call: AdmittedCall) -> Message:
    """List the embedding models: none."""
    return models_pb2.ListEmbeddingModelsResponse()


async def show_embedding(call: AdmittedCall) -> Message:
    """Refuse: there is no embedding model."""
    name = (await call.read()).name
    raise UnknownModel(f"The model {name[:100]} does not exist: this server has no embedding models.")


async def list_image(call: AdmittedCall) -> Message:
    """List the image models."""
    models = call.services.catalog.visible(call.grant, output=Modality.IMAGE)
    return models_pb2.ListImageGenerationModelsResponse(models=[_render_image(model, call) for model in models])


async def show_image(call: AdmittedCall) -> Message:
    """Show one image model, by its id or an alias."""
    name = (await call.read()).name
    return _render_image(call.services.catalog.resolve(name, call.grant, output=Modality.IMAGE), call)


def _render_language(model: Model, call: AdmittedCall) -> Message:
    return models_pb2.LanguageModel(
        prompt_text_token_price=model.prices.prompt_text,
        prompt_image_token_price=model.prices.prompt_image,
        cached_prompt_token_price=model.prices.cached_prompt_text,
        completion_text_token_price=model.prices.completion_text,
        **_render_common(model, call),
    )


def _render_image(model: Model, call: AdmittedCall) -> Message:
    return models_pb2.ImageGenerationModel(image_price=model.prices.image, **_render_common(model, call))


def _render_common(model: Model, call: AdmittedCall) -> dict[str, Message]:
    """Return what both kinds of model have; lengths are those of a prompt with its images."""
    return {
        "name": model.id,
        "aliases": model.aliases,
        "version": model.version,
        "input_modalities": [_MODALITIES[modality] for modality in model.input_modalities],
        "output_modalities": [_MODALITIES[modality] for modality in model.output_modalities],
        "created": Timestamp(seconds=model.created),
        "max_prompt_length": model.prompt_tokens,
        "system_fingerprint": call.services.catalog.fingerprint(model),
    }
