"""Prove the scoring: every drawn question passes and fails the answers that it should. Needs no server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from .abstention import declines, denies
from .drawing import draw_set
from .question import (
    AbsentAnswer,
    Answer,
    DateAnswer,
    Kind,
    NumberAnswer,
    Question,
    TextAnswer,
    TimeAnswer,
    YesNoAnswer,
)
from .reading import find_days, find_numbers, find_times
from .samples import samples_of
from .scoring import Verdict, score

_R, _A, _W, _E = Verdict.RIGHT, Verdict.ABSTAINED, Verdict.WRONG, Verdict.ERROR

_CASES: tuple[tuple[Answer, str, tuple[tuple[str, Verdict], ...]], ...] = (
    (
        NumberAnswer(1234.5, (19, 1200)),
        "What is the total?",
        (
            ("1,234.50", _R),
            ("1.234,50 €", _R),
            ("1 234,50", _R),
            ("EUR1234.5", _R),
            ("The total is £1,234.50, of which 19% is tax.", _R),
            ("Net 1200 plus 34.50 postage, so 1234.50", _R),
            ("1234.50 or 1200", _W),
            ("1200, 19, 34.50, 1234.50", _W),
            ("234.50", _W),
            ("12345", _W),
            ("The total is not visible.", _A),
            ("I can't tell, perhaps 1200.", _W),
            ("", _E),
        ),
    ),
    (
        NumberAnswer(3),
        "How many rows are there?",
        (
            ("three", _R),
            ("Es sind drei.", _R),
            ("3 rows", _R),
            ("There are 4.", _W),
            ("There are no rows.", _W),
            ("I cannot tell.", _A),
        ),
    ),
    (
        DateAnswer(date(2026, 5, 4), (date(2026, 6, 8),)),
        "What is the due date?",
        (
            ("May 4, 2026", _R),
            ("04/05/2026", _R),
            ("4. Mai 2026", _R),
            ("Issued on 8 June 2026. It is due on 4 May 2026.", _R),
            ("8 June 2026", _W),
            ("2025-05-04", _W),
            ("May 4 or May 5, 2026", _W),
            ("No due date is printed.", _A),
        ),
    ),
    (
        TimeAnswer(20 * 60 + 5),
        "When does it start?",
        (("8:05 PM", _R), ("20.05 Uhr", _R), ("20h05", _R), ("8:05 am", _W), ("20:50", _W)),
    ),
    (
        TextAnswer(("INV-20/77",), ("K-4410",)),
        "What is the invoice number?",
        (
            ("inv-20/77", _R),
            ("Invoice INV-20/77 (customer K-4410).", _R),
            ("K-4410", _W),
            ("INV-20/777", _W),
            ("INV-20/71", _W),
            ("K-4410 / INV-20/77", _W),
            ("The number is illegible.", _A),
        ),
    ),
    (
        TextAnswer(("Müller & Söhne",)),
        "Who sent it?",
        (("MÜLLER & SÖHNE", _R), ("Muller & Sohne", _W), ("Das ist nicht angegeben.", _A)),
    ),
    (
        YesNoAnswer(False),
        "Is it listed?",
        (
            ("No.", _R),
            ("Nein, nicht aufgeführt.", _R),
            ("Yes", _W),
            ("Yes and no", _W),
            ("I can't read it.", _A),
            ("It is not in the list.", _R),
            ("I see it on the second line.", _W),
            ("Non lo so.", _A),
        ),
    ),
    (
        AbsentAnswer(("fax", "Fax"), ("+44 20 5550 1",), ("phone", "Telefon")),
        "What is the fax number?",
        (
            ("No fax number is given.", _R),
            ("There is no fax number; the phone number is +44 20 5550 1.", _R),
            ("Eine Faxnummer ist nicht angegeben.", _R),
            ("+44 20 5550 1", _W),
            ("The fax number is +44 20 5550 1.", _W),
            ("It is not labelled, but it is +44 20 5550 1.", _W),
            ("The card belongs to Mildred.", _W),
            ("I don't see a fax number on this business card.", _R),
            ("The card doesn't provide a fax number; it only gives the phone, +44 20 5550 1.", _R),
            ("Fax: none", _R),
            ("Fax: 4711", _W),
            ("The fax number is 4711, I cannot read the rest.", _W),
        ),
    ),
    (
        AbsentAnswer(("Senf",), ("24", "54"), ("Möhren", "Quark")),
        "What does Senf cost?",
        (
            ("Senf is not on the list.", _R),
            ("There is no price for Senf.", _R),
            ("Senf isn't sold here. Möhren cost 24 and Quark 54.", _R),
            ("Senf steht nicht auf der Liste.", _R),
            ("Senf costs 24.", _W),
            ("24", _W),
            ("Möhren cost 24 and Quark 54.", _W),
        ),
    ),
    (
        NumberAnswer(47.0, (17.5, 29.5)),
        "How much are Gazpacho and Paella together?",
        (
            ("Gazpacho (17,50 €) + Paella (29,50 €) = 47,00 €", _R),
            ("17.50 and 29.50 make a total of **47**.", _R),
            ("47 € (17,50 € + 29,50 €)", _R),
            ("17.50 + 29.50 = 46.00", _W),
            ("Gazpacho 17.50, Paella 29.50", _W),
        ),
    ),
    (
        TextAnswer(("Quark",), ("Senf", "Möhren")),
        "Which item is the most expensive?",
        (
            ("The most expensive item is Quark at 5.40.", _R),
            ("Quark is dearer than Senf.", _R),
            ("Senf costs 2.40 and Möhren 3.10. The dearest is Quark.", _R),
            ("Senf", _W),
            ("Senf, Möhren, Quark", _W),
            ("Quark or Senf", _W),
        ),
    ),
)
_DECLINED = (
    "I cannot make that out.",
    "It's not possible to determine this from the image.",
    "The price isn't listed.",
    "Der Preis ist leider nicht lesbar.",
    "Ich kann das nicht genau erkennen.",
    "Je ne vois pas cette information.",
    "Ce n'est pas indiqué.",
    "No se indica en la imagen.",
    "Non è visibile.",
    "Unknown",
)
_SAID = ("The total is 5.", "Ja, am Montag.", "It is Nora.", "Le prix est de 4 euros.", "Son doce.", "Lunedì")


def run_selftest(seed: int = 7, count: int = 200) -> list[str]:
    """What does not hold, as lines; empty where all is well."""
    questions = draw_set(seed, count)
    return [
        *_check_reading(),
        *_check_abstention(),
        *_check_cases(),
        *(f for q in questions for f in check_question(q)),
    ]


def check_question(question: Question) -> Iterator[str]:
    """Sample answers of one question that get the wrong verdict."""
    good, bad = samples_of(question)
    for said in good:
        verdict = score(question, said)
        if verdict is not Verdict.RIGHT:
            yield f"{question.id} {question.text!r}: {said[:120]!r} is {verdict.value}, not right"
    for said in bad:
        if score(question, said) is Verdict.RIGHT:
            yield f"{question.id} {question.text!r}: {said[:120]!r} passes"


def _check_cases() -> Iterator[str]:
    for number, (answer, text, cases) in enumerate(_CASES):
        kind = Kind.COUNT if text.startswith("How many") else Kind.DOC
        question = Question(f"case-{number}", kind, "case", "en", "clean", text, (), answer, ())
        for said, wanted in cases:
            verdict = score(question, said)
            if verdict is not wanted:
                yield f"{text!r}: {said!r} is {verdict.value}, not {wanted.value}"


def _check_reading() -> Iterator[str]:
    text = "On 2026-01-31 at 14:05, Q3 had 1.250 units at €7,90 each (20%), code X99-12."
    numbers = [sorted(mention.readings) for mention in find_numbers(text)]
    if numbers != [[1.25, 1250.0], [7.9]]:
        yield f"numbers: {numbers}"
    if [mention.readings for mention in find_days(text)] != [{(2026, 1, 31)}]:
        yield "days"
    if [mention.readings for mention in find_times(text)] != [{845}]:
        yield "times"


def _check_abstention() -> Iterator[str]:
    yield from (f"not seen as declining: {said}" for said in _DECLINED if not declines(said))
    yield from (f"seen as declining: {said}" for said in _SAID if declines(said) or denies(said))
