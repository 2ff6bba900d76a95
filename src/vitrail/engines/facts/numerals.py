"""Read numbers the way documents print them. Pure; called by charts, facts_text and the checks of an answer."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

# a number with thousands and decimal separators, not part of a word, time, date or identifier
_NUMBER = re.compile(r"(?<![\w.,:/-])[-\u2212]?\d+(?:[.,'\u00a0\u202f]\d+)*(?![\w:/]|[-.,]\d)")
_CURRENCY = r"[$\u20ac\u00a3\u00a5]|USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|kr\.?"
_MONEY = re.compile(
    rf"\s*(?:{_CURRENCY})?\s*([-\u2212]?\d+(?:[.,'\u00a0\u202f ]\d+)*)\s*(?:%|{_CURRENCY}|-)?\s*", re.IGNORECASE
)
_QUANTITY = re.compile(r"\s*([-\u2212]?\d+(?:[.,'\u00a0\u202f]\d+)*)\s*([^\W\d_]{1,4})\s*")


def read_number(text: str) -> float | None:
    """Return the value of a text that is one number, a currency or percent sign aside; else None."""
    found = _MONEY.fullmatch(text)
    return parse_number(found[1]) if found else None


def read_quantity(text: str) -> tuple[float, str] | None:
    """Return value and unit of a text that is a number, with a unit of a few letters or none; else None."""
    number = read_number(text)
    if number is not None:
        return number, ""
    found = _QUANTITY.fullmatch(text)
    value = parse_number(found[1]) if found else None
    return None if found is None or value is None else (value, found[2])


def parse_number(text: str) -> float | None:
    """Return the value of digits with separators: the last of `.` and `,` is decimal unless three digits follow it."""
    digits = text.replace("\u2212", "-")
    digits = re.sub(r"['\u00a0\u202f ]", "", digits)
    last = max(digits.rfind("."), digits.rfind(","))
    if last >= 0:
        mark = digits[last]
        thousands = digits.count(mark) > 1 or (len(digits) - last - 1 == 3 and mark == ",")
        whole, fraction = (digits, "") if thousands else (digits[:last], digits[last + 1 :])
        digits = re.sub(r"[.,]", "", whole) + ("." + fraction if fraction else "")
    try:
        return float(Decimal(digits))
    except InvalidOperation:
        return None


def find_numbers(text: str) -> tuple[float, ...]:
    """Return the numbers that stand on their own in the text, in order."""
    values = (parse_number(found[0].rstrip(".,")) for found in _NUMBER.finditer(_detach_units(text)))
    return tuple(value for value in values if value is not None)


def _detach_units(text: str) -> str:
    """Put a space between a currency sign or unit and its number."""
    text = re.sub(r"(?<=[$\u20ac\u00a3\u00a5#])(?=\d)|(?<=\d)(?=[$\u20ac\u00a3\u00a5%\u00b0])", " ", text)
    text = re.sub(r"(?<=[A-Z]{3})(?=\d)", " ", text)
    return re.sub(r"(?<=\d)(?=(?:kg|g|mg|km|cm|mm|m|l|ml|h|s|min|kwh|kw|x|pm|am)\b)", " ", text, flags=re.IGNORECASE)
