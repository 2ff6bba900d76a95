"""Charts, flat shapes, QR codes, and photos that installed packages happen to carry."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import zxingcpp
from PIL import Image, ImageDraw

from ..languages import MONTHS, WEEKDAYS, Language, names_of
from ..look import Colour
from ..page import Page
from ..phrasing import phrase
from ..question import AbsentAnswer, Draft, Kind, NumberAnswer, OpenAnswer, TextAnswer, YesNoAnswer
from ..vocabulary import pick_cities, pick_code, pick_shop
from .base import Job, Sheet, ask_json_rows, ask_listed, ask_missing, ask_title, sheet_of

_CHART_TITLES = {
    Language.ENGLISH: ("Visitors per {p}", "Parcels delivered", "Calls answered", "Hours of sunshine"),
    Language.GERMAN: ("Besucher je {p}", "Zugestellte Pakete", "Sonnenstunden"),
    Language.FRENCH: ("Visiteurs par {p}", "Colis livrés", "Heures de soleil"),
    Language.SPANISH: ("Visitantes por {p}", "Paquetes entregados", "Horas de sol"),
    Language.ITALIAN: ("Visitatori per {p}", "Pacchi consegnati", "Ore di sole"),
}
_PERIODS = {
    "day": ("day", "Tag", "jour", "día", "giorno"),
    "month": ("month", "Monat", "mois", "mes", "mese"),
    "town": ("town", "Ort", "ville", "ciudad", "città"),
}
_COLOURS: dict[str, Colour] = {
    "red": (206, 32, 40),
    "blue": (28, 78, 190),
    "green": (30, 140, 62),
    "yellow": (246, 208, 36),
    "purple": (122, 44, 150),
    "orange": (240, 130, 20),
    "black": (16, 16, 16),
}
_SHAPES = ("circle", "square", "triangle", "star", "hexagon")
_PHOTOS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("skimage", "data/coins.png", "What objects are shown?", ("coin", "coins")),
    ("skimage", "data/clock_motion.png", "What object is this?", ("clock", "watch", "wall clock")),
    (
        "skimage",
        "data/moon.png",
        "What does this photograph show?",
        ("moon", "lunar", "lunar surface", "crater", "craters"),
    ),
    ("skimage", "data/brick.png", "What material is the wall made of?", ("brick", "bricks")),
    ("skimage", "data/grass.png", "What covers the ground here?", ("grass", "lawn")),
    ("skimage", "data/gravel.png", "What is the ground made of?", ("gravel", "stones", "pebbles", "stone", "rocks")),
    (
        "matplotlib",
        "mpl-data/sample_data/grace_hopper.jpg",
        "What does this picture show?",
        ("woman", "person", "officer"),
    ),
    ("skimage", "data/retina.jpg", "What part of the body is this?", ("eye", "retina", "fundus")),
)


def draw_chart(job: Job) -> Sheet:
    """A bar chart, upright or lying, every bar with its number."""
    rng, language, looks = job.rng, job.language, job.looks
    period = rng.choice(tuple(_PERIODS))
    count = rng.randint(4, 6)
    if period == "month":
        start = rng.randrange(12)
        every = [MONTHS[language][(start + i) % 12] for i in range(12)]
    elif period == "day":
        every = list(WEEKDAYS[language])
    else:
        every = pick_cities(rng, language, 5)
        count = min(count, 4)
    names, strange = every[:count], every[count]
    values = dict(zip(names, rng.sample(range(6, 480), count), strict=True))
    word = _PERIODS[period][list(Language).index(language)]
    title = rng.choice(_CHART_TITLES[language]).format(p=word)
    colours = rng.sample(list(_COLOURS), count)
    many_coloured = rng.random() < 0.5

    page = Page(replace(job.look, capitals=False), looks.randint(560, 820))
    shown = page.heading(title, 1.3)
    page.gap()
    fills = {
        name: _COLOURS[colour] if many_coloured else page.look.accent
        for name, colour in zip(names, colours, strict=True)
    }
    (_draw_upright if looks.random() < 0.6 else _draw_lying)(page, values, fills, looks)

    name, (first, second) = rng.choice(names), rng.sample(names, 2)
    figures = tuple(values.values())
    top, bottom = max(values, key=lambda n: values[n]), min(values, key=lambda n: values[n])
    limit = rng.choice(sorted(figures)[:-1]) + 1
    drafts = [
        ask_title(job, shown, names),
        Draft(
            Kind.CHART,
            rng.choice(
                (f"What is the value for {name}?", f"Read the bar of {name}.", f"How high is {name} in the chart?")
            ),
            NumberAnswer(values[name], tuple(f for f in figures if f != values[name])),
        ),
        Draft(
            Kind.CHART,
            rng.choice(("Which bar is the longest or highest?", "What has the greatest value in the chart?")),
            _ask_name(top, names, language),
        ),
        Draft(
            Kind.CHART,
            rng.choice(("Which entry has the smallest value?", "What is lowest in this chart?")),
            _ask_name(bottom, names, language),
        ),
        Draft(Kind.COUNT, rng.choice(("How many bars are drawn?", "Count the bars.")), NumberAnswer(count, figures)),
        Draft(
            Kind.REASON,
            phrase("sum", language, rng, a=first, b=second, of=""),
            NumberAnswer(values[first] + values[second], figures),
        ),
        Draft(
            Kind.REASON,
            phrase("difference", language, rng, a=first, b=second, of=""),
            NumberAnswer(abs(values[first] - values[second]), figures),
        ),
        Draft(Kind.REASON, "What do all the bars add up to?", NumberAnswer(sum(figures), figures)),
        Draft(Kind.REASON, f"How many bars exceed {limit}?", NumberAnswer(sum(f > limit for f in figures), figures)),
        Draft(
            Kind.YESNO,
            f"Is the value of {first} above that of {second}? Yes or no.",
            YesNoAnswer(values[first] > values[second]),
        ),
        Draft(
            Kind.ABSENT,
            rng.choice((f"What is the value for {strange}?", f"How high is the bar of {strange}?")),
            AbsentAnswer((strange,), tuple(str(f) for f in figures), tuple(names)),
        ),
        *ask_listed(job, names, [strange]),
        ask_json_rows(
            "Give the chart's heading and each bar with its value.",
            "bars",
            {"name": "string", "value": "integer"},
            [[n, v] for n, v in values.items()],
            heading=("string", shown),
        ),
    ]
    if many_coloured:
        colour = colours[names.index(name)]
        others = tuple(c for c in _COLOURS if c != colour)
        drafts.append(Draft(Kind.COLOR, f"What colour is the bar of {name}?", TextAnswer((colour,), others)))
    return sheet_of(page, "bar chart", drafts)


def _ask_name(name: str, names: list[str], language: Language) -> TextAnswer:
    others = tuple(spoken for other in names if other != name for spoken in names_of(other, language))
    return TextAnswer(names_of(name, language), others)


def _draw_upright(page: Page, values: dict[str, int], fills: dict[str, Colour], looks: Random) -> None:
    tallest = looks.randint(220, 360)
    widest = max(page.measure(name) for name in values) + page.look.size_px
    slot = max(page.width // len(values), widest)
    base = page.y + tallest + page.step()
    for index, (name, value) in enumerate(values.items()):
        height = max(3, round(tallest * value / max(values.values())))
        middle = page.left + slot * index + slot // 2
        half = round(slot * looks.uniform(0.28, 0.3))
        page.draw.rectangle((middle - half, base - height, middle + half, base), fill=fills[name])
        page.put(middle, base - height - 6, str(value), anchor="ms")
        page.put(middle, base + 8, name, anchor="ma")
    page.draw.line((page.left, base, page.left + slot * len(values), base), fill=page.look.ink, width=2)
    page.reach = max(page.reach, page.left + slot * len(values))
    page.y = base + page.step(1.3)


def _draw_lying(page: Page, values: dict[str, int], fills: dict[str, Colour], looks: Random) -> None:
    room = max(page.measure(name) for name in values) + page.look.size_px
    longest = page.width - room - page.measure("0000")
    longest = max(longest, 240)
    for name, value in values.items():
        length = max(3, round(longest * value / max(values.values())))
        height = round(page.look.size_px * 1.3)
        x, y = page.left + room, page.y
        page.put(page.left + room - 10, y + height // 2, name, anchor="rm")
        page.draw.rectangle((x, y, x + length, y + height), fill=fills[name])
        page.put(x + length + 10, y + height // 2, str(value), anchor="lm")
        page.y += round(height * 1.6)


def draw_shapes(job: Job) -> Sheet:
    """Flat shapes in plain colours, strewn without touching."""
    rng, looks = job.rng, job.looks
    kinds = rng.sample(_SHAPES, rng.choice((2, 3)))
    colours = dict(zip(kinds, rng.sample(list(_COLOURS), len(kinds)), strict=True))
    counts = {kind: rng.randint(1, 5) for kind in kinds}
    cells = looks.sample([(x, y) for x in range(5) for y in range(3)], sum(counts.values()))
    size = looks.randint(90, 150)
    image = Image.new(
        "RGB", (size * 5 + 60, size * 3 + 60), looks.choice(((255, 255, 255), (238, 236, 228), (214, 226, 234)))
    )
    draw = ImageDraw.Draw(image)
    spots = iter(cells)
    for kind, count in counts.items():
        for _ in range(count):
            x, y = next(spots)
            radius = size * looks.uniform(0.3, 0.42)
            _draw_shape(draw, kind, (30 + size * (x + 0.5), 30 + size * (y + 0.5)), radius, _COLOURS[colours[kind]])

    kind, total = rng.choice(kinds), sum(counts.values())
    lost = rng.choice([k for k in _SHAPES if k not in kinds])
    colour, many = colours[kind], counts[kind] > 1
    other_counts = tuple(float(n) for n in counts.values() if n != counts[kind])
    unused = rng.choice([c for c in _COLOURS if c not in colours.values()])
    ordered = sorted(counts.values())
    drafts = [
        Draft(
            Kind.COUNT,
            rng.choice((f"How many {kind}s are there?", f"Count the {kind}s.", f"What is the number of {kind}s?")),
            NumberAnswer(counts[kind], other_counts),
        ),
        Draft(
            Kind.COUNT,
            rng.choice(("How many shapes are there altogether?", "Count all shapes.")),
            NumberAnswer(total, tuple(map(float, counts.values()))),
        ),
        Draft(
            Kind.COLOR,
            rng.choice(
                (
                    f"What colour {'are' if many else 'is'} the {kind}{'s' if many else ''}?",
                    f"Name the colour used for each {kind}.",
                )
            ),
            TextAnswer((colour,), tuple(c for c in _COLOURS if c != colour)),
        ),
        Draft(
            Kind.COLOR,
            f"Which shape is {colour}?",
            TextAnswer((kind, f"{kind}s"), tuple(k for k in _SHAPES if k != kind)),
        ),
        Draft(Kind.YESNO, f"Is any shape {colour}? Yes or no.", YesNoAnswer(True)),
        Draft(Kind.YESNO, f"Does the picture contain a {lost}? Yes or no.", YesNoAnswer(False)),
        Draft(Kind.YESNO, f"Is there something {unused} in it? Yes or no.", YesNoAnswer(False)),
        Draft(Kind.ABSENT, f"What colour is the {lost}?", AbsentAnswer((lost,), tuple(colours.values()), tuple(kinds))),
        Draft(
            Kind.ABSENT,
            rng.choice(("What text is printed in the picture?", "Which number is written inside the shapes?")),
            AbsentAnswer(("text", "number"), (), tuple(kinds)),
        ),
    ]
    if ordered[-1] != ordered[-2]:
        most = max(counts, key=lambda k: counts[k])
        drafts.append(
            Draft(
                Kind.REASON,
                "Which sort of shape is the most frequent?",
                TextAnswer((most, f"{most}s"), tuple(k for k in kinds if k != most)),
            )
        )
    return Sheet("picture of shapes", image, tuple(drafts), ())


def _draw_shape(draw: ImageDraw.ImageDraw, kind: str, centre: tuple[float, float], radius: float, fill: Colour) -> None:
    x, y = centre
    if kind == "circle":
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
        return
    corners = {"square": 4, "triangle": 3, "hexagon": 6, "star": 10}[kind]
    start = math.pi / 4 if kind == "square" else -math.pi / 2
    points = []
    for corner in range(corners):
        reach = radius * (0.42 if kind == "star" and corner % 2 else 1.0)
        angle = start + 2 * math.pi * corner / corners
        points.append((x + reach * math.cos(angle), y + reach * math.sin(angle)))
    draw.polygon(points, fill=fill)


def draw_qr(job: Job) -> Sheet:
    """A small notice with a QR code; the code's text is not printed beside it."""
    rng, language = job.rng, job.language
    token = pick_code(rng, "AA99-999A")
    content = rng.choice(
        (
            f"https://{rng.choice(('visit', 'menu', 'ticket'))}.example/{token}",
            f"BADGE {token}",
            f"tel:+41{pick_code(rng, '999999999')}",
        )
    )
    shop = pick_shop(rng, language)

    page = Page(job.look, 380)
    title = page.heading(shop, 1.2)
    page.gap()
    code = zxingcpp.create_barcode(content, zxingcpp.BarcodeFormat.QRCode)
    pixels = np.array(zxingcpp.write_barcode_to_image(code, scale=rng.randint(6, 9)))
    picture = Image.fromarray(pixels).convert("RGB")
    frame = Image.new("RGB", (picture.width + 64, picture.height + 64), (255, 255, 255))
    frame.paste(picture, (32, 32))
    page.image.paste(frame, (page.left, page.y))
    page.reach = max(page.reach, page.left + frame.width)
    page.y += frame.height
    page.gap()

    drafts = [
        Draft(Kind.CODE, phrase("decode", language, rng), TextAnswer((content,), (shop,))),
        Draft(Kind.CODE, phrase("decode", language, rng), TextAnswer((content,), (shop,))),
        ask_title(job, title),
        Draft(Kind.YESNO, "Is there a QR code in the picture? Yes or no.", YesNoAnswer(True)),
        ask_missing(job, rng.choice(("price", "phone", "due_date")), [token], []),
    ]
    return sheet_of(page, "QR code notice", drafts)


def find_photos() -> tuple[Path, ...]:
    """The sample photos that are installed."""
    found = []
    for package, inner, _, _ in _PHOTOS:
        spec = importlib.util.find_spec(package)
        path = Path(spec.origin).parent / inner if spec and spec.origin else None
        if path and path.is_file():
            found.append(path)
    return tuple(found)


def draw_photo(job: Job) -> Sheet:
    """A photo of an open scene, from an installed package; raises LookupError where there is none."""
    paths = find_photos()
    if not paths:
        raise LookupError("no sample photo is installed")
    path = job.rng.choice(paths)
    text, accept = next((text, accept) for _, inner, text, accept in _PHOTOS if str(path).endswith(inner))
    image = Image.open(path).convert("RGB")
    image.thumbnail((900, 900))
    drafts = (
        Draft(Kind.PHOTO, text, OpenAnswer(accept)),
        Draft(
            Kind.PHOTO,
            job.rng.choice(("In which town was this taken?", "Who took this picture?", "On which day was this taken?")),
            OpenAnswer(()),
        ),
    )
    return Sheet("photo", image, drafts, ())
