"""Turn a data URI into the image bytes it carries. Called by prepare. Knows no more of image formats than their names.

Decoding is strict: standard alphabet, padding required, no whitespace. The declared type has to be an accepted one, but
the bytes decide what the image is.
"""

from __future__ import annotations

from dataclasses import dataclass

import pybase64

from vitrail.domain.errors import InvalidArgument
from vitrail.domain.pictures import ImageReference
from vitrail.ingest.formats import FORMATS_HINT

_SCHEME = b"data:"
_LONGEST_HEAD_BYTES = 256
_ACCEPTED_TYPES = frozenset({"image/jpeg", "image/jpg", "image/pjpeg", "image/png", "image/x-png", "image/apng"})
_SHAPE_HINT = "Write data:image/jpeg;base64,<base64> or data:image/png;base64,<base64>."


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """A data URI whose head was judged; `decoded_bytes` is what its base64 will decode to."""

    base64: memoryview
    decoded_bytes: int
    where: str


def is_data_uri(reference: ImageReference) -> bool:
    """Tell whether a reference is a data URI, whatever its spelling."""
    return bytes(reference.url[: len(_SCHEME)]).lower() == _SCHEME


def decode_data_uri(reference: ImageReference, *, max_bytes: int) -> bytes:
    """Return the bytes of a data URI, or raise InvalidArgument."""
    return decode_base64(parse_data_uri(reference, max_bytes=max_bytes))


def parse_data_uri(reference: ImageReference, *, max_bytes: int) -> EncodedImage:
    """Judge the head and the length of a data URI without decoding it; raises InvalidArgument."""
    head = bytes(reference.url[:_LONGEST_HEAD_BYTES])
    comma = head.find(b",")
    if comma < 0:
        raise InvalidArgument("The data URI has no comma after its type.", where=reference.where, hint=_SHAPE_HINT)
    _check_head(head[len(_SCHEME) : comma], reference.where)
    base64 = reference.url[comma + 1 :]
    decoded_bytes = _count_decoded_bytes(base64)
    if not base64:
        raise InvalidArgument("The data URI carries no image: it is empty.", where=reference.where)
    if decoded_bytes > max_bytes:
        raise InvalidArgument(
            f"The image has {decoded_bytes:,} bytes, the limit is {max_bytes:,}.",
            where=reference.where,
            hint="Send a smaller or more compressed image.",
        )
    return EncodedImage(base64, decoded_bytes, reference.where)


def decode_base64(image: EncodedImage) -> bytes:
    """Return the decoded bytes, or raise InvalidArgument; large input releases the GIL, so a thread is worth while."""
    try:
        return pybase64.b64decode(image.base64, validate=True)
    except ValueError as error:  # binascii.Error is one
        raise InvalidArgument(
            "The data URI is not valid base64.",
            where=image.where,
            hint="Use the standard alphabet with padding and without line breaks.",
        ) from error


def _check_head(head: bytes, where: str) -> None:
    media_type, *parameters = head.decode("ascii", "replace").lower().split(";")
    if not parameters or parameters[-1].strip() != "base64":
        raise InvalidArgument("The data URI is not base64.", where=where, hint=_SHAPE_HINT)
    if media_type.strip() not in _ACCEPTED_TYPES:
        shown = media_type.strip() or "nothing"
        raise InvalidArgument(
            f"The data URI declares {shown[:60]!r}, which is not an accepted image type.",
            where=where,
            hint=FORMATS_HINT,
        )


def _count_decoded_bytes(base64: memoryview) -> int:
    length = len(base64)
    return length // 4 * 3 - bytes(base64[-2:]).count(b"=")
