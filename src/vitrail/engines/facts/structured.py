"""Answer with JSON about pictures: every value checked against the facts, asked again once, then null where it may
be.

Called by the engine. The schema reaches the language model as a grammar, so that the shape always holds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from vitrail.domain.chat import JsonFormat, Sampling
from vitrail.engines.base import Engine
from vitrail.engines.facts.answers import Case
from vitrail.engines.facts.ask import Answer, ask
from vitrail.engines.facts.conversation import add_turns
from vitrail.engines.facts.json_leaves import Leaf, find_unsupported_leaves, replace_leaf
from vitrail.engines.facts.options import FactsOptions

MOST_NAMED = 8


async def answer_in_json(
    case: Case, shape: JsonFormat, sampling: Sampling, language: Engine, options: FactsOptions
) -> Answer:
    """Return JSON text; one cut off by max_tokens is handed on as it is."""
    schema: dict[str, Any] = json.loads(shape.schema) if shape.schema else {}
    answer = await ask(language, case.prompt, sampling, most_tokens=options.answer_tokens)
    value, wrong = _check(answer, schema, case)
    if wrong:
        again = add_turns(case.prompt, answer.text, _objection(wrong))
        second = await ask(language, again, sampling, most_tokens=options.answer_tokens)
        value_again, still_wrong = _check(second, schema, case)
        if value_again is not None and len(still_wrong) <= len(wrong):
            answer, value, wrong = second, value_again, still_wrong
    cleared = [leaf for leaf in wrong if leaf.nullable and leaf.path]
    if value is None or not cleared:
        return answer
    for leaf in cleared:
        replace_leaf(value, leaf.path, None)
    return Answer(json.dumps(value, ensure_ascii=False), answer.reason)


def _check(answer: Answer, schema: dict[str, Any], case: Case) -> tuple[Any, tuple[Leaf, ...]]:
    """Return the parsed answer and its values without support; None when it is no whole JSON."""
    try:
        value = json.loads(answer.text)
    except ValueError:
        return None, ()
    return value, find_unsupported_leaves(value, schema, case.support.whole)


def _objection(wrong: Sequence[Leaf]) -> str:
    values = ", ".join(json.dumps(leaf.value, ensure_ascii=False) for leaf in wrong[:MOST_NAMED])
    return (
        f"The facts do not hold: {values}. Fill in the JSON again with values copied exactly from the facts, "
        "and null for what they do not say where null is allowed."
    )
