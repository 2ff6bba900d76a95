"""Documents of labels and values: business cards, forms, identity cards."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

from ..languages import Language, label, write_day
from ..look import Pairing, Rules
from ..page import Page
from ..question import Draft, Kind, NumberAnswer, TextAnswer
from ..vocabulary import (
    pick_cities,
    pick_code,
    pick_days,
    pick_firms,
    pick_name,
    pick_names,
    pick_phone,
    pick_street,
    pick_title,
)
from .base import (
    Job,
    Sheet,
    ask_day,
    ask_json,
    ask_missing,
    ask_text,
    ask_title,
    ask_transcript,
    sheet_of,
)


def draw_business_card(job: Job) -> Sheet:
    """A business card, with a phone or a mobile number but never all of phone, mobile and fax."""
    rng, language = job.rng, job.language
    name, title, (firm,) = pick_name(rng), pick_title(rng, language), pick_firms(rng, 1)
    (city,), street = pick_cities(rng, language, 1), pick_street(rng, language)
    domain = _plain(firm.split()[0]) + rng.choice((".example", ".test", ".example.com"))
    email = f"{_plain(name.split()[0])[0]}.{_plain(name.split()[1])}@{domain}"
    kept, *lost = rng.sample(("phone", "mobile", "fax"), 3)
    number, site = pick_phone(rng, language), f"www.{domain}"
    has_site = rng.random() < 0.5

    page = Page(job.look, job.looks.randint(420, 640))
    first, second = (firm, name) if job.looks.random() < 0.5 else (name, firm)
    page.line(first, em=1.4, bold=True, fill=page.look.accent, face=page.look.heading)
    if first == name:
        page.line(title, em=0.95)
    page.gap()
    page.line(second, em=1.1, bold=True)
    if second == name:
        page.line(title, em=0.95)
    if job.looks.random() < 0.6:
        page.rule(thick=job.looks.choice((1, 3)))
    page.gap()
    page.line(f"{street}, {city}")
    page.line(f"{job.say(kept)} {number}")
    page.line(email)
    if has_site:
        page.line(site)

    person = [name, title, firm, city]
    drafts = [
        ask_text(job, "full_name", name, [firm, title]),
        ask_text(job, "position", title, [name, firm]),
        ask_text(job, "email", email, [number, site]),
        ask_text(job, kept, number, [email]),
        ask_text(job, "address", f"{street}, {city}", [firm]),
        Draft(
            Kind.DOC,
            rng.choice(
                (
                    "Which company does this person work for?",
                    "Who is the employer?",
                    "What organisation is on the card?",
                )
            ),
            TextAnswer((firm,), tuple(p for p in person if p != firm)),
        ),
        *(ask_missing(job, key, [number], [kept]) for key in lost),
        ask_missing(job, rng.choice(("department", "office", "tax_number")), [number, title], []),
        ask_transcript(job, page),
        ask_json(
            f"Extract the contact data: person, company, email, {kept}, {lost[0]} (null if it is not on the card).",
            {
                "person": ("string", name),
                "company": ("string", firm),
                "email": ("string", email),
                kept: ("string", number),
                lost[0]: ("string?", None),
            },
        ),
    ]
    if not has_site:
        drafts.append(ask_missing(job, "website", [email], ["email"]))
    return sheet_of(page, "business card", drafts)


def draw_form(job: Job) -> Sheet:
    """A filled-in form or data sheet, with some of its usual fields left away."""
    rng = job.rng
    match rng.choice(("registration", "data_sheet", "delivery_note")):
        case "registration":
            title, fields, missing = "registration", _registration(job), ("insurance", "fax", "height", "department")
        case "data_sheet":
            title, fields, missing = "data_sheet", _data_sheet(job), ("price", "best_before", "iban", "order_number")
        case _:
            title, fields, missing = "delivery_note", _delivery(job), ("invoice_number", "due_date", "email", "gate")
    keys = rng.sample(list(fields), rng.randint(5, len(fields)))
    lost = [key for key in fields if key not in keys]

    page = Page(job.look, job.looks.randint(460, 760))
    shown = page.heading(job.say(title))
    page.gap()
    if job.looks.random() < 0.25:
        rows = [[job.say(key), fields[key]] for key in keys]
        page.table(rows[0], rows[1:], rules=job.looks.choice((Rules.GRID, Rules.LINES)), right_from=9)
    else:
        page.pairs([(job.say(key), fields[key]) for key in keys], bold_labels=job.looks.random() < 0.6)
    if job.looks.random() < 0.4:
        page.gap()
        page.line(f"{job.say('signature')}: ____________________", em=0.85, centred=False)

    values = [fields[key] for key in keys]
    drafts = [ask_title(job, shown, values)]
    drafts += [ask_text(job, key, fields[key], values) for key in keys]
    drafts += [ask_missing(job, key, values, keys) for key in [*lost[:2], *rng.sample(missing, 2)]]
    picked = rng.sample(keys, 4)
    absent = rng.choice(missing)
    wish = "Return these fields as JSON, null where the form does not give one: "
    names = {key: label(key, Language.ENGLISH).replace(" ", "_") for key in [*picked, absent]}
    drafts.append(
        ask_json(
            wish + ", ".join(names.values()) + ".",
            {**{names[key]: ("string", fields[key]) for key in picked}, names[absent]: ("string?", None)},
        )
    )
    return sheet_of(page, "form", drafts)


def _registration(job: Job) -> dict[str, str]:
    rng, language = job.rng, job.language
    (born, issued), (first, second, third) = pick_days(rng, 2), pick_names(rng, 3)
    cities = pick_cities(rng, language, 2)
    return {
        "full_name": first,
        "birth_date": write_day(born.replace(year=born.year - rng.randint(20, 60)), language, 1),
        "birth_place": cities[0],
        "address": f"{pick_street(rng, language)}, {cities[1]}",
        "phone": pick_phone(rng, language),
        "email": f"{_plain(first.split()[1])}@{rng.choice(('post', 'mail', 'box'))}.example",
        "emergency_contact": second,
        "doctor": third,
        "blood_type": rng.choice(("AB+", "B+", "A-", "AB-")),
        "issued_on": write_day(issued, language, 1),
    }


def _data_sheet(job: Job) -> dict[str, str]:
    rng = job.rng
    return {
        "model": pick_code(rng, "AA-999"),
        "serial_number": pick_code(rng, "99A9999AA"),
        "manufacturer": pick_firms(rng, 1)[0],
        "voltage": f"{rng.choice((12, 24, 110, 230, 400))} V",
        "power": f"{rng.randint(5, 95) * 20 + 10} W",
        "weight": f"{rng.randint(2, 80)}.{rng.randint(1, 9)} kg",
        "country": rng.choice(("Portugal", "Canada", "Vietnam", "Malta", "Kenya")),
        "batch": pick_code(rng, "9999-A"),
    }


def _delivery(job: Job) -> dict[str, str]:
    rng, language = job.rng, job.language
    (sent,), (seller, customer, carrier) = pick_days(rng, 1), pick_firms(rng, 3)
    return {
        "order_number": pick_code(rng, "99999-A"),
        "customer_number": pick_code(rng, "A9999"),
        "seller": seller,
        "customer": customer,
        "carrier": carrier,
        "delivery_date": write_day(sent, language, rng.randrange(3)),
        "parcels": str(rng.randint(2, 38)),
        "net_weight": f"{rng.randint(101, 989)} kg",
        "city": pick_cities(rng, language, 1)[0],
    }


def draw_identity_card(job: Job) -> Sheet:
    """A membership, staff or library card with a drawn silhouette for the portrait."""
    rng, language = job.rng, job.language
    sort = rng.choice(("library_card", "membership_card", "staff_card"))
    (firm,), name = pick_firms(rng, 1), pick_name(rng)
    born, issued, ends = (
        d.replace(year=d.year + shift) for d, shift in zip(pick_days(rng, 3), (-34, 0, 3), strict=True)
    )
    number, style, (city,) = pick_code(rng, "AA 999 999"), rng.randrange(3), pick_cities(rng, language, 1)
    dates = {"birth_date": born, "issued_on": issued, "valid_until": ends}
    kept = rng.sample(list(dates), 2)
    lost = next(key for key in dates if key not in kept)

    page = Page(replace(job.look, centred=False), job.looks.randint(560, 700))
    page.line(firm, em=1.2, bold=True, fill=page.look.accent)
    page.line(job.say(sort), em=0.95)
    page.rule()
    portrait, top, start = round(page.look.size_px * 6), page.y, page.left
    on_left = job.looks.random() < 0.5
    x = start if on_left else page.right - portrait
    page.box(x, top, portrait, round(portrait * 1.2), fill=page.look.stripe)
    head = portrait // 4
    centre = x + portrait // 2
    page.draw.ellipse((centre - head, top + head // 2, centre + head, top + head * 5 // 2), fill=page.look.faint)
    page.draw.pieslice((x + 12, top + head * 3, x + portrait - 12, top + head * 7), 180, 360, fill=page.look.faint)
    if on_left:
        page.left += portrait + page.look.size_px
    pairing = job.looks.choice((Pairing.ABOVE, Pairing.COLON))
    rows = [("name", name), ("member_number", number), ("city", city)]
    rows += [(key, write_day(dates[key], language, style)) for key in kept]
    page.pairs([(job.say(key), value) for key, value in rows], pairing=pairing)
    page.left, page.y = start, max(page.y, top + round(portrait * 1.2))

    shown = [value for _, value in rows]
    drafts = [
        ask_text(job, "name", name, [firm, city]),
        ask_text(job, "member_number", number, [city]),
        *(ask_day(job, key, dates[key], [dates[k] for k in kept]) for key in kept),
        ask_missing(job, lost, shown, kept),
        ask_missing(
            job, rng.choice(("height", "blood_type", "nationality", "phone")), shown, ["name", "member_number", "city"]
        ),
        Draft(
            Kind.READ,
            rng.choice(("Who issued this card?", "Which organisation is named on the card?")),
            TextAnswer((firm,), (name,)),
        ),
        Draft(
            Kind.REASON,
            "How many years lie between the two dates on this card, counting only the years?",
            NumberAnswer(abs(dates[kept[0]].year - dates[kept[1]].year)),
        ),
        ask_json(
            "Read the card into JSON: holder, number, city, and the dates as YYYY-MM-DD.",
            {
                "holder": ("string", name),
                "number": ("string", number),
                "city": ("string", city),
                **{key: ("string", dates[key].isoformat()) for key in kept},
            },
        ),
    ]
    return sheet_of(page, "card", drafts)


def _plain(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
    return "".join(letter for letter in letters if letter.isalnum())
