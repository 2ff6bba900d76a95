"""Set lines, label-value pairs and tables on a canvas, cropped to what was used. Knows nothing of their meaning."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from .fonts import Font, Typeface, covers, find_typefaces
from .look import Colour, Look, Pairing, Rules

_CANVAS_PX = 3200


class Page:
    """A sheet being filled from top to bottom; `y` is where the next line goes, `printed` what was set so far."""

    def __init__(self, look: Look, width_px: int) -> None:
        self.look = look
        self.left = look.margin_px
        self.right = look.margin_px + width_px
        self.y = look.margin_px
        self.reach = self.right
        self.printed: list[str] = []
        self.image = Image.new("RGB", (_CANVAS_PX, _CANVAS_PX), look.paper)
        self.draw = ImageDraw.Draw(self.image)

    @property
    def width(self) -> int:
        """The width between the margins."""
        return self.right - self.left

    def step(self, em: float = 1.0) -> int:
        """The distance from one line to the next."""
        return round(self.look.size_px * em * self.look.leading)

    def gap(self, em: float = 0.5) -> None:
        """Leave room."""
        self.y += round(self.look.size_px * em)

    def font(self, text: str, em: float = 1.0, *, bold: bool = False, face: Typeface | None = None) -> Font:
        """The font for a text: the look's own, or another one where that lacks a letter."""
        face = face or self.look.body
        if not covers(face, text):
            face = find_typefaces()[0]
        return face.at(max(10, round(self.look.size_px * em)), bold=bold)

    def measure(self, text: str, em: float = 1.0, *, bold: bool = False, face: Typeface | None = None) -> int:
        """The width of a text in pixels."""
        return round(self.font(text, em, bold=bold, face=face).getlength(text))

    def put(
        self,
        x: int,
        y: int,
        text: str,
        *,
        em: float = 1.0,
        bold: bool = False,
        fill: Colour | None = None,
        anchor: str = "la",
        face: Typeface | None = None,
        record: bool = True,
    ) -> None:
        """Set a text at a point; `anchor` as Pillow names it (`ra` is right-aligned, `ma` centred)."""
        font = self.font(text, em, bold=bold, face=face)
        self.draw.text((x, y), text, font=font, fill=fill or self.look.ink, anchor=anchor)
        if record and text:
            self.printed.append(text)
        width = round(font.getlength(text))
        self.reach = max(self.reach, x + {"l": width, "m": width // 2, "r": 0}[anchor[0]])

    def line(
        self,
        text: str,
        *,
        em: float = 1.0,
        bold: bool = False,
        fill: Colour | None = None,
        face: Typeface | None = None,
        centred: bool | None = None,
    ) -> None:
        """Set one line at the cursor, smaller where it would not fit."""
        while em > 0.6 and self.measure(text, em, bold=bold, face=face) > self.width:
            em *= 0.93
        middle = self.look.centred if centred is None else centred
        x, anchor = ((self.left + self.right) // 2, "ma") if middle else (self.left, "la")
        self.put(x, self.y, text, em=em, bold=bold, fill=fill, anchor=anchor, face=face)
        self.y += self.step(em)

    def heading(self, text: str, em: float = 1.5) -> str:
        """Set a title; the text as printed (a look may print it in capitals)."""
        shown = text.upper() if self.look.capitals and "ß" not in text else text
        self.line(shown, em=em, bold=True, fill=self.look.accent, face=self.look.heading)
        return shown

    def paragraph(self, text: str, em: float = 1.0) -> None:
        """Set running text, broken into lines."""
        for row in self.wrap(text, self.width, em):
            self.put(self.left, self.y, row, em=em)
            self.y += self.step(em)

    def wrap(self, text: str, width_px: int, em: float = 1.0) -> list[str]:
        """The text in lines no wider than the width."""
        rows: list[str] = []
        for word in text.split():
            longer = f"{rows[-1]} {word}" if rows else word
            if rows and self.measure(longer, em) <= width_px:
                rows[-1] = longer
            else:
                rows.append(word)
        return rows

    def rule(self, *, thick: int = 2, dashed: bool = False) -> None:
        """Draw a line across the page."""
        self.gap(0.25)
        if dashed:
            for x in range(self.left, self.right, 14):
                self.draw.line((x, self.y, min(x + 8, self.right), self.y), fill=self.look.faint, width=thick)
        else:
            self.draw.line((self.left, self.y, self.right, self.y), fill=self.look.faint, width=thick)
        self.gap(0.4)

    def pairs(
        self, rows: Sequence[tuple[str, str]], *, pairing: Pairing | None = None, bold_labels: bool = True
    ) -> None:
        """Set labels with their values, all in one manner."""
        manner = pairing or self.look.pairing
        label_px = max(self.measure(name + ":", bold=bold_labels) for name, _ in rows) + self.look.size_px
        for name, value in rows:
            self._pair(name, value, manner, label_px, bold_labels)

    def _pair(self, name: str, value: str, manner: Pairing, label_px: int, bold: bool) -> None:
        y = self.y
        match manner:
            case Pairing.COLON:
                self.put(self.left, y, f"{name}:", bold=bold)
                self.put(self.left + self.measure(f"{name}: ", bold=bold), y, value)
            case Pairing.COLUMNS:
                self.put(self.left, y, name, bold=bold, fill=self.look.faint)
                self.put(self.left + label_px, y, value)
            case Pairing.ENDS | Pairing.DOTS:
                free = self.width - self.measure(name, bold=bold) - self.measure(value)
                if free < self.look.size_px:
                    self.reach = self.right = self.right + self.look.size_px - free
                self.put(self.left, y, name, bold=bold)
                self.put(self.right, y, value, anchor="ra")
                if manner is Pairing.DOTS:
                    self._leaders(self.measure(name, bold=bold), self.measure(value), y)
            case Pairing.ABOVE:
                self.put(self.left, y, name, em=0.75, fill=self.look.faint)
                self.put(self.left, y + self.step(0.75), value, bold=True)
                self.y += self.step(0.75)
            case Pairing.BOXED:
                self.put(self.left, y, name, em=0.8, bold=bold)
                top = y + self.step(0.8)
                box = (self.left, top, self.right, top + round(self.look.size_px * 1.7))
                self.draw.rectangle(box, outline=self.look.faint, width=2)
                self.put(self.left + 10, top + round(self.look.size_px * 0.3), value)
                self.reach = max(self.reach, self.left + 20 + self.measure(value))
                self.y = box[3] + round(self.look.size_px * 0.5)
                return
        self.y += self.step()

    def _leaders(self, left_px: int, right_px: int, y: int) -> None:
        dot = self.measure(".")
        for x in range(self.left + left_px + dot * 2, self.right - right_px - dot * 2, dot * 2):
            self.put(x, y, ".", fill=self.look.faint, record=False)

    def table(
        self,
        header: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        right_from: int = 1,
        rules: Rules | None = None,
        em: float = 1.0,
    ) -> None:
        """Set a table as wide as its cells need; columns from `right_from` on are right-aligned."""
        rules = rules or self.look.rules
        pad = round(self.look.size_px * 0.55)
        columns = [[header[i], *(row[i] for row in rows)] for i in range(len(header))]
        widths = [max(self.measure(cell, em, bold=True) for cell in column) + 2 * pad for column in columns]
        spare = max(0, self.width - sum(widths)) // len(widths)
        widths = [width + spare for width in widths]
        height = round(self.look.size_px * em * max(1.5, self.look.leading))
        for index, cells in enumerate([header, *rows]):
            top, x = self.y, self.left
            if rules is Rules.STRIPES and index % 2 == 1:
                self.draw.rectangle((x, top, x + sum(widths), top + height), fill=self.look.stripe)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True)):
                if rules is Rules.GRID:
                    self.draw.rectangle((x, top, x + width, top + height), outline=self.look.faint, width=1)
                right = column >= right_from
                at = x + width - pad if right else x + pad
                middle = "rm" if right else "lm"
                self.put(at, top + height // 2, cell, em=em, bold=index == 0, anchor=middle)
                x += width
            if rules is Rules.LINES or (rules is Rules.STRIPES and index == 0):
                self.draw.line((self.left, top + height, x, top + height), fill=self.look.faint, width=2 - (index > 0))
            self.y += height
            self.reach = max(self.reach, x)
        self.gap()

    def box(self, x: int, y: int, width: int, height: int, *, fill: Colour | None = None, radius: int = 0) -> None:
        """Draw a filled or outlined box."""
        shape = (x, y, x + width, y + height)
        self.draw.rounded_rectangle(shape, radius, fill=fill, outline=None if fill else self.look.faint, width=2)
        self.reach = max(self.reach, x + width)

    def finish(self) -> Image.Image:
        """The page, cropped to what was set plus the margins."""
        width = min(_CANVAS_PX, self.reach + self.look.margin_px)
        height = min(_CANVAS_PX, self.y + self.look.margin_px)
        if self.look.frame_px:
            edge = self.look.margin_px // 3
            box = (edge, edge, width - edge, height - edge)
            self.draw.rectangle(box, outline=self.look.accent, width=self.look.frame_px)
        return self.image.crop((0, 0, width, height))
