"""The fact sheet: all that perception is sure enough of to say about one picture. Knows nothing of how it was found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LARGE_TEXT = 0.04  # of the picture


class Medium(StrEnum):
    """How a picture was made: drawn by a program (flat areas, sharp edges), or taken by a camera."""

    GRAPHIC = "graphic"
    PHOTO = "photo"


@dataclass(frozen=True, slots=True)
class Box:
    """An upright rectangle in pixels of the picture."""

    left_px: float
    top_px: float
    right_px: float
    bottom_px: float

    @property
    def width_px(self) -> float:
        """Return the width."""
        return self.right_px - self.left_px

    @property
    def height_px(self) -> float:
        """Return the height."""
        return self.bottom_px - self.top_px

    @property
    def centre_x_px(self) -> float:
        """Return the centre's distance from the left edge."""
        return (self.left_px + self.right_px) / 2

    @property
    def centre_y_px(self) -> float:
        """Return the centre's distance from the top edge."""
        return (self.top_px + self.bottom_px) / 2

    @property
    def area_px(self) -> float:
        """Return the area, nothing for a box turned inside out."""
        return max(0.0, self.width_px) * max(0.0, self.height_px)


@dataclass(frozen=True, slots=True)
class TextLine:
    """A run of text as it stands in the picture; `angle` is its slope in radians, positive down to the right."""

    text: str
    confidence: float
    box: Box
    angle: float = 0.0


@dataclass(frozen=True, slots=True)
class TextRow:
    """The text lines that stand beside each other, left to right."""

    cells: tuple[TextLine, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """Return the cells as text."""
        return tuple(cell.text for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Table:
    """Consecutive rows with the same columns; `first_row` counts rows of the sheet and names the header row."""

    header: tuple[str, ...]
    records: tuple[tuple[str, ...], ...]
    first_row: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Caption:
    """A label with the value that stands below it; both are cells of the rows too."""

    label: TextLine
    value: TextLine


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart with the value printed on it."""

    label: str
    value: str
    confidence: float


@dataclass(frozen=True, slots=True)
class DetectedObject:
    """A thing of one of the 80 COCO classes."""

    name: str
    confidence: float
    box: Box


@dataclass(frozen=True, slots=True)
class Label:
    """What the whole picture looks like; `kinds` are the wider classes that it belongs to, nearest first."""

    name: str
    kinds: tuple[str, ...]
    confidence: float


@dataclass(frozen=True, slots=True)
class Face:
    """A human face, seen from the front or nearly so."""

    confidence: float
    box: Box


@dataclass(frozen=True, slots=True)
class Code:
    """A bar code or matrix code that passed its own check sum."""

    format: str
    text: str
    confidence: float = 1.0
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Colour:
    """A named colour and the share of the picture that has it, 0 to 1."""

    name: str
    share: float


@dataclass(frozen=True, slots=True)
class Shape:
    """How many flat shapes of one kind and colour there are."""

    name: str
    colour: str
    count: int
    confidence: float


@dataclass(frozen=True, slots=True)
class FactSheet:
    """Everything perceived in one picture.

    `unseen` are the large COCO classes that are surely not in a photo; `unsure` are those that may be there, or there
    more often than `objects` says: nothing may be claimed about their presence or number.
    """

    width_px: int
    height_px: int
    medium: Medium
    greyscale: bool = False
    rows: tuple[TextRow, ...] = ()
    tables: tuple[Table, ...] = ()
    bars: tuple[Bar, ...] = ()
    objects: tuple[DetectedObject, ...] = ()
    unseen: frozenset[str] = frozenset()
    unsure: frozenset[str] = frozenset()
    label: Label | None = None
    faces: tuple[Face, ...] = ()
    codes: tuple[Code, ...] = ()
    colours: tuple[Colour, ...] = ()
    shapes: tuple[Shape, ...] = ()
    captions: tuple[Caption, ...] = ()

    @property
    def has_document(self) -> bool:
        """Tell whether the picture is there to be read: three lines, text on a drawing, or large text and no things."""
        lines = [cell for row in self.rows for cell in row.cells]
        written = sum(line.box.area_px for line in lines) / max(1, self.width_px * self.height_px)
        is_sign = self.medium is Medium.GRAPHIC or (written >= LARGE_TEXT and not self.objects)
        return len(lines) >= 3 or (bool(lines) and is_sign) or bool(self.codes)

    @property
    def text(self) -> str:
        """Return the text of the picture, a line for each row, cells two spaces apart."""
        return "\n".join("  ".join(row.texts) for row in self.rows)
