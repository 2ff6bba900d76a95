"""Turn what a user names on the command line (a file or a web address) into an image reference."""

from __future__ import annotations

import base64
from pathlib import Path

from vitrail.domain.errors import InvalidArgument
from vitrail.domain.pictures import Detail, ImageReference

_ADDRESSES = ("http://", "https://", "data:")


def is_image_name(text: str) -> bool:
    """Tell whether text names a file that is there, or is a web address and nothing else."""
    if text.startswith(_ADDRESSES):
        return not any(map(str.isspace, text))
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a name of a file, or with a NUL
        return False


def image_url(name: str) -> str:
    """Return a web address as it is, and a file as a data URI; raises InvalidArgument for a file that is not there."""
    if name.startswith(_ADDRESSES):
        return name
    path = Path(name)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidArgument(f"The image {name} cannot be read: {error.strerror}.") from error
    return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")


def image_reference(name: str, detail: Detail) -> ImageReference:
    """Return the reference of an image named on the command line."""
    return ImageReference(url=memoryview(image_url(name).encode()), detail=detail, where=name)
