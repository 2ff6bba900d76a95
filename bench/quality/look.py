"""Choose how a document looks: typefaces, sizes, colours, rules. Called per document. Knows nothing of its content."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from .fonts import Typeface, find_typefaces

Colour = tuple[int, int, int]


class Rules(StrEnum):
    """What separates the rows of a table."""

    GRID = "grid"
    LINES = "lines"
    STRIPES = "stripes"
    NONE = "none"


class Pairing(StrEnum):
    """How a label and its value stand to each other."""

    COLON = "colon"
    COLUMNS = "columns"
    ENDS = "ends"
    DOTS = "dots"
    ABOVE = "above"
    BOXED = "boxed"


@dataclass(frozen=True, slots=True)
class Look:
    """One document's appearance; `size_px` is the height of its plain type."""

    body: Typeface
    heading: Typeface
    mono: Typeface
    size_px: int
    leading: float
    margin_px: int
    paper: Colour
    ink: Colour
    faint: Colour
    accent: Colour
    stripe: Colour
    rules: Rules
    pairing: Pairing
    centred: bool
    capitals: bool
    frame_px: int


_LIGHT: tuple[tuple[Colour, Colour], ...] = (
    ((255, 255, 255), (20, 20, 20)),
    ((252, 250, 243), (45, 38, 30)),
    ((244, 246, 249), (25, 35, 60)),
    ((255, 248, 232), (60, 30, 20)),
    ((236, 242, 236), (20, 45, 30)),
    ((250, 240, 244), (60, 15, 40)),
)
_DARK: tuple[tuple[Colour, Colour], ...] = (
    ((28, 32, 40), (232, 234, 238)),
    ((18, 50, 46), (238, 240, 220)),
    ((58, 26, 40), (250, 236, 226)),
    ((24, 30, 66), (230, 235, 255)),
)
_ACCENTS: tuple[Colour, ...] = (
    (176, 34, 52),
    (24, 92, 168),
    (16, 120, 88),
    (128, 60, 150),
    (190, 90, 10),
    (60, 70, 80),
)


def choose_look(rng: Random, *, dark_share: float, is_english: bool) -> Look:
    """A look at random; `dark_share` is how often the paper is dark; ASCII-only faces are for English alone."""
    faces = find_typefaces()
    faces = faces if is_english or len(faces) == 1 else faces[:-1]
    mono = [face for face in faces if face.is_mono]
    dark = rng.random() < dark_share
    paper, ink = rng.choice(_DARK if dark else _LIGHT)
    accent = rng.choice(_ACCENTS)
    body = rng.choice(faces)
    return Look(
        body=body,
        heading=rng.choice((body, rng.choice(faces))),
        mono=rng.choice(mono) if mono else body,
        size_px=rng.randint(19, 32),
        leading=rng.uniform(1.35, 1.9),
        margin_px=rng.randint(24, 70),
        paper=paper,
        ink=ink,
        faint=_mix(paper, ink, 0.68),
        accent=_mix(accent, (255, 255, 255), 0.55) if dark else accent,
        stripe=_mix(paper, ink, 0.09),
        rules=rng.choice(tuple(Rules)),
        pairing=rng.choice(tuple(Pairing)),
        centred=rng.random() < 0.4,
        capitals=rng.random() < 0.25,
        frame_px=rng.choice((0, 0, 0, 2, 6)),
    )


def _mix(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue
