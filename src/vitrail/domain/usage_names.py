"""Read the names that a usage query is written with, on the wire and on the command line; refuse what has no meaning.

`api_key_id`, `apiKeyId` and `api-key` are one name, and so are `TIME_UNIT_DAY` and `day`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import TypeVar
from zoneinfo import ZoneInfo

from vitrail.domain.errors import InvalidArgument
from vitrail.domain.usage import (
    TICKS_PER_USD,
    Aggregation,
    Compares,
    Comparison,
    Condition,
    Dimension,
    IsOneOf,
    Measure,
    TimeRange,
    TimeUnit,
    TokenType,
    Value,
)

E = TypeVar("E", TimeUnit, Aggregation, Comparison)

_DIMENSIONS = {
    "model": Dimension.MODEL,
    "description": Dimension.MODEL,
    "apikeyid": Dimension.API_KEY,
    "apikey": Dimension.API_KEY,
    "tokentype": Dimension.TOKEN_TYPE,
    "endpoint": Dimension.ENDPOINT,
    "requestip": Dimension.REQUEST_IP,
    "clientip": Dimension.REQUEST_IP,
    "ip": Dimension.REQUEST_IP,
    "teamid": Dimension.TEAM,
    "team": Dimension.TEAM,
    "status": Dimension.STATUS,
}
_MEASURES = {
    "usd": Measure.USD,
    "cost": Measure.USD,
    "tokens": Measure.TOKENS,
    "requests": Measure.REQUESTS,
    "images": Measure.IMAGES,
}
_FILTER = re.compile(r"(?P<not>NOT\s+)?(?P<field>[A-Za-z_-]+)\s*:\s*(?P<op>[<>=!~^]+|in\s)?\s*(?P<value>.*)", re.DOTALL)
_MOST_NAMES = 500
_MOST_NUMBER = 2**63 - 1
_YEARS = range(1970, 2201)
_UTC_NAMES = ("UTC", "Etc/UTC", "GMT", "Etc/GMT")  # known also where the system has no table of zones


def parse_unit(text: str, *, where: str) -> TimeUnit:
    """Parse a time unit."""
    name = text.lower().replace("-", "_").removeprefix("time_unit_")
    return _choose(TimeUnit, "calendar_week" if name == "week" else name, text, where)


def parse_value(name: str, aggregation: str, *, where: str) -> Value:
    """Parse a field with its aggregation; raises InvalidArgument where they do not go together."""
    plain = _plain(name)
    of = _MEASURES.get(plain) or _DIMENSIONS.get(plain)
    if of is None:
        raise _unknown("value", name, (*Measure, *(d for d in Dimension if d is not Dimension.TOKEN_TYPE)), where)
    asked = aggregation.lower().replace("-", "_").removeprefix("aggregation_")
    value = Value(of, _choose(Aggregation, asked, aggregation, where))
    if not value.is_allowed:
        allowed = ", ".join(a for a in Aggregation if Value(of, a).is_allowed) or "no aggregation"
        raise InvalidArgument(f"`{of}` can be asked with {allowed}, not {_short(asked)}.", where=where)
    return value


def parse_dimension(name: str, *, where: str) -> Dimension:
    """Parse a field to group by."""
    dimension = _DIMENSIONS.get(_plain(name))
    if dimension is None:
        raise _unknown("field", name, Dimension, where)
    return dimension


def parse_filter(text: str, *, where: str) -> Condition:
    """Parse `[NOT] field:[op]value`, such as `model:facts-1`, `apiKeyId:in a,b` or `tokens:>=1000`."""
    found = _FILTER.fullmatch(text.strip())
    if found is None:
        raise InvalidArgument(f"{_short(text)} is not `field:value` or `field:op value`.", where=where)
    field, op, value = found["field"], (found["op"] or "").strip(), found["value"].strip()
    negated = bool(found["not"])
    measure = _MEASURES.get(_plain(field))
    if measure is not None and measure is not Measure.REQUESTS:
        comparison = _choose(Comparison, op or "=", op, where)
        number = _parse_number(measure, value, where)
        return Compares(measure, comparison.opposite if negated else comparison, number)
    dimension = _DIMENSIONS.get(_plain(field))
    if dimension is None:
        raise _unknown("filter", field, (*(m for m in Measure if m is not Measure.REQUESTS), *Dimension), where)
    if op not in ("", "=", "!=", "in"):
        raise InvalidArgument(f"`{field}` can be filtered with =, != or in, not {_short(op)}.", where=where)
    names = tuple(name.strip() for name in value.split(",")) if op == "in" else (value,)
    _check_names(dimension, names, where)
    return IsOneOf(dimension, names, negated is not (op == "!="))


def parse_range(start: str, end: str, timezone: str, *, where: str) -> TimeRange:
    """Parse `YYYY-MM-DD HH:MM:SS` from and before which, as clocks in an IANA zone show it."""
    zone = parse_zone(timezone, where=f"{where}timezone")
    span = TimeRange(_parse_time(start, f"{where}startTime"), _parse_time(end, f"{where}endTime"), zone)
    if span.start.replace(tzinfo=zone).astimezone(UTC) >= span.end.replace(tzinfo=zone).astimezone(UTC):
        raise InvalidArgument("The range ends before it begins; its end is not part of it.", where=f"{where}endTime")
    return span


def parse_zone(name: str, *, where: str) -> tzinfo:
    """Parse the name of an IANA time zone; none is UTC."""
    if not name or name in _UTC_NAMES:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # a folder of zones is an OSError
        hint = "Use a name such as `Europe/Berlin`."
        raise InvalidArgument(f"There is no time zone {_short(name)}.", where=where, hint=hint) from error


def _parse_time(text: str, where: str) -> datetime:
    try:
        moment = datetime.strptime(text, "%Y-%m-%d %H:%M:%S")
    except ValueError as error:
        raise InvalidArgument(f"{_short(text)} is not a time as `YYYY-MM-DD HH:MM:SS`.", where=where) from error
    if moment.year not in _YEARS:
        raise InvalidArgument(f"The year is not from {_YEARS[0]} to {_YEARS[-1]}.", where=where)
    return moment


def _parse_number(measure: Measure, text: str, where: str) -> int:
    try:
        number = Decimal(text) * (TICKS_PER_USD if measure is Measure.USD else 1)
    except InvalidOperation as error:
        raise InvalidArgument(f"{_short(text)} is not a number.", where=where) from error
    if not number.is_finite() or abs(number) > _MOST_NUMBER or number != int(number):
        kind = "an amount of at most 10 decimals" if measure is Measure.USD else "a whole number"
        raise InvalidArgument(f"{_short(text)} is not {kind}.", where=where)
    return int(number)


def _check_names(dimension: Dimension, names: tuple[str, ...], where: str) -> None:
    if len(names) > _MOST_NAMES:
        raise InvalidArgument(f"A filter names at most {_MOST_NAMES} of a field, not {len(names)}.", where=where)
    for name in names:
        if dimension is Dimension.TOKEN_TYPE and name not in tuple(TokenType):
            raise _unknown("token type", name, TokenType, where)
        if not name.isprintable():
            raise InvalidArgument("A filter has a character that no name has.", where=where)
        if not name and dimension is not Dimension.REQUEST_IP:
            raise InvalidArgument(f"The filter of `{dimension}` says no value.", where=where)


def _choose(kind: type[E], name: str, text: str, where: str) -> E:
    try:
        return kind(name)
    except ValueError:
        what = {TimeUnit: "time unit", Aggregation: "aggregation", Comparison: "operator"}[kind]
        raise _unknown(what, text, kind, where) from None


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _unknown(what: str, name: str, known: Iterable[str], where: str) -> InvalidArgument:
    return InvalidArgument(f"There is no {what} {_short(name)}.", where=where, hint=f"Use one of {', '.join(known)}.")


def _short(text: str) -> str:
    return repr(text[:64])
