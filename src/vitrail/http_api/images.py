"""`POST /v1/images/generations`: images of a prompt, from an upstream image model where one is configured."""

from __future__ import annotations

import asyncio

import pybase64
from starlette.responses import Response
from starlette.types import ASGIApp

from vitrail.domain.images import GeneratedImage, ImageGeneration
from vitrail.http_api.disconnect import while_connected
from vitrail.http_api.exchange import AdmittedExchange
from vitrail.http_api.json_answer import render_json
from vitrail.http_api.parse_images import parse_images
from vitrail.http_api.wire_images import GeneratedImages, ImageRow, ImagesUsage


async def generate_images(admitted: AdmittedExchange) -> ASGIApp:
    """Generate images; 404, whatever was asked, where no image model is configured."""
    exchange, images = admitted.exchange, admitted.exchange.services.images
    images.check_offered(admitted.grant)
    limit_bytes = min(exchange.options.tokenize_body_bytes, exchange.options.body_bytes)
    async with exchange.bodies.read(exchange.headers, exchange.receive, limit_bytes=limit_bytes) as body:
        request, is_bare = parse_images(body)
    generation = await while_connected(exchange.receive, images.generate(request, admitted.grant))
    return await asyncio.to_thread(_render, generation, is_bare=is_bare)


def _render(generation: ImageGeneration, *, is_bare: bool) -> Response:
    rows = [_render_row(image, is_bare=is_bare) for image in generation.images]
    answer = render_json(GeneratedImages(data=rows, usage=ImagesUsage(cost_in_usd_ticks=generation.cost_ticks)))
    answer.headers.update(generation.allowance.headers)
    return answer


def _render_row(image: GeneratedImage, *, is_bare: bool) -> ImageRow:
    """Return the image in the row; a URL is a data URI, since nothing is stored here that a client could fetch."""
    base64 = pybase64.b64encode(image.data).decode("ascii")
    mime_type = f"image/{image.format.value}"
    row = ImageRow(revised_prompt=image.revised_prompt, mime_type=mime_type)
    if is_bare:
        row.b64_json = base64
    else:
        row.url = f"data:{mime_type};base64,{base64}"
    return row
