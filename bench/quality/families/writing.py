"""Running text on paper: letters, posters, signs, to-do lists."""

from __future__ import annotations

from dataclasses import replace

from ..languages import WEEKDAYS, Language, write_day, write_time
from ..page import Page
from ..phrasing import phrase
from ..question import AbsentAnswer, AllAnswer, Draft, Kind, NumberAnswer, TextAnswer, TimeAnswer, YesNoAnswer
from ..vocabulary import pick_cities, pick_days, pick_groceries, pick_names, pick_street
from .base import Job, Sheet, ask_day, ask_json, ask_listed, ask_missing, ask_title, ask_transcript, sheet_of

_LETTERS = {
    Language.ENGLISH: (
        "Dear {to},",
        "thank you for your parcel, which arrived on {day}. {helper} will bring the {thing} to {city} on the morning "
        "train. Please keep {count} boxes ready at the gate. The key is with {keeper}.",
        "Kind regards",
    ),
    Language.GERMAN: (
        "Liebe Grüße an {to},",
        "das Päckchen ist am {day} angekommen. {helper} bringt die Ware ({thing}) mit dem Frühzug nach {city}. "
        "Bitte halte {count} Kisten am Tor bereit. Den Schlüssel hat {keeper}.",
        "Mit herzlichem Dank",
    ),
    Language.FRENCH: (
        "Bonjour {to},",
        "le colis est bien arrivé le {day}. {helper} apportera la marchandise ({thing}) à {city} par le train du "
        "matin. Merci de préparer {count} caisses près du portail. La clé est chez {keeper}.",
        "À bientôt",
    ),
    Language.SPANISH: (
        "Hola, {to}:",
        "el paquete llegó el {day}. {helper} llevará la mercancía ({thing}) a {city} en el tren de la mañana. "
        "Por favor, deja {count} cajas junto a la puerta. La llave la tiene {keeper}.",
        "Un cordial saludo",
    ),
    Language.ITALIAN: (
        "Ciao {to},",
        "il pacco è arrivato il {day}. {helper} porterà la merce ({thing}) a {city} con il treno del mattino. "
        "Per favore, prepara {count} casse vicino al cancello. La chiave è da {keeper}.",
        "Cordiali saluti",
    ),
}
_POSTERS = {
    Language.ENGLISH: ("Lantern Walk", "Village Flea Market", "Open Studio Night", "Harvest Concert"),
    Language.GERMAN: ("Großer Flohmarkt", "Sommerkonzert", "Lesung im Café", "Töpfermarkt"),
    Language.FRENCH: ("Fête du village", "Vide-grenier", "Soirée théâtre", "Marché aux fleurs"),
    Language.SPANISH: ("Feria del Libro", "Noche de Cine", "Mercado de Otoño", "Concierto de Año Nuevo"),
    Language.ITALIAN: ("Festa del Borgo", "Mercatino di Natale", "Serata Jazz", "Mostra di Ceramica"),
}
_NOTICES = {
    Language.ENGLISH: (
        "Mind the step",
        "Deliveries at the rear",
        "Staff only beyond this point",
        "Bicycles not allowed",
    ),
    Language.GERMAN: ("Vorsicht Stufe", "Anlieferung im Hof", "Zutritt nur für Personal", "Rasen nicht betreten"),
    Language.FRENCH: (
        "Attention à la marche",
        "Livraisons côté cour",
        "Accès réservé au personnel",
        "Sonnez à l'entrée",
    ),
    Language.SPANISH: (
        "Cuidado con el escalón",
        "Prohibido aparcar aquí",
        "Solo personal autorizado",
        "Cierre despacio la puerta",
    ),
    Language.ITALIAN: (
        "Attenzione al gradino",
        "Consegne sul retro",
        "Vietato fumare nei locali",
        "Suonare il campanello",
    ),
}
_TASKS = {
    Language.ENGLISH: (
        "Water the ferns",
        "Call the roofer",
        "Sharpen knives",
        "Renew passport",
        "Order gravel",
        "Oil the hinges",
    ),
    Language.GERMAN: (
        "Hecke schneiden",
        "Öl nachfüllen",
        "Miete überweisen",
        "Fenster putzen",
        "Reifen wechseln",
        "Müll trennen",
    ),
    Language.FRENCH: (
        "Arroser les fougères",
        "Payer le loyer",
        "Réparer le vélo",
        "Laver la voiture",
        "Trier les papiers",
    ),
    Language.SPANISH: ("Regar las macetas", "Pagar la luz", "Arreglar la bici", "Limpiar el horno", "Llamar al médico"),
    Language.ITALIAN: (
        "Annaffiare le piante",
        "Pagare l'affitto",
        "Riparare la bici",
        "Pulire il forno",
        "Chiamare il medico",
    ),
}


def draw_letter(job: Job) -> Sheet:
    """A short letter of one paragraph."""
    rng, language = job.rng, job.language
    to, helper, keeper, sender = pick_names(rng, 4)
    city, (day, written) = pick_cities(rng, language, 1)[0], pick_days(rng, 2)
    (thing,), count = pick_groceries(rng, language, 1), rng.randint(3, 29)
    greeting, body, ending = _LETTERS[language]
    facts = {"to": to, "helper": helper, "keeper": keeper, "city": city, "thing": thing, "count": str(count)}

    page = Page(job.look, job.looks.randint(520, 820))
    page.put(page.right, page.y, write_day(written, language, 2), anchor="ra", em=0.9)
    page.y += page.step(1.6)
    page.line(greeting.format(**facts), centred=False)
    page.gap(0.4)
    page.paragraph(body.format(**facts, day=write_day(day, language, 2)))
    page.gap(0.6)
    page.line(ending, centred=False)
    page.line(sender, bold=True, centred=False)

    people = (to, helper, keeper, sender)

    def ask_person(text: str, person: str) -> Draft:
        return Draft(Kind.DOC, text, TextAnswer((person, person.split()[0]), tuple(p for p in people if p != person)))

    drafts = [
        ask_person(rng.choice(("Who wrote this letter?", "Who signed it?")), sender),
        ask_person(rng.choice(("Who is the letter addressed to?", "Who receives this letter?")), to),
        ask_person(rng.choice(("Who has the key?", "With whom is the key?")), keeper),
        Draft(
            Kind.DOC,
            rng.choice(("To which town will the goods be taken?", "Which city is mentioned in the letter?")),
            TextAnswer((city,), people),
        ),
        Draft(Kind.DOC, "How many boxes or crates does the writer ask for?", NumberAnswer(count)),
        ask_day(job, "date", written, [day]) if rng.random() < 0.3 else ask_transcript(job, page),
        ask_transcript(job, page),
        ask_missing(job, rng.choice(("phone", "order_number", "price", "email")), [str(count), city], []),
        Draft(
            Kind.ABSENT,
            rng.choice(
                (
                    "At what time does the train leave?",
                    "What is the sender's street?",
                    "Which platform does the train use?",
                )
            ),
            AbsentAnswer(("time", "street", "platform"), (city, str(count)), ()),
        ),
        *ask_listed(job, [helper, keeper], [pick_names(rng, 1)[0] + "son"]),
        ask_json(
            "Extract the sender, the recipient, the number of boxes and the town.",
            {
                "sender": ("string", sender),
                "recipient": ("string", to),
                "boxes": ("integer", count),
                "town": ("string", city),
            },
        ),
    ]
    return sheet_of(page, "letter", drafts)


def draw_poster(job: Job) -> Sheet:
    """A poster for an event."""
    rng, language = job.rng, job.language
    title, (day,), minutes = rng.choice(_POSTERS[language]), pick_days(rng, 1), rng.randrange(10 * 60, 21 * 60, 15)
    city, street, euros = pick_cities(rng, language, 1)[0], pick_street(rng, language), rng.randint(3, 28)
    weekday = WEEKDAYS[language][day.weekday()]
    has_price = rng.random() < 0.6

    page = Page(replace(job.look, size_px=job.look.size_px + 6), job.looks.randint(480, 700))
    page.gap(1)
    shown = page.heading(title, job.looks.uniform(1.7, 2.3))
    page.gap(job.looks.uniform(0.5, 2))
    page.line(f"{weekday}, {write_day(day, language, 2)}", em=1.1)
    page.line(write_time(minutes), em=1.3, bold=True)
    page.line(f"{street}, {city}")
    if has_price:
        page.line(f"{job.say('price')}: {euros} €", em=0.9)
    page.gap(1)

    drafts = [
        Draft(Kind.READ, rng.choice(("Which event is announced?", "What is this poster for?")), TextAnswer((shown,))),
        ask_day(job, "date", day),
        Draft(
            Kind.DOC,
            rng.choice(("At what time does it start?", "When does the event begin, what hour?")),
            TimeAnswer(minutes),
        ),
        Draft(
            Kind.DOC,
            rng.choice(("In which town is it held?", "Where does it take place, which town?")),
            TextAnswer((city,)),
        ),
        ask_transcript(job, page),
        ask_missing(job, rng.choice(("phone", "email", "website")), [street, city], ["address", "city"]),
        *ask_listed(
            job, [city], pick_cities(rng, Language.ENGLISH if language is not Language.ENGLISH else Language.GERMAN, 1)
        ),
        ask_json(
            "Give the event, the day (YYYY-MM-DD), the start (HH:MM) and the price in euros, null if none is stated.",
            {
                "event": ("string", shown),
                "day": ("string", day.isoformat()),
                "start": ("string", write_time(minutes)),
                "price": ("number?", euros if has_price else None),
            },
        ),
    ]
    if has_price:
        drafts.append(
            Draft(Kind.DOC, rng.choice(("What does entry cost?", "How much is a ticket?")), NumberAnswer(euros))
        )
    else:
        drafts.append(
            Draft(
                Kind.ABSENT,
                rng.choice(("What does entry cost?", "How much is a ticket?")),
                AbsentAnswer(("entry", "ticket"), ()),
            )
        )
    return sheet_of(page, "poster", drafts)


def draw_sign(job: Job) -> Sheet:
    """A board with one or two short notices in large type."""
    rng, language = job.rng, job.language
    notices = rng.sample(_NOTICES[language], rng.choice((1, 2)))
    distance = rng.randint(2, 48)
    with_distance = rng.random() < 0.5
    (city,) = pick_cities(rng, language, 1)

    ground, ink = job.looks.choice(
        (((20, 90, 60), (255, 255, 255)), ((245, 196, 40), (20, 20, 20)), ((30, 60, 140), (255, 255, 255)))
    )
    page = Page(replace(job.look, paper=ground, ink=ink, accent=ink, faint=ink, size_px=34, frame_px=0), 460)
    page.gap(0.6)
    for notice in notices:
        page.heading(notice, 1.3)
    if with_distance:
        page.line(f"{city} {distance} km", em=1.2)
    page.gap(0.6)
    edge = page.look.margin_px // 2
    frame = (edge, edge, page.reach + page.look.margin_px - edge, page.y + page.look.margin_px - edge)
    page.draw.rounded_rectangle(frame, 14, outline=ink, width=5)

    drafts = [
        Draft(Kind.READ, rng.choice(("What does this board say?", "Read the notice.")), AllAnswer(tuple(page.printed))),
        ask_transcript(job, page),
        ask_missing(job, rng.choice(("phone", "website", "email")), [city], ["city"]),
    ]
    if with_distance:
        drafts += [
            Draft(Kind.DOC, f"How far is it to {city}?", NumberAnswer(distance)),
            Draft(Kind.DOC, "Which town is named?", TextAnswer((city,))),
        ]
    else:
        drafts.append(
            Draft(Kind.ABSENT, "How many kilometres is it to the next town?", AbsentAnswer(("kilometres",), ()))
        )
    return sheet_of(page, "sign", drafts)


def draw_checklist(job: Job) -> Sheet:
    """A to-do list with ticked and open boxes."""
    rng, language = job.rng, job.language
    names = rng.sample(_TASKS[language], len(_TASKS[language]))
    strange = names.pop()
    ticked = {name: rng.random() < 0.5 for name in names}
    owner, minutes = pick_names(rng, 1)[0], rng.randrange(8 * 60, 19 * 60, 15)

    page = Page(replace(job.look, centred=False), job.looks.randint(380, 560))
    title = page.heading(f"{owner} – {write_time(minutes)}", 1.2)
    page.gap()
    size = page.look.size_px
    for name, done in ticked.items():
        box = (page.left, page.y, page.left + size, page.y + size)
        page.draw.rectangle(box, outline=page.look.ink, width=2)
        if done:
            page.draw.line(
                (box[0] + 3, box[1] + size // 2, box[0] + size // 2, box[3] - 4), fill=page.look.accent, width=4
            )
            page.draw.line((box[0] + size // 2, box[3] - 4, box[2] + 4, box[1] - 2), fill=page.look.accent, width=4)
        page.put(page.left + size * 2, page.y - 2, name)
        page.y += page.step(1.1)

    name = rng.choice(names)
    drafts = [
        ask_title(job, title, names),
        Draft(Kind.COUNT, phrase("rows", language, rng, things="tasks"), NumberAnswer(len(names))),
        Draft(
            Kind.COUNT,
            rng.choice(("How many tasks are ticked off?", "Count the ticked boxes.")),
            NumberAnswer(sum(ticked.values())),
        ),
        Draft(Kind.YESNO, f"Is the box before “{name}” ticked? Yes or no.", YesNoAnswer(ticked[name])),
        *ask_listed(job, names, [strange]),
        ask_transcript(job, page),
        ask_missing(job, rng.choice(("phone", "address", "date")), [owner], ["name"]),
        Draft(Kind.ABSENT, f"Is “{strange}” ticked or still open?", AbsentAnswer((strange,), (), tuple(names))),
    ]
    return sheet_of(page, "list", drafts)
