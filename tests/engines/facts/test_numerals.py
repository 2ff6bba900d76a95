"""Numbers as documents print them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrail.engines.facts.numerals import find_numbers, parse_number, read_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234.50", 1234.5),
        ("1.234,50", 1234.5),
        ("11,90", 11.9),
        ("4,500", 4500),
        ("1'000.00", 1000),
        ("12 500,00", 12500),
        ("$2.80", 2.8),
        ("19.28 €", 19.28),
        ("USD 690.00", 690),
        ("68 %", 68),
        ("\u22125.2", -5.2),
    ],
)
def test_a_printed_number_has_its_value(text, value):
    """Currency signs, thousands marks and decimal commas are understood."""
    assert read_number(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "Total", "08:15", "2026-03-14", "INV-17", "1.2.3.4.x", "Platform 4"])
def test_what_is_no_number_has_no_value(text):
    """Times, dates, identifiers and words are not numbers."""
    assert read_number(text) is None


@given(st.decimals(0, 10**8, places=2))
def test_both_ways_of_writing_agree(value):
    """A value is the same with point or comma for its decimals."""
    english = f"{value:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))
    assert parse_number(english) == parse_number(german) == pytest.approx(float(value))


@given(st.text(max_size=60))
def test_any_text_can_be_searched_for_numbers(text):
    """No text breaks the search."""
    assert all(isinstance(value, float) for value in find_numbers(text))


def test_numbers_stand_on_their_own():
    """Parts of dates, times and identifiers are not numbers of the text."""
    assert find_numbers("On 2026-03-14 at 18:42 order A-17 cost 4.75, twice 9.50.") == (4.75, 9.5)
