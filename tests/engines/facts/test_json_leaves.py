"""Values of a JSON answer against the facts."""

from __future__ import annotations

import pytest

from vitrail.engines.facts.json_leaves import find_unsupported_leaves, replace_leaf

FACTS = "Pixel Forge Studio\nDue date: 1 August 2026\nTotal due: USD 1,690.00\nQty: 3"
NULLABLE = {"anyOf": [{"type": "string"}, {"type": "null"}]}
SCHEMA = {
    "type": "object",
    "properties": {
        "vendor": {"type": "string"},
        "due": {"type": "string"},
        "total": {"type": "number"},
        "cashier": NULLABLE,
        "kind": {"enum": ["invoice", "receipt"]},
        "rows": {"type": "array", "items": {"$ref": "#/$defs/row"}},
    },
    "$defs": {"row": {"type": "object", "properties": {"name": {"type": ["string", "null"]}}}},
}


def test_values_of_the_facts_are_supported():
    """Names, reordered dates, numbers in another spelling, enum values, booleans and null are fine."""
    value = {
        "vendor": "Pixel Forge",
        "due": "2026-08-01",
        "total": 1690.0,
        "cashier": None,
        "kind": "invoice",
        "paid": False,
        "rows": [{"name": "Studio"}],
    }
    assert find_unsupported_leaves(value, SCHEMA, FACTS) == ()


@pytest.mark.parametrize(
    ("value", "path", "nullable"),
    [
        ({"total": 1960.0}, ("total",), False),
        ({"due": "2026-08-02"}, ("due",), False),
        ({"cashier": "Mildred Vane"}, ("cashier",), True),
        ({"rows": [{"name": "Studio"}, {"name": "Harbour"}]}, ("rows", 1, "name"), True),
    ],
)
def test_an_invented_value_is_found_with_its_place(value, path, nullable):
    """Wrong digits and unknown names are found, with whether null may take their place."""
    (leaf,) = find_unsupported_leaves(value, SCHEMA, FACTS)
    assert (leaf.path, leaf.nullable) == (path, nullable)


def test_a_leaf_is_replaced_in_place():
    """The path of a leaf leads back to it."""
    value = {"rows": [{"name": "a"}, {"name": "b"}]}
    replace_leaf(value, ("rows", 1, "name"), None)
    assert value == {"rows": [{"name": "a"}, {"name": None}]}
