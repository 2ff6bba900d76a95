"""Which questions about photos are answered, and which are declined."""

from __future__ import annotations

import pytest

from vitrail.engines.facts.photos import ABSTENTION, contradicts, describe, is_answerable
from vitrail.engines.facts.sheet import Box, DetectedObject, FactSheet, Label, Medium

CAT = FactSheet(
    width_px=600,
    height_px=400,
    medium=Medium.PHOTO,
    objects=(DetectedObject("cat", 0.9, Box(10, 10, 200, 200)),),
    label=Label("cat", ("animal",), 0.9),
    unseen=frozenset({"person", "dog", "car"}),
)
UNKNOWN = FactSheet(width_px=600, height_px=400, medium=Medium.PHOTO)


@pytest.mark.parametrize(
    "question",
    [
        "What animal is this?",
        "How many cats are there?",
        "Is there a dog in this image? Answer yes or no.",
        "Are there any people?",
        "Where is the cat?",
        "What are the main colors?",
        "What is shown here?",
    ],
)
def test_what_perception_names_can_be_asked(question):
    """Questions made of things that were seen, or surely are not there, go to the language model."""
    assert is_answerable(question, [CAT])


@pytest.mark.parametrize(
    "question",
    [
        "What is the cat doing?",
        "What color is the cat?",
        "Is the cat asleep?",
        "Was this taken at night or during the day?",
        "What brand is the collar?",
        "How many windows are there?",
        "Who is this?",
        "Why is it here?",
        "Is there a spoon?",
        "What is the weather like?",
        "How old is the cat?",
        "Was macht die Katze?",
    ],
)
def test_what_perception_does_not_know_is_declined(question):
    """Actions, clothes, times, brands, ages and things without a detector are not guessed."""
    assert not is_answerable(question, [CAT])


def test_an_unsure_number_is_not_told():
    """When there may be more of a thing than was seen, its number is not told."""
    unsure = FactSheet(width_px=600, height_px=400, medium=Medium.PHOTO, objects=CAT.objects, unsure=frozenset({"cat"}))
    assert not is_answerable("How many cats are there?", [unsure])
    assert is_answerable("Is there a cat?", [unsure])


def test_a_yes_to_what_is_not_there_contradicts_the_facts():
    """Yes to an absent thing and no to a present one are caught."""
    assert contradicts("Is there a dog?", "Yes, there is a dog.", [CAT])
    assert contradicts("Is there a cat?", "No.", [CAT])
    assert not contradicts("Is there a cat?", "Yes.", [CAT])
    assert not contradicts("Is there a dog?", "No.", [CAT])


def test_a_description_says_where_it_ends():
    """A photo with nothing sure in it is said to be unknown."""
    assert describe(CAT) == "The photo shows 1 cat."
    assert describe(UNKNOWN).startswith("I can't tell")
    assert ABSTENTION.startswith("I can't tell")
