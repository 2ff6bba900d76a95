"""Labels and values, captions, sparse plans and lists, on drawn pages read by the shipped models."""

from __future__ import annotations

import pytest
from PIL import Image, ImageDraw, ImageFont

from vitrail.engines.facts.facts_text import render_facts
from vitrail.engines.facts.perceive import perceive

RECEIPT = [
    [(30, "HEDGEROW STORES")],
    [(30, "Date"), (420, "12 February 2024")],
    [(30, "Time"), (420, "17:46")],
    [(30, "Cocoa powder"), (420, "10.12")],
    [(30, "Brown lentils"), (420, "14.75")],
    [(30, "Candles"), (420, "2.79")],
]
PLAN = [
    [(160, "Monday"), (330, "Tuesday"), (500, "Friday")],
    [(30, "08:30"), (330, "Fencing")],
    [(30, "09:45"), (160, "Latin"), (500, "Choir")],
    [(30, "11:00"), (330, "Botany")],
]
STOPS = [
    [(30, "Stop"), (260, "T1"), (420, "T2")],
    [(30, "Bregenz"), (260, "06.10"), (420, "10.57")],
    [(30, "Konstanz"), (260, "06.24"), (420, "11.11")],
    [(30, "Lindau"), (260, "06.44"), (420, "11.31")],
]
MENU = [
    [(30, "Starters")],
    [(30, "Leek soup"), (420, "7.50")],
    [(30, "Potted crab"), (420, "9.20")],
    [(30, "Desserts")],
    [(30, "Apple crumble"), (420, "6.30")],
    [(30, "Rice pudding"), (420, "5.40")],
]


@pytest.fixture
def facts_of(draw_rows, senses, pixels):
    """Draws rows, looks at them and writes the facts."""
    return lambda rows: render_facts(perceive(pixels(draw_rows(rows)), senses), characters=4000)


def test_a_receipt_is_labels_and_values(facts_of):
    """Two columns are no table with the date for a header: every row is a label with its value."""
    text = facts_of(RECEIPT)
    assert "Date: 12 February 2024" in text
    assert "Time: 17:46" in text
    assert "Candles: 2.79" in text
    assert "most / highest / dearest is Brown lentils (14.75)" in text


def test_a_plan_with_gaps_keeps_its_columns(facts_of):
    """A cell belongs to the day that it stands under, and what is empty is said to be."""
    text = facts_of(PLAN)
    assert "08:30 | Monday: (empty) | Tuesday: Fencing | Friday: (empty)" in text
    assert "09:45 | Monday: Latin | Tuesday: (empty) | Friday: Choir" in text


def test_dotted_times_are_no_amounts(facts_of):
    """A timetable with dots is neither added up nor compared; the minutes of the way are worked out."""
    text = facts_of(STOPS)
    assert "Stop: Bregenz | T1: 06:10 | T2: 10:57" in text
    assert "34 minutes from Bregenz to Lindau" in text
    assert "sum" not in text


def test_what_lies_between_two_dates_is_worked_out(facts_of):
    """The years between the only two dates of a card are a fact."""
    text = facts_of([[(30, "Library card")], [(30, "Issued: 28 October 1993")], [(30, "Expires: 10 December 2027")]])
    assert "34 years from 1993 to 2027" in text


def test_a_menu_is_compared_as_a_whole_and_by_part(facts_of):
    """The cheapest dish is sought in the whole menu, not in its first part."""
    text = facts_of(MENU)
    assert (
        "Whole list: 4 items listed, most / highest / dearest is Potted crab (9.20), least / lowest / cheapest is Rice"
        in text
    )
    assert "Desserts: 2 items listed, most / highest / dearest is Apple crumble" in text


def test_a_small_label_above_names_its_value(senses, pixels):
    """On a ticket each value gets the small label above it, column by column."""
    image = Image.new("RGB", (760, 330), "white")
    pen = ImageDraw.Draw(image)
    small, large = ImageFont.load_default(20), ImageFont.load_default(30)
    blocks = [("Date", "2024-02-07"), ("Departure", "14:26"), ("Coach", "3"), ("Seat", "80A"), ("Train", "B 461")]
    for index, (label, value) in enumerate(blocks):
        x_px, y_px = 30 + 360 * (index % 2), 20 + 95 * (index // 2)
        pen.text((x_px, y_px), label, font=small, fill="gray")
        pen.text((x_px, y_px + 28), value, font=large, fill="black")
    text = render_facts(perceive(pixels(image), senses), characters=4000)
    for label, value in (("Date", "2024-02-07"), ("Departure", "14:26"), ("Seat", "80A"), ("Train", "B 461")):
        assert f"{label}: {value}" in text
