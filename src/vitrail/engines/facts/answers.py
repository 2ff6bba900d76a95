"""Answer a question about pictures in words: one answer of the language model, checked, asked again once at most.

Called by the engine. What code can say exactly it says itself: the whole text of a picture, the result of a
calculation, and that a photo does not tell. Everything here ends in a text that the facts support or in an abstention.
"""

from __future__ import annotations

from dataclasses import dataclass

from vitrail.domain.chat import Sampling
from vitrail.domain.completion import FinishReason
from vitrail.engines.base import Engine, Prompt
from vitrail.engines.facts.ask import Answer, ask
from vitrail.engines.facts.calculation import REQUEST, work_out
from vitrail.engines.facts.conversation import add_turns, all_said, last_question, narrate
from vitrail.engines.facts.facts_text import render_facts
from vitrail.engines.facts.guard import Support, find_false_premises, find_unsupported
from vitrail.engines.facts.lookups import find_values, look_up
from vitrail.engines.facts.options import FactsOptions
from vitrail.engines.facts.photos import (
    ABSTENTION,
    asks_for_everything,
    contradicts,
    describe,
    is_answerable,
    is_scene,
)
from vitrail.engines.facts.reading import asks_for_code, asks_for_marks, asks_to_read_out, read_codes_out, read_out
from vitrail.engines.facts.relevance import is_beside_the_point
from vitrail.engines.facts.sheet import FactSheet
from vitrail.engines.facts.words import is_yes_no


@dataclass(frozen=True, slots=True)
class Case:
    """One question with all that its answer may rest on; `prompt` has the facts in place of the pictures."""

    question: str
    prompt: Prompt
    sheets: tuple[FactSheet, ...]
    support: Support


def open_case(prompt: Prompt, sheets: tuple[FactSheet, ...], options: FactsOptions) -> Case:
    """Gather the question, the prompt for the language model and the support of its answer."""
    most = options.facts_characters
    facts = "\n".join(render_facts(sheet, characters=most) for sheet in sheets)
    question = last_question(prompt)
    values = find_values(question, sheets, facts)
    looked_up = values or (look_up(question, sheets) if not is_scene(sheets) else ())
    narrated = narrate(prompt, sheets, looked_up, characters=most)
    return Case(question, narrated, sheets, Support("\n".join([facts, *values]), all_said(prompt)))


async def answer_in_words(case: Case, sampling: Sampling, language: Engine, options: FactsOptions) -> Answer:
    """Return an answer that the facts support, or the abstention."""
    said = _say_exactly(case)
    if said:
        return Answer(said, FinishReason.STOP)
    answer = await ask(language, case.prompt, sampling, most_tokens=options.answer_tokens)
    wrong = _find_wrong(answer, case)
    if wrong and _is_number(wrong):
        return await _calculate(answer, case, sampling, language, options)
    if wrong:
        again = add_turns(case.prompt, answer.text, _objection(wrong))
        answer = await ask(language, again, sampling, most_tokens=options.answer_tokens)
        if _find_wrong(answer, case):
            return Answer(ABSTENTION, FinishReason.STOP)
    if not is_scene(case.sheets) and await is_beside_the_point(
        case.question, answer.text, case.support.facts, language
    ):
        return Answer(ABSTENTION, FinishReason.STOP)
    return answer


async def _calculate(answer: Answer, case: Case, sampling: Sampling, language: Engine, options: FactsOptions) -> Answer:
    """Return the calculation behind a number that the facts do not hold, done in code, or the abstention."""
    asked = add_turns(case.prompt, answer.text, REQUEST)
    written = await ask(language, asked, sampling, most_tokens=options.answer_tokens)
    result = work_out(written.text, case.question, case.support.facts)
    return Answer(result or ABSTENTION, FinishReason.STOP)


def _say_exactly(case: Case) -> str | None:
    """Return the answer where it needs no language model."""
    if asks_for_code(case.question) and any(sheet.codes for sheet in case.sheets):
        return read_codes_out(case.sheets)
    if asks_to_read_out(case.question) and any(sheet.rows for sheet in case.sheets):
        return read_out(case.sheets)
    if is_scene(case.sheets):
        if asks_for_everything(case.question) and len(case.sheets) == 1:
            return describe(case.sheets[0])
        return None if is_answerable(case.question, case.sheets) else ABSTENTION
    if asks_for_marks(case.question, case.support.facts):
        return ABSTENTION
    if is_yes_no(case.question):
        return None
    earlier = case.support.said.replace(case.question, "")
    return ABSTENTION if find_false_premises(case.question, f"{case.support.facts}\n{earlier}") else None


def _find_wrong(answer: Answer, case: Case) -> tuple[str, ...]:
    """Return what in the answer has no support."""
    if is_scene(case.sheets) and contradicts(case.question, answer.text, case.sheets):
        return (answer.text.split()[0],)
    return find_unsupported(answer.text, case.question, case.support)


def _is_number(wrong: tuple[str, ...]) -> bool:
    return all(any(character.isdigit() for character in word) for word in wrong)


def _objection(wrong: tuple[str, ...]) -> str:
    words = ", ".join(wrong)
    return f"The facts do not hold: {words}. Answer again without it. If the facts do not say, reply: {ABSTENTION}"
