"""What an engine perceives in a picture before any question: facts with their places, for people to see why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FactKind(StrEnum):
    """What a fact is about."""

    TEXT = "text"
    OBJECT = "object"
    FACE = "face"
    CODE = "code"
    LABEL = "label"
    SHAPE = "shape"
    BAR = "bar"
    COLOUR = "colour"


@dataclass(frozen=True, slots=True)
class PerceivedFact:
    """One thing perceived; `box_px` is left, top, right, bottom, for what has a place."""

    kind: FactKind
    text: str
    confidence: float | None = None  # 0 to 1; None where it is not known
    box_px: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class Perceived:
    """The facts of one upright picture; their boxes are in pixels of its size here, which may be a smaller copy's."""

    width_px: int
    height_px: int
    medium: str  # photo or graphic
    facts: tuple[PerceivedFact, ...]
