"""Return msgspec's decoder of a type, made under a lock. Called by whatever decodes typed bytes, in any thread.

msgspec looks into a type when it first decodes one. A second thread that comes meanwhile reads what is not there yet,
and the process dies of it (a segmentation fault, with msgspec 0.22).
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar, cast

import msgspec

T = TypeVar("T")

_LOOKING = threading.Lock()
_JSON: dict[Any, msgspec.json.Decoder[Any]] = {}
_MSGPACK: dict[Any, msgspec.msgpack.Decoder[Any]] = {}


def json_decoder(shape: type[T]) -> msgspec.json.Decoder[T]:
    """Return the decoder of JSON of this shape."""
    if shape not in _JSON:
        with _LOOKING:
            _JSON[shape] = msgspec.json.Decoder(shape)
    return cast("msgspec.json.Decoder[T]", _JSON[shape])


def msgpack_decoder(shape: type[T]) -> msgspec.msgpack.Decoder[T]:
    """Return the decoder of msgpack of this shape."""
    if shape not in _MSGPACK:
        with _LOOKING:
            _MSGPACK[shape] = msgspec.msgpack.Decoder(shape)
    return cast("msgspec.msgpack.Decoder[T]", _MSGPACK[shape])
