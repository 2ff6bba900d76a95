"""What an answer may say, and what not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrail.engines.facts.guard import Support, find_false_premises, find_unsupported

FACTS = "GREEN LEAF MARKET\nDate: 2026-03-14\nBananas | 2.16\nCheddar | 4.75\nTOTAL GBP | 19.28\nTel 0117 496 0321"


def unsupported(answer: str, question: str = "What does it say?") -> tuple[str, ...]:
    return find_unsupported(answer, question, Support(FACTS, question))


@pytest.mark.parametrize(
    "answer",
    [
        "The total is 19.28 GBP.",
        "The total is £19.28.",
        "It is dated 14 March 2026.",
        "On 14/03/2026.",
        "Green Leaf Market",
        "The number is 0117 496 0321.",
        "It is in English.",
        "I can't tell from this image.",
        "Yes",
    ],
)
def test_what_the_facts_hold_may_be_said(answer):
    """Values may be written another way; languages, months and plain words are free."""
    assert unsupported(answer) == ()


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ("The total is 19.82 GBP.", "19.82"),
        ("It is from 15 March 2026.", "15"),
        ("The cashier is called Mildred.", "Mildred"),
        ("Mildred", "Mildred"),
        ("The logo is purple.", "purple"),
        ("There are seven items.", "seven"),
        ("The tax rate is 20%.", "20%"),
    ],
)
def test_what_nothing_supports_is_found(answer, word):
    """Wrong digits, invented names, colours and counts are named."""
    assert any(word.strip("%") in found for found in unsupported(answer))


def test_a_sum_of_the_rows_asked_about_is_supported():
    """A number that is worked out from the rows named in the question may be said."""
    assert unsupported("Together they cost 6.91.", "What do the bananas and the cheddar cost together?") == ()
    assert unsupported("Together they cost 7.01.", "What do the bananas and the cheddar cost together?") == ("7.01",)


def test_a_question_about_another_year_has_a_false_premise():
    """A year, code or name that the facts do not hold is a false premise; made-up quantities are not."""
    facts = "Units sold 2025\nQ1 = 120; Q2 = 185"
    assert find_false_premises("How many were sold in Q2 of 2024?", facts) == ("2024",)
    assert find_false_premises("How many were sold in Q7?", facts) == ("Q7",)
    assert find_false_premises("What does Mildred earn?", facts) == ("Mildred",)
    assert find_false_premises("How many are 30 % of Q2?", facts) == ()
    assert find_false_premises("Wie hoch ist der Umsatz und was ist die Summe?", facts) == ()


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_texts_can_be_compared(answer, facts):
    """No answer and no facts break the check."""
    find_unsupported(answer, "What?", Support(facts, "What?"))


@given(st.sampled_from(FACTS.splitlines()))
def test_a_line_of_the_facts_is_always_supported(line):
    """Quoting the facts is never an error."""
    assert unsupported(line) == ()
