"""Data tables, timetables and week plans."""

from __future__ import annotations

from dataclasses import replace

from ..languages import WEEKDAYS, Language, label, labels_anywhere, names_of, write_time
from ..look import Rules
from ..page import Page
from ..phrasing import phrase
from ..question import AbsentAnswer, Draft, Kind, NumberAnswer, TextAnswer, TimeAnswer, YesNoAnswer
from ..vocabulary import pick_cities, pick_first_names, pick_groceries, pick_names
from .base import Job, Sheet, ask_json_rows, ask_listed, ask_title, sheet_of

_SUBJECTS = {
    "city": (("population", 20, 900), ("area", 30, 480), ("rainfall", 3, 140)),
    "team": (("points", 10, 90), ("wins", 2, 30), ("losses", 1, 25)),
    "product": (("stock", 5, 400), ("price", 2, 95), ("weight", 100, 900)),
    "employee": (("hours", 12, 60), ("points", 100, 999)),
}
_TITLES = {
    "city": ("Regional overview", "Regionalübersicht", "Aperçu régional", "Resumen regional", "Quadro regionale"),
    "team": ("League standings", "Tabellenstand", "Classement", "Clasificación", "Classifica"),
    "product": ("Warehouse list", "Lagerliste", "Liste d'entrepôt", "Lista de almacén", "Elenco magazzino"),
    "employee": ("Shift record", "Schichtprotokoll", "Relevé d'équipe", "Registro de turnos", "Registro turni"),
}
_COURSES = {
    Language.ENGLISH: ("Pottery", "Chess", "Botany", "Choir", "Fencing", "Drawing", "Latin", "Robotics"),
    Language.GERMAN: ("Töpfern", "Schach", "Chor", "Fechten", "Zeichnen", "Werken", "Latein", "Physik"),
    Language.FRENCH: ("Poterie", "Échecs", "Chorale", "Escrime", "Dessin", "Théâtre", "Latin", "Botanique"),
    Language.SPANISH: ("Cerámica", "Ajedrez", "Coro", "Esgrima", "Dibujo", "Teatro", "Latín", "Robótica"),
    Language.ITALIAN: ("Ceramica", "Scacchi", "Coro", "Scherma", "Disegno", "Teatro", "Latino", "Robotica"),
}


def draw_table(job: Job) -> Sheet:
    """A table of whole numbers: ruled, striped, lined, or held by white space alone."""
    rng, language = job.rng, job.language
    thing = rng.choice(tuple(_SUBJECTS))
    count = rng.randint(4, 7)
    names = {
        "city": lambda: pick_cities(rng, language, min(count, 5)),
        "team": lambda: pick_cities(rng, language, min(count, 5)),
        "product": lambda: pick_groceries(rng, language, count),
        "employee": lambda: pick_names(rng, count),
    }[thing]()
    strangers = [names.pop()]
    columns = rng.sample(_SUBJECTS[thing], len(_SUBJECTS[thing]))
    figures = {
        key: dict(zip(names, rng.sample(range(low, high), len(names)), strict=True)) for key, low, high in columns
    }
    title = _TITLES[thing][list(Language).index(language)]

    page = Page(job.look, job.looks.randint(300, 800))
    shown_title = page.heading(title)
    page.gap()
    header = [job.say(thing), *(job.say(key) for key in figures)]
    rows = [[name, *(str(figures[key][name]) for key in figures)] for name in names]
    page.table(header, rows, right_from=job.looks.choice((1, 1, 9)))

    drafts = [ask_title(job, shown_title, header)]
    for key, values in figures.items():
        drafts += _ask_column(job, thing, key, values)
    key = rng.choice(list(figures))
    strange = strangers[0]
    shown = tuple(str(value) for value in figures[key].values())
    drafts += [
        Draft(
            Kind.ABSENT,
            phrase("cell", language, rng, row=strange, column=key),
            AbsentAnswer((strange,), shown, tuple(names)),
        ),
        Draft(
            Kind.ABSENT,
            phrase("cell", language, rng, row=names[0], column="tax" if thing != "employee" else "phone"),
            AbsentAnswer(
                (*labels_anywhere("tax"), *labels_anywhere("phone")),
                tuple(rows[0][1:]),
                tuple(label(k, spoken) for k in figures for spoken in Language),
            ),
        ),
        Draft(
            Kind.COUNT,
            rng.choice(("How many rows does the table have, without the header?", "Count the data rows of the table.")),
            NumberAnswer(len(names)),
        ),
        *ask_listed(job, names, strangers),
        ask_json_rows(
            "Convert the table to JSON, one object per row.",
            "rows",
            {"name": "string", **dict.fromkeys(figures, "integer")},
            [[name, *(figures[k][name] for k in figures)] for name in names],
        ),
    ]
    return sheet_of(page, "table", drafts)


def _ask_column(job: Job, thing: str, key: str, values: dict[str, int]) -> list[Draft]:
    rng, language, names = job.rng, job.language, list(values)
    name, (first, second) = rng.choice(names), rng.sample(names, 2)
    figures = tuple(values.values())
    top, bottom = max(values, key=lambda n: values[n]), min(values, key=lambda n: values[n])
    limit = rng.choice(sorted(figures)[:-1]) + (rng.random() < 0.5)
    of = f" in {label(key, Language.ENGLISH)}"
    return [
        Draft(
            Kind.TABLE,
            phrase("cell", language, rng, row=name, column=key),
            NumberAnswer(values[name], tuple(f for f in figures if f != values[name])),
        ),
        Draft(
            Kind.REASON,
            phrase("highest", language, rng, thing=thing, column=key),
            TextAnswer((top,), tuple(n for n in names if n != top)),
        ),
        Draft(
            Kind.REASON,
            phrase("lowest", language, rng, thing=thing, column=key),
            TextAnswer((bottom,), tuple(n for n in names if n != bottom)),
        ),
        Draft(
            Kind.REASON,
            phrase("difference", language, rng, a=first, b=second, of=of),
            NumberAnswer(abs(values[first] - values[second]), figures),
        ),
        Draft(
            Kind.REASON,
            phrase("sum", language, rng, a=first, b=second, of=of),
            NumberAnswer(values[first] + values[second], figures),
        ),
        Draft(
            Kind.REASON,
            phrase("exceed", language, rng, column=key, limit=str(limit)),
            NumberAnswer(sum(f > limit for f in figures), figures),
        ),
        Draft(
            Kind.YESNO,
            phrase("more", language, rng, a=first, b=second, column=key),
            YesNoAnswer(values[first] > values[second]),
        ),
    ]


def draw_timetable(job: Job) -> Sheet:
    """A bus or tram timetable: stops down the side, runs across."""
    rng, language = job.rng, job.language
    stops = pick_cities(rng, language, 5)
    strange, stops = stops[0], stops[1:]
    runs = rng.randint(3, 5)
    starts = sorted(rng.sample(range(5 * 60, 20 * 60, 7), runs))
    leg = [0]
    for _ in stops[1:]:
        leg.append(leg[-1] + rng.randint(4, 17))
    times = {stop: [start + extra for start in starts] for stop, extra in zip(stops, leg, strict=True)}
    line = str(rng.randint(11, 89))
    mark = rng.choice((":", ":", "."))

    page = Page(job.look, job.looks.randint(400, 800))
    page.heading(f"{job.say('timetable')} {line}")
    page.gap()
    header = [job.say("stop"), *(f"{job.say('train')[:1]}{i + 1}" for i in range(runs))]
    page.table(header, [[stop, *(write_time(t, mark) for t in row)] for stop, row in times.items()], right_from=1)

    run, stop = rng.randrange(runs), rng.choice(stops)
    every = tuple(t for row in times.values() for t in row)
    others = tuple(t for t in every if t != times[stop][run])
    first, last = stops[0], stops[-1]
    shown = tuple(write_time(t, mark) for t in every)
    drafts = [
        Draft(
            Kind.TABLE,
            rng.choice(
                (f"When does run {header[run + 1]} call at {stop}?", f"At what time is {header[run + 1]} in {stop}?")
            ),
            TimeAnswer(times[stop][run], others),
        ),
        Draft(
            Kind.TABLE,
            rng.choice((f"What is the first departure from {stop}?", f"When does the earliest service leave {stop}?")),
            TimeAnswer(times[stop][0], tuple(t for t in every if t != times[stop][0])),
        ),
        Draft(
            Kind.TABLE,
            rng.choice((f"When does the last service stop at {stop}?", f"What is the latest time shown for {stop}?")),
            TimeAnswer(times[stop][-1], tuple(t for t in every if t != times[stop][-1])),
        ),
        Draft(
            Kind.REASON,
            f"How many minutes does it take from {first} to {last}?",
            NumberAnswer(leg[-1]),
        ),
        Draft(Kind.COUNT, phrase("rows", language, rng, things="stops"), NumberAnswer(len(stops))),
        Draft(Kind.READ, "Which line number is this timetable for?", NumberAnswer(float(line))),
        Draft(
            Kind.ABSENT,
            rng.choice((f"When does {header[1]} reach {strange}?", f"At what time is the stop at {strange}?")),
            AbsentAnswer((strange,), shown, tuple(stops)),
        ),
        *ask_listed(job, stops, [strange]),
        ask_json_rows(
            "For every stop give its name and its first time (HH:MM).",
            "stops",
            {"stop": "string", "first": "string"},
            [[name, write_time(row[0])] for name, row in times.items()],
        ),
    ]
    return sheet_of(page, "timetable", drafts)


def draw_week(job: Job) -> Sheet:
    """A week plan: days across, hours down, courses in the cells, some empty."""
    rng, language = job.rng, job.language
    days = WEEKDAYS[language][: rng.choice((4, 5))]
    hours = [8 * 60 + 30 + 75 * i for i in range(rng.randint(3, 4))]
    courses = rng.sample(_COURSES[language], 7)
    strange, courses = courses[0], courses[1:]
    slots = rng.sample([(day, hour) for day in days for hour in hours], len(courses))
    plan = dict(zip(slots, courses, strict=True))
    owner = pick_first_names(rng, 1)[0]

    page = Page(job.look if job.look.rules is not Rules.NONE else replace(job.look, rules=Rules.GRID), 700)
    page.heading(
        f"{job.say('timetable')} – {owner}" if language is not Language.FRENCH else f"Emploi du temps – {owner}"
    )
    page.gap()
    rows = [[write_time(hour), *(plan.get((day, hour), "") for day in days)] for hour in hours]
    page.table(["", *days], rows, right_from=9)

    (day, hour), course = rng.choice(list(plan.items()))
    free = [slot for slot in ((d, h) for d in days for h in hours) if slot not in plan]
    busiest = {d: sum(slot[0] == d for slot in plan) for d in days}
    count_day = rng.choice(days)
    other_hours = tuple(h for h in hours if h != hour)
    drafts = [
        Draft(
            Kind.TABLE,
            rng.choice(
                (
                    f"What is on {day} at {write_time(hour)}?",
                    f"Which course takes place on {day} at {write_time(hour)}?",
                )
            ),
            TextAnswer((course,), tuple(c for c in courses if c != course)),
        ),
        Draft(
            Kind.TABLE,
            rng.choice((f"On which day is {course}?", f"Which weekday has {course}?")),
            TextAnswer(names_of(day, language), tuple(n for d in days if d != day for n in names_of(d, language))),
        ),
        Draft(Kind.TABLE, f"At what time does {course} start?", TimeAnswer(hour, other_hours)),
        Draft(
            Kind.COUNT,
            rng.choice((f"How many courses are there on {count_day}?", f"Count the entries for {count_day}.")),
            NumberAnswer(busiest[count_day]),
        ),
        Draft(
            Kind.COUNT,
            rng.choice(("How many courses are in the whole plan?", "How many entries does the week have in total?")),
            NumberAnswer(len(courses)),
        ),
        Draft(Kind.ABSENT, f"On which day is {strange}?", AbsentAnswer((strange,), tuple(days), tuple(courses))),
        Draft(
            Kind.ABSENT,
            rng.choice((f"Which teacher gives {course}?", f"In which room is {course}?")),
            AbsentAnswer(("teacher", "room"), (owner,), ()),
        ),
        *ask_listed(job, courses, [strange]),
    ]
    if free:
        free_day, free_hour = rng.choice(free)
        drafts.append(
            Draft(
                Kind.ABSENT,
                f"Which course is on {free_day} at {write_time(free_hour)}?",
                AbsentAnswer(("course",), tuple(courses), tuple(days)),
            )
        )
    return sheet_of(page, "week plan", drafts)
