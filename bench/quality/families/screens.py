"""What a screen shows: message boxes, settings pages, code listings."""

from __future__ import annotations

from dataclasses import replace

from ..languages import Language
from ..look import Pairing
from ..page import Page
from ..phrasing import phrase
from ..question import AbsentAnswer, AllAnswer, Draft, Kind, NumberAnswer, TextAnswer, YesNoAnswer
from ..vocabulary import pick_code, pick_names
from .base import Job, Sheet, ask_json, ask_listed, ask_missing, ask_title, ask_transcript, sheet_of

_SWITCHES = {
    Language.ENGLISH: (
        "Automatic backup",
        "Dark theme",
        "Spell check",
        "Location access",
        "Night mode",
        "Sync contacts",
    ),
    Language.GERMAN: (
        "Automatische Sicherung",
        "Dunkles Design",
        "Rechtschreibprüfung",
        "Standortzugriff",
        "Nachtmodus",
    ),
    Language.FRENCH: (
        "Sauvegarde automatique",
        "Thème sombre",
        "Correction orthographique",
        "Mode nuit",
        "Localisation",
    ),
    Language.SPANISH: ("Copia automática", "Tema oscuro", "Corrector ortográfico", "Modo nocturno", "Ubicación"),
    Language.ITALIAN: ("Backup automatico", "Tema scuro", "Correttore ortografico", "Modalità notte", "Posizione"),
}
_BUTTONS = {
    Language.ENGLISH: ("Discard", "Save as", "Try again", "Details", "Ignore"),
    Language.GERMAN: ("Verwerfen", "Speichern", "Wiederholen", "Schließen", "Ignorieren"),
    Language.FRENCH: ("Réessayer", "Enregistrer", "Fermer", "Ignorer", "Détails"),
    Language.SPANISH: ("Reintentar", "Guardar", "Descartar", "Ignorar", "Detalles"),
    Language.ITALIAN: ("Riprova", "Salva", "Chiudi", "Ignora", "Dettagli"),
}
_FAULTS = {
    Language.ENGLISH: ("The file {f} could not be saved", "Not enough space for {f}", "{f} is open in another program"),
    Language.GERMAN: ("Die Datei {f} wurde nicht gefunden", "Kein Speicherplatz für {f}", "{f} ist schreibgeschützt"),
    Language.FRENCH: ("Le fichier {f} est introuvable", "Espace insuffisant pour {f}", "{f} est protégé en écriture"),
    Language.SPANISH: ("No se pudo guardar {f}", "Falta espacio para {f}", "{f} está abierto en otro programa"),
    Language.ITALIAN: ("Impossibile salvare {f}", "Spazio insufficiente per {f}", "{f} è protetto da scrittura"),
}


def draw_dialog(job: Job) -> Sheet:
    """A program's window with a message box and its buttons."""
    rng, language = job.rng, job.language
    file = (
        rng.choice(("report", "budget", "scan", "minutes", "album"))
        + pick_code(rng, "_99")
        + rng.choice((".odt", ".csv", ".tif"))
    )
    message = rng.choice(_FAULTS[language]).format(f=file)
    buttons, code = rng.sample(_BUTTONS[language], rng.choice((2, 3))), pick_code(rng, "A-9999")
    unused = next(b for b in _BUTTONS[language] if b not in buttons)
    program, percent = rng.choice(("Papyrus Editor", "Gridworks", "Tonfilm Studio", "Archivum")), rng.randint(3, 97)

    page = Page(replace(job.look, centred=False, frame_px=0), 660)
    bar = page.look.size_px * 2
    page.draw.rectangle((0, 0, 3200, bar), fill=page.look.accent)
    page.put(16, bar // 2, program, bold=True, fill=page.look.paper, anchor="lm")
    page.put(16 + page.measure(program, bold=True) + 60, bar // 2, f"{percent} %", fill=page.look.paper, anchor="lm")
    page.y = bar + page.look.margin_px
    top, start = page.y, page.left
    page.left += 24
    page.y += 20
    page.right -= 24
    page.line(message, em=1.1, bold=True)
    page.line(f"Code: {code}", em=0.95)
    page.gap()
    x = page.left
    for index, button in enumerate(buttons):
        width = page.measure(button) + page.look.size_px * 2
        page.box(
            x,
            page.y,
            width,
            round(page.look.size_px * 1.8),
            fill=page.look.accent if index == 0 else page.look.stripe,
            radius=8,
        )
        fill = page.look.paper if index == 0 else page.look.ink
        page.put(x + width // 2, page.y + round(page.look.size_px * 0.9), button, fill=fill, anchor="mm")
        x += width + 20
    page.y += page.look.size_px * 3
    page.left, page.right = start, page.right + 24
    outline = (start, top, max(page.right, page.reach + 24), page.y)
    page.draw.rectangle(outline, outline=page.look.faint, width=2)
    page.reach = max(page.reach, outline[2])

    drafts = [
        Draft(
            Kind.READ, rng.choice(("What does the message say?", "Which problem is reported?")), TextAnswer((message,))
        ),
        Draft(
            Kind.READ,
            rng.choice(("Which buttons are offered?", "What are the options to click?")),
            AllAnswer(tuple(buttons), (unused,)),
        ),
        Draft(
            Kind.DOC,
            rng.choice(("Which file is concerned?", "What is the file name in the message?")),
            TextAnswer((file,)),
        ),
        Draft(
            Kind.DOC,
            rng.choice(("What is the code in the message?", "Which code does the dialog give?")),
            TextAnswer((code,), (file,)),
        ),
        Draft(
            Kind.DOC,
            rng.choice(("Which program is this?", "What is the name in the title bar?")),
            TextAnswer((program,), (file,)),
        ),
        Draft(
            Kind.COUNT, rng.choice(("How many buttons are there?", "Count the buttons.")), NumberAnswer(len(buttons))
        ),
        ask_missing(job, rng.choice(("username", "password", "version")), [code, file], []),
        Draft(Kind.ABSENT, "On which date did this happen?", AbsentAnswer(("date",), (code, str(percent)), ("code",))),
        *ask_listed(job, [f"“{buttons[-1]}”"], [f"“{unused}”"]),
        ask_json(
            "Describe the window: program, file, code, version (null if not shown).",
            {
                "program": ("string", program),
                "file": ("string", file),
                "code": ("string", code),
                "version": ("string?", None),
            },
        ),
    ]
    return sheet_of(page, "screenshot", drafts)


def draw_settings(job: Job) -> Sheet:
    """A settings page with switches that are on or off, and a few values."""
    rng, language = job.rng, job.language
    names = rng.sample(_SWITCHES[language], rng.choice((3, 4)))
    strange = next(n for n in _SWITCHES[language] if n not in names)
    states = {name: rng.random() < 0.5 for name in names}
    version, used = f"{rng.randint(2, 9)}.{rng.randint(1, 19)}.{rng.randint(1, 9)}", rng.randint(12, 240)
    user = pick_names(rng, 1)[0]

    page = Page(replace(job.look, centred=False), job.looks.randint(460, 620))
    title = page.heading(job.say("settings"))
    page.gap()
    size = page.look.size_px
    for name, is_on in states.items():
        page.put(page.left, page.y, name)
        room = page.left + page.measure(name) + size * 3
        page.right = max(page.right, room)
        x, y = page.right - size * 2, page.y
        on_colour = (40, 160, 90) if is_on else (150, 150, 150)
        page.box(x, y, size * 2, size + 4, fill=on_colour, radius=size // 2)
        knob = x + size - 2 if is_on else x + 2
        page.draw.ellipse((knob, y + 2, knob + size, y + 2 + size), fill=(255, 255, 255))
        page.y += page.step(1.2)
        page.draw.line((page.left, page.y - 6, page.right, page.y - 6), fill=page.look.stripe, width=2)
    page.gap()
    rows = [("username", user), ("storage", f"{used} GB"), ("version", version)]
    page.pairs([(job.say(key), value) for key, value in rows], pairing=job.looks.choice((Pairing.ENDS, Pairing.COLON)))

    name = rng.choice(names)
    drafts = [
        ask_title(job, title, names),
        Draft(
            Kind.YESNO,
            rng.choice((f"Is “{name}” switched on? Yes or no.", f"Is the switch for {name} on? Answer yes or no.")),
            YesNoAnswer(states[name]),
        ),
        Draft(
            Kind.COUNT,
            rng.choice(("How many switches are turned on?", "Count the switches that are on.")),
            NumberAnswer(sum(states.values())),
        ),
        Draft(Kind.COUNT, "How many on/off switches does the page have?", NumberAnswer(len(names))),
        Draft(Kind.DOC, phrase("field", language, rng, x="version"), TextAnswer((version,), (str(used),))),
        Draft(Kind.DOC, phrase("field", language, rng, x="username"), TextAnswer((user,), tuple(names))),
        Draft(
            Kind.DOC,
            rng.choice(("How much storage is shown, in GB?", "What is the storage value?")),
            NumberAnswer(used),
        ),
        Draft(Kind.ABSENT, f"Is “{strange}” on or off?", AbsentAnswer((strange,), (), tuple(names))),
        ask_missing(
            job,
            rng.choice(("password", "email", "phone")),
            [user, version, str(used)],
            ["username", "version", "storage"],
        ),
        *ask_listed(job, names, [strange]),
    ]
    return sheet_of(page, "screenshot", drafts)


def draw_code(job: Job) -> Sheet:
    """A few lines of a program, in a fixed-width face where there is one."""
    rng = job.rng
    verb, noun = (
        rng.choice(("scale", "merge", "count", "trim", "shift")),
        rng.choice(("rows", "beams", "parcels", "tones")),
    )
    name, limit, factor = f"{verb}_{noun}", rng.randint(12, 98), rng.randint(3, 11)
    values = rng.sample(range(2, 99), 3)
    variable = rng.choice(("result", "kept", "output"))
    match rng.choice(("python", "javascript", "shell")):
        case "python":
            language = "Python"
            lines = [
                f"LIMIT = {limit}",
                f"def {name}({noun}):",
                f"    {variable} = []",
                f"    for x in {noun}:",
                "        if x < LIMIT:",
                f"            {variable}.append(x * {factor})",
                f"    return {variable}",
                f"print({name}({values}))",
            ]
        case "javascript":
            language = "JavaScript"
            lines = [
                f"const LIMIT = {limit};",
                f"function {name}({noun}) {{",
                f"  const {variable} = {noun}.filter(x => x < LIMIT);",
                f"  return {variable}.map(x => x * {factor});",
                "}",
                f"console.log({name}({values}));",
            ]
        case _:
            language = "shell"
            lines = [
                "#!/bin/sh",
                f"LIMIT={limit}",
                f"{name}() {{",
                '  for x in "$@"; do',
                f'    [ "$x" -lt "$LIMIT" ] && echo $((x * {factor}))',
                "  done",
                "}",
                f"{name} {' '.join(map(str, values))}",
            ]
    numbered = job.looks.random() < 0.35

    page = Page(replace(job.look, centred=False), 400)
    face = page.look.mono
    for index, row in enumerate(lines):
        if numbered:
            page.put(page.left + 30, page.y, str(index + 1), face=face, fill=page.look.faint, anchor="ra", record=False)
        indent = len(row) - len(row.lstrip())
        x = page.left + (50 if numbered else 0) + indent * page.measure("m", face=face)
        page.put(x, page.y, row.strip(), face=face)
        page.y += page.step()

    numbers = tuple(float(n) for n in (factor, *values))
    drafts = [
        Draft(
            Kind.READ,
            rng.choice(("What is the function called?", "Name the function that is defined.")),
            TextAnswer((name,), (variable,)),
        ),
        Draft(
            Kind.DOC, rng.choice(("What value does LIMIT have?", "To what is LIMIT set?")), NumberAnswer(limit, numbers)
        ),
        Draft(Kind.DOC, "By which number is x multiplied?", NumberAnswer(factor, (limit, *values))),
        Draft(
            Kind.READ,
            rng.choice(("Which programming language is this?", "What language is the code written in?")),
            TextAnswer(
                (language, "bash", "sh")
                if language == "shell"
                else (language, "JS")
                if language == "JavaScript"
                else (language,)
            ),
        ),
        Draft(
            Kind.REASON,
            rng.choice(
                (
                    "How many of the values passed to the function are below LIMIT?",
                    "Count the arguments that are smaller than LIMIT.",
                )
            ),
            NumberAnswer(sum(v < limit for v in values)),
        ),
        Draft(
            Kind.ABSENT,
            rng.choice(("Who wrote this code?", "Which licence does this code have?")),
            AbsentAnswer(("author", "licence"), (name,)),
        ),
        Draft(
            Kind.ABSENT,
            "What value does the constant MAXIMUM have?",
            AbsentAnswer(("MAXIMUM",), (str(limit), str(factor)), ("LIMIT",)),
        ),
    ]
    if not numbered:
        drafts.append(ask_transcript(job, page))
        drafts.append(Draft(Kind.COUNT, "How many lines of code are there?", NumberAnswer(len(lines))))
    return sheet_of(page, "code listing", drafts)
