"""The JSON of `POST /v1/images/generations`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Refused = Annotated[str, Meta(description="Refused.")]


class ImagesRequest(Struct):
    """The body of an image generation. Optional fields may be null; unknown fields are ignored."""

    prompt: str
    model: Annotated[str, Meta(description="Needed where there are several image models.")] | None = None
    n: Annotated[int, Meta(description="Images.", extra_json_schema={"minimum": 1, "maximum": 10})] | None = None
    response_format: Literal["url", "b64_json"] | None = None
    quality: Refused | None = None
    size: Refused | None = None
    style: Refused | None = None
    stream: Annotated[bool, Meta(description="Refused when true.")] | None = None


class ImageRow(Struct):
    """One generated image, as a data URI or as base64 alone."""

    url: Annotated[str, Meta(description="A data URI.")] | UnsetType = UNSET
    b64_json: str | UnsetType = UNSET
    revised_prompt: str = ""
    mime_type: str = ""


class ImagesUsage(Struct):
    """What the images cost; 1 USD is 10^10 ticks."""

    cost_in_usd_ticks: int


class GeneratedImages(Struct):
    """The images of one request."""

    data: list[ImageRow]
    usage: ImagesUsage
