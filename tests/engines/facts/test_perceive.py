"""Perception on drawn pictures, with the models that are shipped."""

from __future__ import annotations

import numpy as np
import pytest
import zxingcpp
from PIL import Image

from vitrail.engines.facts.facts_text import render_facts
from vitrail.engines.facts.perceive import perceive
from vitrail.engines.facts.sheet import Medium

TABLE = [
    [(30, "Name"), (240, "Age"), (400, "City")],
    [(30, "Amara"), (240, "29"), (400, "Lagos")],
    [(30, "Jonas"), (240, "41"), (400, "Berlin")],
    [(30, "Mei"), (240, "35"), (400, "Taipei")],
]


def test_a_table_becomes_records_under_its_header(draw_rows, senses, pixels):
    """Every row of a drawn table is a record, and the figures are worked out."""
    sheet = perceive(pixels(draw_rows(TABLE)), senses)
    assert sheet.tables[0].header == ("Name", "Age", "City")
    assert sheet.tables[0].records[1] == ("Jonas", "41", "Berlin")
    text = render_facts(sheet, characters=4000)
    assert "Name: Mei | Age: 35 | City: Taipei" in text
    assert "most / highest / dearest is Jonas (41)" in text


@pytest.mark.parametrize("degrees", [-4, 3])
def test_rows_hold_on_a_tilted_page(draw_rows, senses, pixels, degrees):
    """A page turned by a few degrees keeps its rows."""
    tilted = draw_rows(TABLE).rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor="white")
    rows = [row.texts for row in perceive(pixels(tilted), senses).rows]
    assert ("Jonas", "41", "Berlin") in rows


def test_shapes_are_counted_by_colour(senses, pixels):
    """Three red circles and two blue squares are seen as such, and nothing else."""
    image = Image.new("RGB", (600, 400), "white")
    from PIL import ImageDraw

    pen = ImageDraw.Draw(image)
    for x_px in (60, 200, 340):
        pen.ellipse((x_px, 60, x_px + 90, 150), fill="red")
    for x_px in (80, 260):
        pen.rectangle((x_px, 230, x_px + 100, 330), fill="blue")
    sheet = perceive(pixels(image), senses)
    assert {(shape.colour, shape.name, shape.count) for shape in sheet.shapes} == {
        ("red", "circle", 3),
        ("blue", "square", 2),
    }
    assert sheet.objects == ()


def test_bars_are_read_with_their_values(senses, pixels):
    """A bar chart with printed values yields a pair for every bar."""
    from PIL import ImageDraw, ImageFont

    image = Image.new("RGB", (700, 480), "white")
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(24)
    for index, (label, value) in enumerate([("North", 120), ("South", 185), ("East", 90), ("West", 240)]):
        left_px, height_px = 70 + index * 150, value * 1.4
        pen.rectangle((left_px, 420 - height_px, left_px + 80, 420), fill="steelblue")
        pen.text((left_px + 20, 420 - height_px - 34), str(value), font=font, fill="black")
        pen.text((left_px + 8, 432), label, font=font, fill="black")
    bars = perceive(pixels(image), senses).bars
    assert [(bar.label, bar.value) for bar in bars] == [
        ("North", "120"),
        ("South", "185"),
        ("East", "90"),
        ("West", "240"),
    ]


def test_a_qr_code_is_read(senses, pixels):
    """The contents of a QR code are a fact."""
    code = zxingcpp.write_barcode_to_image(zxingcpp.create_barcode("hello 42", zxingcpp.BarcodeFormat.QRCode), scale=6)
    image = Image.fromarray(np.pad(np.array(code), 40, constant_values=255)).convert("RGB")
    assert [code.text for code in perceive(pixels(image), senses).codes] == ["hello 42"]


@pytest.mark.parametrize("seed", [1, 2])
def test_noise_yields_no_facts(senses, seed):
    """Random pixels are a photo of nothing: no text, no things, no label, no code."""
    noise = np.random.default_rng(seed).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    sheet = perceive(noise, senses)
    assert sheet.medium is Medium.PHOTO
    assert not (sheet.rows or sheet.objects or sheet.codes or sheet.faces or sheet.shapes)


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (3, 3)])
def test_a_sliver_is_looked_at_without_harm(senses, size):
    """The smallest and thinnest pictures are looked at like any other."""
    sheet = perceive(np.full((*size, 3), 200, np.uint8), senses)
    assert (sheet.height_px, sheet.width_px) == size
