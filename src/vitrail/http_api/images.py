"""`POST /v1/images/generations`: refused in words, since no engine of this server makes pictures."""

from __future__ import annotations

from msgspec import Struct
from starlette.types import ASGIApp

from vitrail.domain.errors import NotFound
from vitrail.http_api.exchange import AdmittedExchange


class GeneratedImages(Struct):
    """Pictures made of a prompt; here never."""

    data: list[dict[str, str]]


async def generate_images(admitted: AdmittedExchange) -> ASGIApp:
    """Say that this server makes no images; 404, whatever was asked."""
    raise NotFound(
        "This server generates no images: none of its models has image output.",
        hint="`GET /v1/language-models` shows what each model takes and gives.",
    )
