"""`xai_api.Image`: images of a prompt, from an upstream image model where one is configured."""

from __future__ import annotations

import asyncio

import pybase64
from xai_sdk.proto import image_pb2, usage_pb2

from vitrail.domain.errors import InvalidArgument
from vitrail.domain.images import GeneratedImage, ImageGeneration, ImageRequest
from vitrail.grpc_api.call import AdmittedCall, Message
from vitrail.service.arguments import MOST_IMAGES, within

_REFUSED = ("quality", "aspect_ratio", "resolution", "storage_options", "image")


async def generate(call: AdmittedCall) -> Message:
    """Generate images; NOT_FOUND, whatever was asked, where no image model is configured."""
    images = call.services.images
    images.check_offered(call.grant)
    asked = await call.read(limit_bytes=call.limits.tokenize_body_bytes)
    request = _parse_request(asked)
    generation = await images.generate(request, call.grant)
    model = call.services.catalog.resolve_image(request.model, call.grant).id
    is_bare = asked.format == image_pb2.IMG_FORMAT_BASE64
    return await asyncio.to_thread(_render, generation, model=model, is_bare=is_bare)


def _parse_request(asked: Message) -> ImageRequest:
    refused = [name for name in _REFUSED if asked.HasField(name)] + ["images"] * bool(asked.images)
    if refused:
        raise InvalidArgument(f"Argument not supported: {refused[0]}")
    n = within("n", asked.n if asked.HasField("n") else None, 1, MOST_IMAGES) or 1
    return ImageRequest(prompt=asked.prompt, model=asked.model or None, n=n)


def _render(generation: ImageGeneration, *, model: str, is_bare: bool) -> Message:
    return image_pb2.ImageResponse(
        model=model,
        images=[_render_image(image, is_bare=is_bare) for image in generation.images],
        usage=usage_pb2.SamplingUsage(cost_in_usd_ticks=generation.cost_ticks),
    )


def _render_image(image: GeneratedImage, *, is_bare: bool) -> Message:
    """Return the image as a data URI in the field that was asked for, since nothing is stored that could be fetched."""
    uri = f"data:image/{image.format.value};base64,{pybase64.b64encode(image.data).decode('ascii')}"
    field = {"base64": uri} if is_bare else {"url": uri}
    return image_pb2.GeneratedImage(respect_moderation=True, **field)
