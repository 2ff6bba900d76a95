"""Make up the smallest instance of a JSON schema, for the scripted engine. Draws nothing at random."""

from __future__ import annotations

import json
import math
from typing import Any

import jsonschema

from vitrail.domain.errors import InvalidArgument

DEEPEST = 32
NOT_MADE = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)
FORMATS = {
    "date": "2025-01-01",
    "date-time": "2025-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "P1D",
    "email": "user@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "hostname": "example.com",
}


def render_example(schema_json: str) -> str:
    """Return JSON text that is valid under the schema; raises InvalidArgument where none is found."""
    try:
        schema = json.loads(schema_json)
        example = _Maker(schema).make(schema)
        jsonschema.validate(example, schema)
    except (jsonschema.ValidationError, jsonschema.SchemaError, *NOT_MADE) as failure:
        raise InvalidArgument("The scripted engine cannot make up an answer for this JSON schema.") from failure
    return json.dumps(example)


class _Maker:
    """Walks down one schema; references are looked up from its top."""

    def __init__(self, top: Any) -> None:
        self._top = top

    def make(self, schema: Any, depth: int = 0) -> Any:
        if depth > DEEPEST:
            raise ValueError("the schema is too deep, or has no end")
        if schema is True or schema == {}:
            return {} if depth == 0 else None
        if "$ref" in schema:
            return self.make(self._find(schema["$ref"]), depth + 1)
        for keyword in ("const", "default"):
            if keyword in schema:
                return schema[keyword]
        if "enum" in schema:
            return schema["enum"][0]
        if "allOf" in schema:
            return self.make(_merge(schema, [self._resolve(part) for part in schema["allOf"]]), depth + 1)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                return self._make_first(schema, keyword, depth)
        return self._make_typed(schema, depth)

    def _make_first(self, schema: Any, keyword: str, depth: int) -> Any:
        """The first alternative that has an end."""
        rest = {key: value for key, value in schema.items() if key != keyword}
        for alternative in schema[keyword]:
            try:
                return self.make(_merge(rest, [self._resolve(alternative)]), depth + 1)
            except (ValueError, KeyError, TypeError):
                continue
        raise ValueError("no alternative can be made")

    def _make_typed(self, schema: Any, depth: int) -> Any:
        kind = schema.get("type", "object" if "properties" in schema or depth == 0 else "null")
        match kind if isinstance(kind, str) else kind[0]:
            case "object":
                wanted = schema.get("required", ())
                return {name: self.make(schema.get("properties", {}).get(name, {}), depth + 1) for name in wanted}
            case "array":
                return self._make_array(schema, depth)
            case "string":
                text = FORMATS.get(schema.get("format"), "") or "text"[: schema.get("maxLength", 4)]
                return text.ljust(schema.get("minLength", 0), "x")
            case "integer" | "number" as name:
                return _make_number(schema, whole=name == "integer")
            case "boolean":
                return True
            case "null":
                return None
            case other:
                raise ValueError(f"unknown type {other}")

    def _make_array(self, schema: Any, depth: int) -> list[Any]:
        first = schema.get("prefixItems", [])
        rest = schema.get("items", {})
        length = max(schema.get("minItems", 0), len(first) if rest is False else 0)
        return [self.make(first[i] if i < len(first) else rest, depth + 1) for i in range(length)]

    def _resolve(self, schema: Any) -> Any:
        return self._find(schema["$ref"]) if isinstance(schema, dict) and "$ref" in schema else schema

    def _find(self, reference: str) -> Any:
        if not reference.startswith("#"):
            raise ValueError("a reference to another document")
        found = self._top
        for step in reference[1:].strip("/").split("/"):
            if step:
                found = found[step.replace("~1", "/").replace("~0", "~")]
        return found


def _merge(schema: Any, parts: list[Any]) -> Any:
    """One schema with the demands of all; properties and required names add up."""
    merged = {key: value for key, value in schema.items() if key != "allOf"}
    for part in parts:
        for key, value in part.items():
            if key == "required":
                merged[key] = [*merged.get(key, ()), *value]
            elif key == "properties":
                merged[key] = {**merged.get(key, {}), **value}
            else:
                merged[key] = value
    return merged


def _make_number(schema: Any, *, whole: bool) -> float | int:
    """The multiple nearest to 0 that the bounds allow."""
    step = schema.get("multipleOf", 1)
    steps = 0
    if schema.get("minimum", 0) > 0 or schema.get("exclusiveMinimum", -1) >= 0:
        steps = max(
            math.ceil(schema.get("minimum", 0) / step), math.floor(schema.get("exclusiveMinimum", -step) / step) + 1
        )
    elif schema.get("maximum", 0) < 0 or schema.get("exclusiveMaximum", 1) <= 0:
        steps = min(
            math.floor(schema.get("maximum", 0) / step), math.ceil(schema.get("exclusiveMaximum", step) / step) - 1
        )
    number = steps * step
    return int(number) if whole else number
