"""What the API shows of a fact sheet, and that the real models and slots hand it on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import zxingcpp
from PIL import Image

from vitrail.domain.perception import FactKind, Perceived, PerceivedFact
from vitrail.engines.facts.codes import read_codes
from vitrail.engines.facts.engine import FactsEngine
from vitrail.engines.facts.perceived import render_sheet
from vitrail.engines.facts.sheet import Bar, Box, Code, Colour, DetectedObject, Face, FactSheet, Label, Medium, Shape
from vitrail.engines.slots import Slots, SlotsOptions

from .conftest import FixedPerception, ScriptedLanguage, image

BOX = Box(1, 2, 30, 40)
EDGES = (1, 2, 30, 40)


def test_everything_in_a_sheet_is_shown(sheet_of):
    """Each kind with its words, confidence where there is one, and a box where it has a place."""
    sheet = replace(
        sheet_of("TOTAL | 6.91"),
        objects=(DetectedObject("dog", 0.9, BOX),),
        faces=(Face(0.8, BOX),),
        codes=(Code("QR Code", "https://a.example", box=BOX), Code("EAN-13", "4006381333931")),
        label=Label("beagle", ("dog", "animal"), 0.7),
        shapes=(Shape("circle", "red", 2, 0.95),),
        bars=(Bar("Jan", "12", 0.9),),
        colours=(Colour("white", 0.62),),
    )
    facts = render_sheet(sheet).facts
    assert [fact.text for fact in facts[:2]] == ["TOTAL", "6.91"] and facts[0].box_px is not None
    assert facts[2:] == (
        PerceivedFact(FactKind.OBJECT, "dog", 0.9, EDGES),
        PerceivedFact(FactKind.FACE, "face", 0.8, EDGES),
        PerceivedFact(FactKind.CODE, "QR Code: https://a.example", 1.0, EDGES),
        PerceivedFact(FactKind.CODE, "EAN-13: 4006381333931", 1.0),
        PerceivedFact(FactKind.LABEL, "beagle (a kind of dog / animal)", 0.7),
        PerceivedFact(FactKind.SHAPE, "2 red circles", 0.95),
        PerceivedFact(FactKind.BAR, "Jan = 12", 0.9),
        PerceivedFact(FactKind.COLOUR, "white, 62% of the picture"),
    )


async def test_perception_goes_through_a_slot():
    """The engine in slots gives what it perceives, and the slot is free again."""
    sheet = FactSheet(width_px=640, height_px=480, medium=Medium.PHOTO)
    engine = FactsEngine(ScriptedLanguage(), perception=FixedPerception({"a": sheet}))
    slots = Slots(engine, SlotsOptions(), generations=1)
    assert slots.capabilities.perception
    assert await slots.perceive(image("a"), asker="key") == Perceived(640, 480, "photo", ())
    assert await slots.perceive(image("a"), asker="key") == Perceived(640, 480, "photo", ())


def test_a_code_is_read_with_its_place():
    """The box of a QR code lies around it; the same code twice is told once."""
    mark = np.array(zxingcpp.create_barcode("https://a.example/x", zxingcpp.BarcodeFormat.QRCode).to_image(scale=4))
    page = Image.new("L", (600, 300), 255)
    page.paste(Image.fromarray(mark), (40, 60))
    page.paste(Image.fromarray(mark), (400, 60))
    (code,) = read_codes(np.ascontiguousarray(np.array(page.convert("RGB"))))
    assert code.text == "https://a.example/x" and code.box is not None
    assert 40 <= code.box.left_px < code.box.right_px <= 40 + mark.shape[1]
    assert 60 <= code.box.top_px < code.box.bottom_px <= 60 + mark.shape[0]
