"""Tell whether a JSON value fits a schema, in bounded time: recursive unions could otherwise take for ever.

Called by `answer_shape` in a thread, with schemas that `schemas` has read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

MOST_STEPS = 50_000  # keywords looked at, about a second

Rule = Callable[[Any, Any, Any, Any], Iterator[ValidationError]]


class _TooManySteps(Exception):
    """The value and the schema multiply beyond what is worth checking."""


def is_valid(value: Any, schema: Any) -> bool:
    """Return whether the value fits; one that cannot be told within the bound does not."""
    left = [MOST_STEPS]
    rules = {name: _counted(rule, left) for name, rule in Draft202012Validator.VALIDATORS.items()}
    try:
        return bool(extend(Draft202012Validator, rules)(schema).is_valid(value))  # type: ignore[no-untyped-call]
    except (_TooManySteps, RecursionError):
        return False


def _counted(rule: Rule, left: list[int]) -> Rule:
    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        left[0] -= 1
        if left[0] < 0:
            raise _TooManySteps
        yield from rule(validator, value, instance, schema) or ()

    return check
