"""Turn the body of an image generation into an ImageRequest. Called by images."""

from __future__ import annotations

from vitrail.domain.errors import InvalidArgument
from vitrail.domain.images import ImageRequest
from vitrail.http_api.json_body import decode_body
from vitrail.http_api.wire_images import ImagesRequest
from vitrail.service.arguments import MOST_IMAGES, within


def parse_images(body: bytes | bytearray) -> tuple[ImageRequest, bool]:
    """Return what is asked for, and whether the client wants bare base64 rather than URLs.

    Raises MalformedBody, ShapeMismatch, or InvalidArgument for what is not supported or out of its range.
    """
    asked = decode_body(body, ImagesRequest)
    for name in ("quality", "size", "style"):
        if getattr(asked, name) is not None:
            raise InvalidArgument(f"Argument not supported: {name}")
    if asked.stream:
        raise InvalidArgument("Argument not supported: stream")
    n = within("n", asked.n, 1, MOST_IMAGES) or 1
    return ImageRequest(prompt=asked.prompt, model=asked.model, n=n), asked.response_format == "b64_json"
