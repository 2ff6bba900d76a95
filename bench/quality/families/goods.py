"""Tickets and product labels."""

from __future__ import annotations

from dataclasses import replace

from ..languages import Language, choose_money_style, label, write_day, write_time
from ..look import Pairing
from ..page import Page
from ..phrasing import phrase
from ..question import AbsentAnswer, Draft, Kind, NumberAnswer, TextAnswer
from ..vocabulary import (
    pick_cities,
    pick_code,
    pick_days,
    pick_firms,
    pick_groceries,
    pick_name,
)
from .base import (
    Job,
    Sheet,
    ask_cents,
    ask_day,
    ask_json,
    ask_missing,
    ask_text,
    ask_time,
    ask_title,
    sheet_of,
)


def draw_ticket(job: Job) -> Sheet:
    """A train ticket or a boarding pass, its fields in a grid of small labels over large values."""
    rng, language = job.rng, job.language
    by_air = rng.random() < 0.5
    start, end = pick_cities(rng, language, 2)
    (day,), leaves, name = pick_days(rng, 1), rng.randint(5 * 60, 20 * 60), pick_name(rng)
    arrives = leaves + rng.randint(45, 195)
    money, cents = choose_money_style(language, rng), rng.randint(1900, 29900)
    service = pick_code(rng, "AA 9999" if by_air else "A 999")
    extra = {"gate": pick_code(rng, "A9")} if by_air else {"coach": str(rng.randint(2, 14))}
    fields = {
        "passenger": name,
        "from_place": start,
        "to_place": end,
        "date": write_day(day, language, rng.randrange(3)),
        "departure": write_time(leaves),
        "arrival": write_time(arrives),
        "flight" if by_air else "train": service,
        "seat": pick_code(rng, "99A") if by_air else str(rng.randint(15, 98)),
        **extra,
        "booking": pick_code(rng, "AA9AA9"),
        "price": money.write(cents),
    }
    lost = rng.sample(("price", "seat", "arrival", "booking"), 1)[0]
    kept = {key: value for key, value in fields.items() if key != lost}
    columns = job.looks.choice((2, 3))

    page = Page(replace(job.look, centred=False), job.looks.randint(620, 820))
    page.heading(
        rng.choice(("Aurora Air", "Blue Heron Airways")) if by_air else rng.choice(("Intercity Nord", "Corvus Rail"))
    )
    page.rule()
    cells = list(kept.items())
    for index in range(0, len(cells), columns):
        for column, (key, value) in enumerate(cells[index : index + columns]):
            x = page.left + column * page.width // columns
            page.put(x, page.y, job.say(key).upper(), em=0.7, fill=page.look.faint)
            em = min(
                1.15, 1.15 * (page.width / columns - page.look.size_px) / max(1, page.measure(value, 1.15, bold=True))
            )
            page.put(x, page.y + page.step(0.72), value, em=em, bold=True)
        page.y += page.step(2.1)

    values = list(kept.values())
    keys = [key for key in kept if key not in ("departure", "arrival", "price", "date", "from_place", "to_place")]
    times = [leaves, arrives] if "arrival" in kept else [leaves]
    drafts = [ask_text(job, key, kept[key], values) for key in keys]
    drafts += [
        ask_day(job, "date", day),
        ask_time(job, "departure", leaves, times),
        Draft(
            Kind.DOC,
            rng.choice(("Where does this journey end?", "What is the destination?")),
            TextAnswer((end,), (start,)),
        ),
        Draft(
            Kind.DOC,
            rng.choice(("Where does the trip start?", "From which city does the passenger leave?")),
            TextAnswer((start,), (end,)),
        ),
        ask_missing(job, lost, values, list(kept)),
        ask_missing(job, "boarding" if by_air else "platform", values, list(kept)),
        ask_missing(job, rng.choice(("travel_class", "birth_date", "phone")), values, list(kept)),
        ask_json(
            "Extract the journey: traveller, origin, destination, day (YYYY-MM-DD), leaves (HH:MM).",
            {
                "traveller": ("string", name),
                "origin": ("string", start),
                "destination": ("string", end),
                "day": ("string", day.isoformat()),
                "leaves": ("string", write_time(leaves)),
            },
        ),
    ]
    if "arrival" in kept:
        drafts.append(ask_time(job, "arrival", arrives, times))
        drafts.append(Draft(Kind.REASON, "How many minutes does the journey take?", NumberAnswer(arrives - leaves)))
    if "price" in kept:
        drafts.append(ask_cents(job, "price", cents))
    return sheet_of(page, "ticket", drafts)


def draw_product_label(job: Job) -> Sheet:
    """The back of a food package: nutrition table, net weight, batch, best-before day."""
    rng, language = job.rng, job.language
    product, (firm,) = next(name for name in pick_groceries(rng, language, 6) if _is_food(name)), pick_firms(rng, 1)
    nutrients = ["fat", "saturates", "carbohydrate", "sugars", "fibre", "protein", "salt"]
    lost = rng.choice(nutrients)
    kept = [key for key in nutrients if key != lost and rng.random() < 0.85] or ["fat", "salt"]
    tenths = _nutrients(job, kept)
    calories, weight, (day,) = rng.randint(40, 690), rng.randint(3, 95) * 10, pick_days(rng, 1)
    batch, mark = pick_code(rng, "A9999"), "." if language is Language.ENGLISH else ","

    def grams(value: int) -> str:
        return f"{value // 10}{mark}{value % 10} g"

    page = Page(job.look, job.looks.randint(380, 560))
    shown = page.heading(product)
    page.gap(0.3)
    rows = [[job.say(key), grams(value)] for key, value in tenths.items()]
    page.table([job.say("nutrition"), job.say("per_100g")], [[job.say("energy"), f"{calories} kcal"], *rows])
    tail = [("net_weight", f"{weight} g"), ("batch", batch), ("best_before", write_day(day, language, 1))]
    page.pairs(
        [(job.say(key), value) for key, value in tail], pairing=job.looks.choice((Pairing.COLON, Pairing.COLUMNS))
    )
    page.line(firm, em=0.85)

    key = rng.choice(kept)
    figures = [grams(value) for value in tenths.values()]
    of_energy = tuple(value / 10 for value in tenths.values())
    most = max(tenths, key=lambda k: tenths[k])
    drafts = [
        ask_title(job, shown, [firm]),
        Draft(Kind.TABLE, phrase("field", language, rng, x="energy"), NumberAnswer(calories, of_energy)),
        Draft(
            Kind.TABLE,
            rng.choice(
                (
                    f"How many grams of {label(key, Language.ENGLISH)} are in 100 g?",
                    f"What is the {label(key, Language.ENGLISH)} content per 100 g?",
                )
            ),
            NumberAnswer(tenths[key] / 10, tuple(v for v in of_energy if v != tenths[key] / 10)),
        ),
        ask_text(job, "batch", batch),
        ask_day(job, "best_before", day),
        Draft(Kind.DOC, phrase("field", language, rng, x="net_weight"), NumberAnswer(weight, (calories, 100))),
        Draft(
            Kind.REASON,
            "Leaving energy aside, which nutrient has the largest amount?",
            TextAnswer(
                (label(most, Language.ENGLISH), job.say(most)),
                tuple(name for k in kept if k != most for name in {label(k, Language.ENGLISH), job.say(k)}),
            ),
        ),
        Draft(
            Kind.REASON,
            f"How many grams of {label(key, Language.ENGLISH)} are in 200 g of it?",
            NumberAnswer(tenths[key] / 5, of_energy),
        ),
        Draft(
            Kind.ABSENT,
            phrase("field", language, rng, x=lost),
            AbsentAnswer((lost,), tuple(figures), tuple(label(k, spoken) for k in kept for spoken in Language)),
        ),
        ask_missing(
            job,
            rng.choice(("price", "ingredients", "country", "phone")),
            [*figures, batch],
            ["batch", "net_weight", *kept],
        ),
        ask_json(
            "Extract product, energy in kcal, and the grams per 100 g of each of: " + ", ".join(kept) + ".",
            {
                "product": ("string", product),
                "energy": ("number", calories),
                **{k: ("number", value / 10) for k, value in tenths.items()},
            },
        ),
    ]
    return sheet_of(page, "product label", drafts)


def _nutrients(job: Job, keys: list[str]) -> dict[str, int]:
    """Tenths of a gram in 100 g, all different, and no part larger than its whole."""
    rng = job.rng
    fat, carbohydrate = rng.randint(40, 330), rng.randint(60, 400)
    every = {
        "fat": fat,
        "saturates": rng.randint(5, fat - 1),
        "carbohydrate": carbohydrate,
        "sugars": rng.randint(5, carbohydrate - 1),
        "fibre": rng.randint(3, 90),
        "protein": rng.randint(8, 240),
        "salt": rng.randint(1, 35),
    }
    if len({*every.values()}) < len(every):
        return _nutrients(job, keys)
    return {key: every[key] for key in keys}


def _is_food(name: str) -> bool:
    unfit = ("soap", "Matchbox", "Candles", "Spülmittel", "Küchenrolle", "Savon", "Jabón", "Sapone", "Carta da forno")
    return not any(word in name for word in unfit)
