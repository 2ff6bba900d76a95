"""JSON Schema text of a client -> the schema that engines get, or a refusal with the JSON path at fault. Pure.

Called by `answer_shape`. What comes out holds only keywords that are listed here, and every `$ref` in it is
`#/$defs/NAME`: engines need not resolve anything else. Limits of size and depth make every check end soon.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from vitrail.domain.errors import InvalidArgument
from vitrail.service.schema_ends import find_endless

Json = dict[str, Any]

TYPES = frozenset({"string", "number", "integer", "object", "array", "boolean", "null"})
NOTES = frozenset({"title", "description", "default", "examples", "format"})  # handed on, never checked
IGNORED = frozenset(
    {"$schema", "$id", "$comment", "discriminator", "deprecated", "readOnly", "writeOnly", "example", "strict"}
)
ANYTHING: Json = {"type": sorted(TYPES - {"integer"})}
NUMBER_BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
COUNT_BOUNDS = frozenset({"minLength", "maxLength", "minItems", "maxItems"})
OF_TYPE = {
    "properties": "object",
    "required": "object",
    "additionalProperties": "object",
    "items": "array",
    "prefixItems": "array",
    "minItems": "array",
    "maxItems": "array",
    "minLength": "string",
    "maxLength": "string",
}
UNIONS = ("anyOf", "oneOf")
DEFINITIONS = ("$defs", "definitions")
KNOWN = frozenset({"type", "enum", "const", "$ref", *OF_TYPE, *NUMBER_BOUNDS, *UNIONS, *DEFINITIONS, *NOTES, *IGNORED})

DEEPEST = 48
MOST_NODES = 2_000
MOST_ENUM_VALUES = 1_000
MOST_OPTIONAL = 128  # properties of one object that may be missing: a grammar grows with their square
LARGEST_COUNT = 1_000
LARGEST_BOUND = 2**53
LONGEST_SHOWN = 80


def parse_schema(text: str, *, where: str, lenient: bool = False) -> Json:
    """Return the schema that engines get; raises InvalidArgument with the keyword and its path below `where`.

    `lenient` drops keywords that are not supported in place of refusing them.
    """
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InvalidArgument(
            "This JSON Schema cannot be read: it is no JSON, or nested too deep.", where=where
        ) from error
    if not isinstance(document, dict):
        raise InvalidArgument("A JSON Schema has to be an object.", where=where)
    parser = _Parser(document, where, lenient=lenient)
    schema = parser.parse()
    if endless := find_endless(schema, parser.pointers()):
        raise InvalidArgument(f"This JSON Schema has no end: {endless}.", where=where)
    return schema


class _Parser:
    """Walks down one document; every `$ref` met is queued, and becomes a definition of the result."""

    def __init__(self, document: Json, where: str, *, lenient: bool) -> None:
        self._document = document
        self._where = where
        self._lenient = lenient
        self._names: dict[str, str] = {}  # pointer -> name in the result's $defs
        self._nodes = 0
        self._enum_values = 0

    def parse(self) -> Json:
        """Return the whole schema."""
        root = self._parse(self._document, "", 0)
        definitions: Json = {}
        while len(definitions) < len(self._names):
            for pointer, name in list(self._names.items())[len(definitions) :]:
                definitions[name] = self._parse(self._find(pointer), pointer.removeprefix("#"), 0)
        return {**root, "$defs": definitions} if definitions else root

    def pointers(self) -> dict[str, str]:
        """Return where each definition of the result stands in the document: `#/$defs/Node`; `#` is its root."""
        return {name: pointer[:LONGEST_SHOWN] for pointer, name in self._names.items()}

    def _parse(self, node: Any, path: str, depth: int) -> Json:
        """Return one schema; `path` is its JSON pointer."""
        self._nodes += 1
        if depth > DEEPEST:
            raise self._refusal(path, f"it is nested deeper than {DEEPEST} levels")
        if self._nodes > MOST_NODES:
            raise self._refusal("", f"it has more than {MOST_NODES} parts, references included")
        if node is True:
            return ANYTHING
        if not isinstance(node, dict):
            raise self._refusal(path, "a schema has to be an object")
        unknown = [key for key in node if key not in KNOWN and not _is_one(key, node[key])]
        if unknown and not self._lenient:
            raise self._refusal(f"{path}/{_escape(unknown[0])}", "this keyword is not supported")
        notes = {key: node[key] for key in NOTES & node.keys() if key != "format" or isinstance(node[key], str)}
        return {**notes, **self._parse_meaning(node, path, depth)}

    def _parse_meaning(self, node: Json, path: str, depth: int) -> Json:
        if isinstance(node.get("allOf"), list) and len(node["allOf"]) == 1:  # as FastAPI and pydantic 1 write it
            self._check_alone(node, "allOf", path)
            return self._parse(node["allOf"][0], f"{path}/allOf/0", depth + 1)
        for kind in ("$ref", *UNIONS):
            if kind in node:
                self._check_alone(node, kind, path)
                if kind == "$ref":
                    return {"$ref": f"#/$defs/{self._name(node['$ref'], path)}"}
                return {"anyOf": self._parse_list(node[kind], f"{path}/{kind}", depth)}
        if "enum" in node or "const" in node:
            return self._parse_values(node, path)
        return self._parse_typed(node, path, depth)

    def _check_alone(self, node: Json, kind: str, path: str) -> None:
        """A reference or union says everything; demands beside it would not be followed."""
        beside = node.keys() & KNOWN - NOTES - IGNORED - {*DEFINITIONS, kind}
        if beside and not self._lenient:
            raise self._refusal(f"{path}/{min(beside)}", f"this keyword is not supported beside `{kind}`")

    def _parse_values(self, node: Json, path: str) -> Json:
        values = [node["const"]] if "const" in node else node["enum"]
        if not isinstance(values, list):
            raise self._refusal(f"{path}/enum", "it has to be a list")
        self._enum_values += len(values)
        if self._enum_values > MOST_ENUM_VALUES:
            raise self._refusal(f"{path}/enum", f"enums may have {MOST_ENUM_VALUES} values at most, all together")
        if "type" in node:
            values = [value for value in values if any(_is_of(value, kind) for kind in self._types(node, path))]
        if not values:
            raise self._refusal(f"{path}/enum", "no value is possible")
        return {"enum": values}

    def _parse_typed(self, node: Json, path: str, depth: int) -> Json:
        types = self._types(node, path)
        if not types:
            return ANYTHING
        if len(types) > 1 and not node.keys() & {*OF_TYPE, *NUMBER_BOUNDS}:
            return {"type": types}
        if len(types) > 1:
            rest = {key: value for key, value in node.items() if key != "type"}
            return {"anyOf": [self._parse_one(_only(rest, kind), kind, path, depth + 1) for kind in types]}
        return self._parse_one(node, types[0], path, depth)

    def _types(self, node: Json, path: str) -> list[str]:
        """Return the types that a node names, or those that its keywords speak of."""
        if "type" not in node:
            return list(dict.fromkeys(kind for key, kind in OF_TYPE.items() if key in node))
        types = node["type"] if isinstance(node["type"], list) else [node["type"]]
        for kind in types:
            if not isinstance(kind, str) or kind not in TYPES:
                raise self._refusal(f"{path}/type", "it has to be one of " + ", ".join(sorted(TYPES)))
        if not types:
            raise self._refusal(f"{path}/type", "it names no type")
        return list(dict.fromkeys(types))

    def _parse_one(self, node: Json, kind: str, path: str, depth: int) -> Json:
        match kind:
            case "object":
                return self._parse_object(node, path, depth)
            case "array":
                return self._parse_array(node, path, depth)
            case "number":
                return {"type": kind, **self._bounds(node, NUMBER_BOUNDS, path)}
            case "integer":
                return {"type": kind, **self._whole_bounds(self._bounds(node, NUMBER_BOUNDS, path), path)}
            case "string":
                return {"type": kind, **self._bounds(node, frozenset({"minLength", "maxLength"}), path)}
            case _:
                return {"type": kind}

    def _parse_object(self, node: Json, path: str, depth: int) -> Json:
        properties, required = node.get("properties", {}), node.get("required", [])
        more = node.get("additionalProperties")
        if not isinstance(properties, dict):
            raise self._refusal(f"{path}/properties", "it has to be an object")
        if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
            raise self._refusal(f"{path}/required", "it has to be a list of names")
        if missing := [name for name in required if name not in properties]:
            if not self._lenient:
                raise self._refusal(f"{path}/required", f"{missing[0][:LONGEST_SHOWN]!r} is not in `properties`")
            required = [name for name in required if name in properties]
        if len(properties) - len(set(required)) > MOST_OPTIONAL:
            raise self._refusal(f"{path}/properties", f"more than {MOST_OPTIONAL} of them are not required")
        parsed: Json = {"type": "object"}
        if properties:
            parsed["properties"] = {
                name: self._parse(inner, f"{path}/properties/{_escape(name)}", depth + 1)
                for name, inner in properties.items()
            }
        if required:
            parsed["required"] = list(dict.fromkeys(required))
        if isinstance(more, dict):
            parsed["additionalProperties"] = self._parse(more, f"{path}/additionalProperties", depth + 1)
        elif more is True or (more is None and "properties" not in node):
            parsed["additionalProperties"] = True
        else:
            parsed["additionalProperties"] = False
        return parsed

    def _parse_array(self, node: Json, path: str, depth: int) -> Json:
        bounds = self._bounds(node, frozenset({"minItems", "maxItems"}), path)
        if "prefixItems" in node:
            first = self._parse_list(node["prefixItems"], f"{path}/prefixItems", depth)
            return {"type": "array", "prefixItems": first, "minItems": len(first), "maxItems": len(first)}
        items = self._parse(node.get("items", {}), f"{path}/items", depth + 1)
        return {"type": "array", "items": items, **bounds}

    def _parse_list(self, nodes: Any, path: str, depth: int) -> list[Json]:
        if not isinstance(nodes, list) or not nodes:
            raise self._refusal(path, "it has to be a list of schemas")
        return [self._parse(node, f"{path}/{index}", depth + 1) for index, node in enumerate(nodes)]

    def _bounds(self, node: Json, keys: frozenset[str], path: str) -> Json:
        """Return the numbers under `keys`; raises for a length or number that no engine should be asked to count to."""
        bounds = {key: node[key] for key in sorted(keys & node.keys())}
        for key, value in bounds.items():
            most = LARGEST_COUNT if key in COUNT_BOUNDS else LARGEST_BOUND
            if not _is_of(value, "number") or not -most <= value <= most:
                raise self._refusal(f"{path}/{key}", f"it has to be a number of at most {most}")
            if key in COUNT_BOUNDS and (value < 0 or not _is_of(value, "integer")):
                raise self._refusal(f"{path}/{key}", "it has to be a whole number that is not negative")
        for low, high in (("minLength", "maxLength"), ("minItems", "maxItems"), ("minimum", "maximum")):
            if low in bounds and high in bounds and bounds[low] > bounds[high]:
                raise self._refusal(f"{path}/{low}", f"it is more than `{high}`")
        return bounds

    def _whole_bounds(self, bounds: Json, path: str) -> Json:
        """Return the bounds of an integer as the least and the greatest value, both whole."""
        low = [math.ceil(bounds[key]) for key in ("minimum",) if key in bounds]
        low += [math.floor(bounds[key]) + 1 for key in ("exclusiveMinimum",) if key in bounds]
        high = [math.floor(bounds[key]) for key in ("maximum",) if key in bounds]
        high += [math.ceil(bounds[key]) - 1 for key in ("exclusiveMaximum",) if key in bounds]
        if low and high and max(low) > min(high):
            raise self._refusal(path, "no whole number is possible")
        return {**({"minimum": max(low)} if low else {}), **({"maximum": min(high)} if high else {})}

    def _name(self, pointer: Any, path: str) -> str:
        if not isinstance(pointer, str) or not (pointer == "#" or pointer.startswith("#/")):
            raise self._refusal(
                f"{path}/$ref", "only references into this schema are supported, such as `#/$defs/Name`"
            )
        if pointer not in self._names:
            self._find(pointer, path)
            last = pointer.rsplit("/", 1)[-1]
            plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in last)[:40]
            self._names[pointer] = f"{plain.strip('-') or 'root'}-{len(self._names)}"
        return self._names[pointer]

    def _find(self, pointer: str, path: str = "") -> Any:
        found: Any = self._document
        try:
            for step in pointer.removeprefix("#").split("/")[1:]:
                key = step.replace("~1", "/").replace("~0", "~")
                found = found[int(key)] if isinstance(found, list) else found[key]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise self._refusal(f"{path}/$ref", f"{pointer[:LONGEST_SHOWN]!r} is not there") from error
        return found

    def _refusal(self, path: str, reason: str) -> InvalidArgument:
        shown = path if len(path) <= 2 * LONGEST_SHOWN else f"{path[:LONGEST_SHOWN]}...{path[-LONGEST_SHOWN:]}"
        return InvalidArgument(
            f"Invalid JSON Schema: `{shown or '/'}`: {reason}.", where=self._where, hint="See docs/structured.md."
        )


def _only(node: Mapping[str, Any], kind: str) -> Json:
    """Return what a node of several types says about one of them."""
    return {key: value for key, value in node.items() if OF_TYPE.get(key, kind) == kind}


def _is_one(key: str, value: Any) -> bool:
    """Tell whether a keyword is an `allOf` of one schema, which is that schema."""
    return key == "allOf" and isinstance(value, list) and len(value) == 1


def _is_of(value: Any, kind: str) -> bool:
    match kind:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "string":
            return isinstance(value, str)
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "integer":
            return not isinstance(value, bool) and isinstance(value, int | float) and float(value).is_integer()
        case _:
            return not isinstance(value, bool) and isinstance(value, int | float)


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
