"""Schemas of clients: what is taken, what is refused and where, and that no schema takes long."""

from __future__ import annotations

import enum
import json
import re
import time
from datetime import date
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field

from vitrail.domain.errors import InvalidArgument
from vitrail.service.schema_check import is_valid
from vitrail.service.schemas import parse_schema

DEFINED = {"$defs": {"N": {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}}}}


class Currency(enum.Enum):
    EUR = "EUR"
    USD = "USD"


class Line(BaseModel):
    """One line of a receipt."""

    name: str = Field(min_length=1, description="As printed.")
    quantity: int = Field(ge=1, le=99)
    price: float = Field(ge=0)


class Section(BaseModel):
    title: str
    parts: list[Section] = []


class Receipt(BaseModel):
    lines: list[Line]
    currency: Currency = Currency.EUR
    kind: Literal["receipt"]
    day: date | None
    size: tuple[int, str]
    extra: dict[str, int]
    sections: Section
    anything: list[Any]


RECEIPT = {
    "lines": [{"name": "Tea", "quantity": 2, "price": 2.5}],
    "currency": "USD",
    "kind": "receipt",
    "day": None,
    "size": [80, "mm"],
    "extra": {"table": 4},
    "sections": {"title": "a", "parts": [{"title": "b", "parts": []}]},
    "anything": [1, "x", None, {"y": []}],
}


def _parse(schema: Any, *, lenient: bool = False) -> dict[str, Any]:
    return parse_schema(schema if isinstance(schema, str) else json.dumps(schema), where="schema", lenient=lenient)


def test_schemas_of_pydantic_keep_their_meaning() -> None:
    """Lists, enums, literals, dates, tuples, mappings, recursion and ranges: valid stays valid, wrong stays wrong."""
    schema = _parse(Receipt.model_json_schema())
    assert is_valid(RECEIPT, schema)
    wrong: list[dict[str, Any]] = [
        {"currency": "GBP"},
        {"kind": "bill"},
        {"day": 7},
        {"size": [80]},
        {"extra": {"table": "four"}},
        {"lines": [{"name": "", "quantity": 2, "price": 1}]},
        {"lines": [{"name": "Tea", "quantity": 100, "price": 1}]},
        {"sections": {"title": "a", "parts": [{"name": "b"}]}},
        {"unknown": 1},
    ]
    assert [change for change in wrong if is_valid(RECEIPT | change, schema)] == []


def test_a_schema_that_was_read_can_be_read_again() -> None:
    """A job is checked when it is accepted and again when it runs: the second time changes nothing but names."""
    once = _parse(Receipt.model_json_schema())
    assert is_valid(RECEIPT, _parse(once)) and not is_valid(RECEIPT | {"day": 7}, _parse(once))
    assert _parse(_parse({})) == _parse({})


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"allOf": [{"type": "string"}, {"enum": ["a"]}]}, "/allOf"),
        (
            {"type": "object", "properties": {"a/b": {"type": "string", "pattern": "^(a+)+$"}}},
            "/properties/a~1b/pattern",
        ),
        ({"type": "array", "items": {"type": "integer", "multipleOf": 3}}, "/items/multipleOf"),
        ({"type": "array", "uniqueItems": True}, "/uniqueItems"),
        ({"type": "array", "contains": {"const": 1}}, "/contains"),
        ({"$defs": {"A": {"not": {}}}, "$ref": "#/$defs/A"}, "/$defs/A/not"),
        ({"anyOf": [{"if": {}}]}, "/anyOf/0/if"),
        ({"anyOf": [{"type": "string"}], "properties": {}}, "/properties"),
        ({"type": "object", "patternProperties": {}}, "/patternProperties"),
        ({"type": "object", "properties": {"a": False}}, "/properties/a"),
        ({"type": "object", "required": ["a"]}, "/required"),
        ({"type": "nonsense"}, "/type"),
        ({"enum": []}, "/enum"),
        ({"type": "string", "enum": [1, 2]}, "/enum"),
        ({"type": "string", "minLength": 10**9}, "/minLength"),
        ({"type": "array", "minItems": 3, "maxItems": 2}, "/minItems"),
        ({"$ref": "http://127.0.0.1:1/schema.json"}, "/$ref"),
        ({"$ref": "#/$defs/Nowhere"}, "/$ref"),
        ({"$defs": {"A": []}, "$ref": "#/$defs/A"}, "/$defs/A"),
    ],
)
def test_what_is_not_supported_is_named_with_its_path(schema: dict[str, Any], path: str) -> None:
    """The refusal says which keyword, and where it stands as a JSON pointer."""
    with pytest.raises(InvalidArgument, match=re.escape(f"Invalid JSON Schema: `{path}`: ")):
        _parse(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}, "$ref": "#/$defs/A"},
        {"$defs": {"A": {"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}]}}, "$ref": "#/$defs/A"},
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"type": "array", "items": {"$ref": "#"}, "minItems": 1},
    ],
)
def test_j21_references_in_a_circle_are_refused(schema: dict[str, Any]) -> None:
    """J21 a schema that leads back to itself without an end is refused; a list of itself that may be empty is not."""
    with pytest.raises(InvalidArgument, match="has no end"):
        _parse(schema)
    assert _parse({"type": "array", "items": {"$ref": "#"}})


def test_what_has_no_end_is_called_as_the_client_calls_it() -> None:
    """The names that definitions get inside mean nothing to who wrote the schema."""
    for schema, pointer in (
        ({"$ref": "#"}, "#"),
        ({"$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}, "$ref": "#/$defs/A"}, "#/$defs/A"),
        ({"type": "array", "minItems": 1, "items": {"$ref": "#"}}, "#"),
    ):
        with pytest.raises(InvalidArgument, match=f"`{re.escape(pointer)}`"):
            _parse(schema)


@pytest.mark.parametrize(
    "text",
    [
        '{"items":' * 10_000 + "{}" + "}" * 10_000,
        '{"items":' * 60 + "{}" + "}" * 60,
        "[" * 200_000,
        json.dumps({"enum": [f"value {i}" for i in range(80_000)]}),
        json.dumps({"type": "object", "properties": {f"p{i}": {} for i in range(20_000)}}),
        json.dumps({"type": "object", "properties": {f"p{i}": {} for i in range(200)}}),
        json.dumps({"anyOf": [{"$ref": f"#/$defs/d{i % 7}"} for i in range(9_000)], "$defs": {}}),
        "not json",
        '"text"',
    ],
    ids=[
        "10000 levels",
        "60 levels",
        "open",
        "1 MB enum",
        "20000 properties",
        "200 optional",
        "9000 references",
        "no json",
        "text",
    ],
)
def test_j21_huge_schemas_are_refused_soon(text: str) -> None:
    """J21 depth, size and number of values have limits that hold before anything is compiled."""
    started = time.perf_counter()
    with pytest.raises(InvalidArgument):
        _parse(text)
    assert time.perf_counter() - started < 2


def test_j21_a_long_chain_of_references_is_read_soon() -> None:
    """J21 hundreds of definitions that need each other are no loop."""
    chain = {f"d{i}": {"type": "object", "properties": {"x": {"$ref": f"#/$defs/d{i + 1}"}}} for i in range(500)}
    schema = {"$defs": {**chain, "d500": {"type": "null"}}, "$ref": "#/$defs/d0"}
    started = time.perf_counter()
    assert len(_parse(schema)["$defs"]) == 501
    assert time.perf_counter() - started < 2


def test_parameters_of_tools_lose_what_is_not_supported() -> None:
    """Tools of other programs bring any keyword: those that cannot be followed are dropped, the others hold."""
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string", "pattern": "^x"}},
        "required": ["a", "b"],
        "not": {},
    }
    assert _parse(schema, lenient=True) == {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }


def test_notes_are_handed_on_and_other_notes_dropped() -> None:
    """Titles, descriptions, defaults and formats reach the engine; identifiers and drafts do not."""
    notes = {"title": "T", "description": "D", "default": "x", "format": "date"}
    assert _parse({"$schema": "x", "$id": "y", "type": "string", **notes}) == {"type": "string", **notes}


def test_bounds_of_an_integer_become_whole() -> None:
    """Fractions and exclusive bounds are turned into the least and the greatest whole number."""
    assert _parse({"type": "integer", "minimum": 0.5, "exclusiveMaximum": 3})["maximum"] == 2
    assert _parse({"type": "integer", "minimum": 0.5, "exclusiveMaximum": 3})["minimum"] == 1


def test_a_check_that_multiplies_ends_soon() -> None:
    """A recursive union that takes exponential time to refuse is given up, and counts as not fitting."""
    twice = [{"type": "object", "properties": {"n": {"$ref": "#/$defs/A"}}, "required": [name]} for name in "nm"]
    schema = _parse({"$defs": {"A": {"anyOf": [*twice[:1], *twice[:1], {"type": "null"}]}}, "$ref": "#/$defs/A"})
    value: Any = 5
    for _ in range(40):
        value = {"n": value}
    started = time.perf_counter()
    assert not is_valid(value, schema)
    assert time.perf_counter() - started < 5


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "b"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)
SCHEMA = st.recursive(
    st.sampled_from(["string", "integer", "boolean", "null"]).map(lambda kind: {"type": kind})
    | st.lists(JSON, min_size=1, max_size=3).map(lambda values: {"enum": values}),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=2).map(lambda ones: {"anyOf": ones})
        | inner.map(lambda one: {"type": "array", "items": one, "maxItems": 2})
        | st.dictionaries(st.sampled_from("ab"), inner, max_size=2).map(
            lambda ones: {"type": "object", "properties": ones, "required": list(ones), "additionalProperties": False}
        )
    ),
    max_leaves=4,
)


@given(schema=SCHEMA, value=JSON)
def test_reading_a_schema_changes_nothing_it_says(schema: dict[str, Any], value: Any) -> None:
    """Whatever fits the client's schema fits what engines get, and nothing else does."""
    assert is_valid(value, _parse(schema)) == Draft202012Validator(schema).is_valid(value)
