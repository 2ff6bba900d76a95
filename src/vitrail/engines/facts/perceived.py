"""Turn a fact sheet into the facts that the API shows. Pure; called by engine. Says no more than the sheet does."""

from __future__ import annotations

from collections.abc import Iterator

from vitrail.domain.perception import FactKind, Perceived, PerceivedFact
from vitrail.engines.facts.facts_text import count_noun
from vitrail.engines.facts.sheet import Box, FactSheet


def render_sheet(sheet: FactSheet) -> Perceived:
    """Return everything in the sheet that can be said in a word, what has a place first."""
    return Perceived(
        width_px=sheet.width_px, height_px=sheet.height_px, medium=sheet.medium.value, facts=tuple(_facts(sheet))
    )


def _facts(sheet: FactSheet) -> Iterator[PerceivedFact]:
    for row in sheet.rows:
        for line in row.cells:
            yield PerceivedFact(FactKind.TEXT, line.text, line.confidence, _edges(line.box))
    for thing in sheet.objects:
        yield PerceivedFact(FactKind.OBJECT, thing.name, thing.confidence, _edges(thing.box))
    for face in sheet.faces:
        yield PerceivedFact(FactKind.FACE, "face", face.confidence, _edges(face.box))
    for code in sheet.codes:
        place = _edges(code.box) if code.box else None
        yield PerceivedFact(FactKind.CODE, f"{code.format}: {code.text}", code.confidence, place)
    if sheet.label:
        kinds = f" (a kind of {' / '.join(sheet.label.kinds)})" if sheet.label.kinds else ""
        yield PerceivedFact(FactKind.LABEL, sheet.label.name + kinds, sheet.label.confidence)
    for shape in sheet.shapes:
        yield PerceivedFact(
            FactKind.SHAPE, count_noun(shape.count, f"{shape.colour} {shape.name}".strip()), shape.confidence
        )
    for bar in sheet.bars:
        yield PerceivedFact(FactKind.BAR, f"{bar.label} = {bar.value}", bar.confidence)
    for colour in sheet.colours:
        yield PerceivedFact(FactKind.COLOUR, f"{colour.name}, {colour.share:.0%} of the picture")


def _edges(box: Box) -> tuple[float, float, float, float]:
    return box.left_px, box.top_px, box.right_px, box.bottom_px
