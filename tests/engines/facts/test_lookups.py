"""What is looked up in the facts for a question, and how a message with several questions is cut."""

from __future__ import annotations

import pytest

from vitrail.domain.chat import JsonFormat
from vitrail.engines.base import Prompt
from vitrail.engines.facts.cells import look_up_cells, look_up_lists
from vitrail.engines.facts.labelled import asks_for_title, find_labelled
from vitrail.engines.facts.parts import split_prompt, split_questions
from vitrail.engines.facts.sheet import Table

from .conftest import image, user

LABEL = (
    "Net weight: 660 g\nBatch: A1885\nDate: 2 May\nSEAT: 80 | COACH: 3\nStop: Graz | T1: 06:10\nStop: Linz | T1: 07:10"
)
PLAN = Table(("", "Monday", "Friday"), (("08:30", "Fencing", ""), ("09:45", "", "Choir")), 0, 1.0)
FIGURES = Table(("Team", "Wins", "Losses"), (("Galway", "22", "14"), ("Duluth", "4", "9")), 0, 1.0)

BOARD = Table(("Time", "To", "Platform"), (("08:05", "Leeds", "4"), ("08:20", "York", "2")), 0, 1.0)


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("Please read off the batch.", ("Batch: A1885",)),
        ("Net weight?", ("Net weight: 660 g",)),
        ("Was steht hier als „Seat“?", ("SEAT: 80",)),
        ("What do the net weight and the batch say?", ("Net weight: 660 g", "Batch: A1885")),
        ("What is the due date?", ()),
        ("What is the date of birth?", ()),
        ("Which stop comes first?", ()),
        ("What is the fax number?", ()),
    ],
)
def test_a_label_said_word_for_word_finds_its_value(question, found):
    """A label that is only a part of what is asked for, or that stands several times, finds nothing."""
    assert find_labelled(question, LABEL) == found


@pytest.mark.parametrize(
    ("table", "question", "found"),
    [
        (PLAN, "What is on Friday at 09:45?", ["09:45, Friday: Choir."]),
        (PLAN, "What is on Monday at 09.45?", ["09:45, Monday: nothing stands there."]),
        (PLAN, "On which day is Fencing?", ["Fencing stands at 08:30, Monday."]),
        (PLAN, "How many courses are on Friday?", ["1 entries stand under Friday."]),
        (FIGURES, "In the row for Duluth, what does the losses column say?", ["Duluth, Losses: 9."]),
        (FIGURES, "How many teams have losses above 9?", ["1 of the 2 rows have more than 9 in Losses."]),
        (BOARD, "On which platform is the Leeds train?", ["Leeds, Platform: 4."]),
        (FIGURES, "Who trains Galway?", []),
    ],
)
def test_cells_named_by_row_and_column_are_looked_up(table, question, found):
    """Row and column of the question meet in one cell; a worded cell is found by its words."""
    assert look_up_cells(question, table) == found


@pytest.mark.parametrize(
    ("question", "is_about_title"),
    [
        ("What is the title?", True),
        ("What is the heading at the top?", True),
        ("Wie lautet die Überschrift?", True),
        ("What is her job title?", False),
        ("What is the name in the title bar?", False),
        ("What is the title of the second column?", False),
    ],
)
def test_the_heading_of_a_page_is_told_from_other_titles(question, is_about_title):
    """A job title and a title bar are other things than the heading."""
    assert asks_for_title(question) is is_about_title


def test_items_over_a_limit_are_counted(sheet_of):
    """A price list is counted in code, since a small language model cannot."""
    menu = sheet_of("Soup | 7.50", "Pie | 9.20", "Tart | 5.40")
    found = look_up_lists("How many items cost more than 7.00?", menu)
    assert found == ["2 of the 3 items have more than 7."]


def test_the_highest_and_lowest_are_looked_up_when_asked_for(sheet_of):
    """A question for the dearest item gets what was worked out; another one does not."""
    menu = sheet_of("Soup | 7.50", "Pie | 9.20", "Tart | 5.40")
    (found,) = look_up_lists("Which item is the most expensive?", menu)
    assert "highest / dearest is Pie (9.20)" in found
    assert look_up_lists("What does the pie cost?", menu) == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("What is the total? Who signed it?", 2),
        ("Is Norwich listed? Answer with yes or no.", 1),
        ("What is the total?", 1),
        ("About the first image: Subtotal? About the second image: Please read off the batch.", 2),
        ("What is this? And that?", 1),
    ],
)
def test_questions_are_cut_apart(text, count):
    """Every question with content of its own is one part; a wish for the form of the answer is none."""
    assert len(split_questions(text)) == count


def test_a_question_gets_the_picture_that_it_names():
    """Of two pictures each question sees only its own."""
    asked = "About the first image: What is the total? About the second image: What is the name?"
    first, second = split_prompt(Prompt((user(image("a"), image("b"), asked),)))
    assert [one.content_hash for one in first.images + second.images] == ["a", "b"]
    assert second.messages[-1].text == "What is the name?"


def test_json_is_never_cut():
    """A schema is filled in once, whatever is asked."""
    prompt = Prompt((user(image("a"), "What is the total? Who signed it?"),), JsonFormat("{}"))
    assert split_prompt(prompt) == (prompt,)
