"""How five languages write labels, money and days. Called by the families. Knows nothing of pictures or questions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from random import Random

from .labels import LABELS


class Language(StrEnum):
    """The languages documents are written in."""

    ENGLISH = "en"
    GERMAN = "de"
    FRENCH = "fr"
    SPANISH = "es"
    ITALIAN = "it"


MONTHS: dict[Language, tuple[str, ...]] = {
    Language(code): tuple(names.split())
    for code, names in (
        ("en", "January February March April May June July August September October November December"),
        ("de", "Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
        ("fr", "janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
        ("es", "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"),
        ("it", "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre"),
    )
}

WEEKDAYS: dict[Language, tuple[str, ...]] = {
    Language.ENGLISH: ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    Language.GERMAN: ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
    Language.FRENCH: ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
    Language.SPANISH: ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
    Language.ITALIAN: ("lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "sabato", "domenica"),
}


def names_of(name: str, language: Language) -> tuple[str, ...]:
    """A weekday's or month's name as printed and in English; any other name as it is."""
    for names in (WEEKDAYS, MONTHS):
        if name in names[language]:
            return tuple(dict.fromkeys((name, names[Language.ENGLISH][names[language].index(name)])))
    return (name,)


def label(key: str, language: Language) -> str:
    """The printed or spoken name of a field in a language."""
    return LABELS[key][list(Language).index(language)]


def labels_anywhere(key: str) -> tuple[str, ...]:
    """The name of a field in every language."""
    return LABELS[key]


@dataclass(frozen=True, slots=True)
class MoneyStyle:
    """How one document writes its amounts."""

    decimal: str
    thousands: str
    prefix: str
    suffix: str

    def write(self, cents: int, *, bare: bool = False) -> str:
        """An amount as printed, with or without its currency."""
        whole, rest = divmod(cents, 100)
        digits = f"{whole:,}".replace(",", self.thousands) + f"{self.decimal}{rest:02d}"
        return digits if bare else f"{self.prefix}{digits}{self.suffix}"


def choose_money_style(language: Language, rng: Random) -> MoneyStyle:
    """One of the ways that the language's countries write amounts."""
    if language is Language.ENGLISH:
        return rng.choice(
            (
                MoneyStyle(".", ",", "$", ""),
                MoneyStyle(".", ",", "£", ""),
                MoneyStyle(".", ",", "€", ""),
                MoneyStyle(".", ",", "CAD ", ""),
            )
        )
    thousands = {Language.FRENCH: " "}.get(language, ".")
    return rng.choice(
        (
            MoneyStyle(",", thousands, "", " €"),
            MoneyStyle(",", thousands, "€ ", ""),
            MoneyStyle(",", thousands, "", " EUR"),
        )
    )


def write_day(day: date, language: Language, style: int) -> str:
    """A day as printed; `style` 0 is ISO, 1 is in digits (in English with the month's name), 2 is in words."""
    month = MONTHS[language][day.month - 1]
    if style == 0:
        return day.isoformat()
    if style == 1:
        if language is Language.ENGLISH:
            return f"{day.day:02d}-{month[:3]}-{day.year}"
        mark = "." if language is Language.GERMAN else "/"
        return f"{day.day:02d}{mark}{day.month:02d}{mark}{day.year}"
    match language:
        case Language.ENGLISH:
            return f"{day.day} {month} {day.year}"
        case Language.GERMAN:
            return f"{day.day}. {month} {day.year}"
        case Language.SPANISH:
            return f"{day.day} de {month} de {day.year}"
        case Language.FRENCH | Language.ITALIAN:
            return f"{day.day} {month} {day.year}"


def write_time(minutes: int, separator: str = ":") -> str:
    """A time of day in 24 hours."""
    return f"{minutes // 60:02d}{separator}{minutes % 60:02d}"
