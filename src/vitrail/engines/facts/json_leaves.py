"""Check every value of a JSON answer against the facts. Pure; called by the engine for structured answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from vitrail.engines.facts.dates import holds_date
from vitrail.engines.facts.guard import SMALL_NUMBERS
from vitrail.engines.facts.numerals import find_numbers
from vitrail.engines.facts.words import fold, fold_words

WORDS_KNOWN = 0.75
SAYS_NOTHING = frozenset({"null", "none", "n/a", "na", "unknown", "not given", "nicht angegeben"})
FREE_INTEGER = 10  # counts and positions up to here need no support
_NUMBERS_INSIDE = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value without support: where it stands, and whether the schema takes null there."""

    path: tuple[str | int, ...]
    value: object
    nullable: bool


def find_unsupported_leaves(value: object, schema: dict[str, Any], support: str) -> tuple[Leaf, ...]:
    """Return the numbers and texts that the facts do not hold; true, false, null and enum values are free."""
    is_known = _judge_with(support)
    root = schema

    def walk(value: object, schema: dict[str, Any], path: tuple[str | int, ...]) -> Iterator[Leaf]:
        options = list(_alternatives(schema, root))
        if isinstance(value, dict):
            shape = next((one for one in options if "properties" in one), {})
            for key, inner in value.items():
                yield from walk(inner, shape.get("properties", {}).get(key, {}), (*path, key))
        elif isinstance(value, list):
            shape = next((one for one in options if "items" in one), {})
            for index, inner in enumerate(value):
                yield from walk(inner, shape.get("items", {}) if isinstance(shape, dict) else {}, (*path, index))
        elif not any(value in one.get("enum", ()) or one.get("const") == value for one in options) and not is_known(
            value
        ):
            yield Leaf(path, value, any(_takes_null(one) for one in options))

    return tuple(walk(value, schema, ()))


def replace_leaf(value: Any, path: tuple[str | int, ...], new: object) -> None:
    """Put `new` at `path`, in place."""
    for step in path[:-1]:
        value = value[step]
    value[path[-1]] = new


def _alternatives(schema: dict[str, Any], root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the schemas that a value may follow, references and unions resolved."""
    seen = 0
    while "$ref" in schema and seen < 10:
        seen += 1
        target: Any = root
        for step in str(schema["$ref"]).removeprefix("#/").split("/"):
            target = target.get(step, {}) if isinstance(target, dict) else {}
        schema = target
    yield schema
    for union in ("anyOf", "oneOf", "allOf"):
        for one in schema.get(union, ()):
            yield from _alternatives(one, root)


def _takes_null(schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    return kind == "null" or (isinstance(kind, list) and "null" in kind)


def _judge_with(support: str) -> Callable[[object], bool]:
    """Return a test of single values; the support is read once."""
    inside = (found[0] for found in _NUMBERS_INSIDE.finditer(support))
    numbers = set(find_numbers(support)) | {value for text in inside for value in find_numbers(text)}
    words = set(fold_words(support))
    integers = {int(part) for part in re.findall(r"\d+", support)}
    squeezed = re.sub(r"\W+", "", fold(support))

    def is_known(value: object) -> bool:
        if isinstance(value, bool) or value is None:
            return True
        if isinstance(value, int | float):
            return value in numbers or (float(value).is_integer() and 0 <= value <= FREE_INTEGER)
        text = str(value)
        if not re.search(r"\w", text) or fold(text) in SAYS_NOTHING:
            return False
        if re.sub(r"\W+", "", fold(text)) in squeezed:
            return True
        if holds_date(text, support):
            return True
        digits = {int(part) for part in re.findall(r"\d+", text)}
        if digits - integers:
            return False
        named = [word for word in fold_words(text) if word not in SMALL_NUMBERS]
        return not named or sum(word in words for word in named) >= WORDS_KNOWN * len(named)

    return is_known
