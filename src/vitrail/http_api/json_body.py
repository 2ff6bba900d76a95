"""Decode a JSON body into a Struct, and say in the API's words what is wrong with one that cannot be.

Called by every `parse_*`. Not JSON is MalformedBody; JSON of another shape is ShapeMismatch, with the path.
"""

from __future__ import annotations

import codecs
import re
from typing import TypeVar

import msgspec

from vitrail.domain.errors import MalformedBody, ShapeMismatch
from vitrail.service.decoders import json_decoder

T = TypeVar("T")

_SLICE_BYTES = 1 << 18
_LONGEST_REASON = 240
_JSON_NAMES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "dict": "object"}
_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF_OF_A_PAIR = re.compile(_HIGH + rb"(?!" + _LOW + rb")|(?<!" + _HIGH + rb")" + _LOW)
_CHOICES = {
    "role": "`system`, `developer`, `user`, `assistant`, `tool` or `function`",
    "type": "a type that is known here",
    "detail": "`auto`, `low` or `high`",
    "response_format": "`url` or `b64_json`",
    "tool_choice": "`none`, `auto` or `required`",
    "reasoning_effort": "`none`, `low`, `medium`, `high` or `xhigh`",
}


def decode_body(body: bytes | bytearray, shape: type[T]) -> T:
    """Decode a whole body; `Raw` fields are views into it. Raises MalformedBody or ShapeMismatch."""
    _check_utf8(body)
    return decode_json(body, shape)


def decode_json(text: bytes | bytearray | memoryview | msgspec.Raw, shape: type[T], *, where: str = "") -> T:
    """Decode JSON that is known to be UTF-8, at the path `where` of the body."""
    try:
        return json_decoder(shape).decode(text)
    except msgspec.ValidationError as error:
        raise mismatch(*_explain(str(error), where)) from error
    except RecursionError as error:
        raise MalformedBody("The request body is not valid JSON: it is nested too deep.") from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise MalformedBody(f"The request body is not valid JSON: {_reason(str(error), text)}.") from error


def mismatch(where: str, reason: str) -> ShapeMismatch:
    """Return the refusal of a value of the wrong shape: where it is, and what was expected there."""
    place = f"{where}: " if where else ""
    return ShapeMismatch(f"Failed to deserialize the JSON body into the target type: {place}{reason}")


def decode_text(raw: msgspec.Raw, *, where: str) -> memoryview:
    """Return a JSON string as read-only UTF-8: a view without the quotes if it has no escapes, or else unescaped.

    Raises ShapeMismatch if it is no string.
    """
    view = memoryview(raw)
    if view[0] != ord('"'):
        raise mismatch(where, f"expected string, got {_json_type(bytes(view[:1]))}")
    if _is_verbatim(view):
        return view[1:-1].toreadonly()
    return memoryview(decode_json(raw, str, where=where).encode())


def decode_object_text(raw: msgspec.Raw, *, where: str) -> str:
    """Return the JSON text of an object, all of it checked; raises ShapeMismatch if it is something else."""
    view = memoryview(raw)
    if view[0] != ord("{"):
        raise mismatch(where, f"expected object, got {_json_type(bytes(view[:1]))}")
    decode_json(raw, dict, where=where)
    return str(view, "utf-8")


def is_null(raw: msgspec.Raw) -> bool:
    """Tell whether a JSON value is null."""
    return bytes(memoryview(raw)[:4]) == b"null"


def _is_verbatim(view: memoryview) -> bool:
    """Tell whether a string holds no escapes; looks at slices, so that megabytes are not copied whole."""
    return all(b"\\" not in bytes(view[at : at + _SLICE_BYTES]) for at in range(0, len(view), _SLICE_BYTES))


def _check_utf8(body: bytes | bytearray) -> None:
    """Refuse invalid UTF-8 everywhere, also in fields that are skipped or handed on as they are."""
    if body.isascii():
        return
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for at in range(0, len(body), _SLICE_BYTES):
            piece = body[at : at + _SLICE_BYTES]
            has_half_a_character = bool(decoder.getstate()[0])
            if has_half_a_character or not piece.isascii():  # images are ASCII, so this skips most of a body
                decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise MalformedBody("The request body is not valid JSON: it is not UTF-8.") from error


def _reason(message: str, text: bytes | bytearray | memoryview | msgspec.Raw) -> str:
    """Return what is malformed; msgspec takes half of a surrogate pair near the end for a text that was cut."""
    is_of_a_pair = "surrogate" in message or "truncated" in message
    if is_of_a_pair and (half := _HALF_OF_A_PAIR.search(memoryview(text))):
        return f"the escape {half[0].decode()} is half of a surrogate pair, which is no character"
    return message.removeprefix("JSON is malformed: ")[:_LONGEST_REASON]


def _explain(message: str, where: str) -> tuple[str, str]:
    """Split msgspec's text ``Expected `str`, got `int` - at `$.a[0]` `` into our path and reason."""
    reason, _, path = message.partition(" - at `$")
    path = f"{where}{path.removesuffix('`')}".lstrip(".")
    if missing := re.fullmatch(r"Object missing required field `(\w+)`", reason):
        return path, f"missing field `{missing[1]}`"
    if reason.startswith(("Invalid value", "Invalid enum value")):
        given = reason[reason.index("value ") + 6 :][:_LONGEST_REASON]
        return path, f"expected {_CHOICES.get(path.rsplit('.', 1)[-1], 'another value')}, got {given}"
    if types := re.fullmatch(r"Expected `(.+)`, got `(\w+)`", reason):
        expected = " or ".join(_JSON_NAMES.get(name, name) for name in types[1].split(" | "))
        return path, f"expected {expected}, got {_JSON_NAMES.get(types[2], types[2])}"
    return path, (reason[:1].lower() + reason[1:])[:_LONGEST_REASON]


def _json_type(first: bytes) -> str:
    """Name the type of a JSON value by its first byte."""
    names = {b"{": "object", b"[": "array", b'"': "string", b"t": "boolean", b"f": "boolean", b"n": "null"}
    return names.get(first, "number")
