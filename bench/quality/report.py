"""Sum outcomes up by kind, as a table for people and as JSON for programs. Called by the command line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any

from .asking import Outcome
from .question import Kind
from .scoring import Verdict

_ROW = "{:<14} {:>5} {:>7} {:>6} {:>10} {:>18} {:>7} {:>9}"


def render_table(outcomes: Sequence[Outcome]) -> str:
    """A row for each kind and the totals; the share is that of right answers."""
    rows = [_ROW.format("kind", "n", "right", "share", "abstained", "confidently wrong", "errors", "median s")]
    for kind in Kind:
        some = [outcome for outcome in outcomes if outcome.question.kind is kind]
        if some:
            rows.append(_render_row(kind.value, some))
    if outcomes:
        rows.append(_render_row("TOTAL", outcomes))
    leaves = sum(outcome.leaves for outcome in outcomes)
    if leaves:
        rows.append(f"JSON leaves right: {sum(outcome.leaves_right for outcome in outcomes)} of {leaves}")
    for what in ("medium", "language"):
        rows.append(_render_shares(what, outcomes))
    return "\n".join(rows)


def render_misses(outcomes: Sequence[Outcome]) -> str:
    """Every question that was not answered right, with what was said."""
    rows = []
    for outcome in outcomes:
        if outcome.verdict is not Verdict.RIGHT:
            said = " ".join((outcome.said or outcome.error or "").split())
            question = outcome.question
            rows.append(f"{outcome.verdict.value:<9} {question.id} {question.family}: {question.text}")
            rows.append(f"          -> {said[:200]}")
    return "\n".join(rows)


def render_json(outcomes: Sequence[Outcome], model: str, seed: int) -> dict[str, Any]:
    """Every question, answer and verdict."""
    return {
        "model": model,
        "seed": seed,
        "totals": dict(Counter(outcome.verdict.value for outcome in outcomes)),
        "questions": [
            {
                "id": outcome.question.id,
                "kind": outcome.question.kind.value,
                "family": outcome.question.family,
                "language": outcome.question.language,
                "medium": outcome.question.medium,
                "question": outcome.question.text,
                "expected": repr(outcome.question.answer),
                "answer": outcome.said,
                "verdict": outcome.verdict.value,
                "error": outcome.error,
                "seconds": round(outcome.seconds, 3),
            }
            for outcome in outcomes
        ],
    }


def _render_row(name: str, outcomes: Sequence[Outcome]) -> str:
    tally = Counter(outcome.verdict for outcome in outcomes)
    share = f"{100 * tally[Verdict.RIGHT] / len(outcomes):.0f}%"
    seconds = f"{median(outcome.seconds for outcome in outcomes):.2f}"
    counts = [tally[verdict] for verdict in (Verdict.ABSTAINED, Verdict.WRONG, Verdict.ERROR)]
    return _ROW.format(name, len(outcomes), tally[Verdict.RIGHT], share, *counts, seconds)


def _render_shares(what: str, outcomes: Sequence[Outcome]) -> str:
    """How many were right by medium or language, of the questions on one picture."""
    single = [outcome for outcome in outcomes if len(outcome.question.images) == 1]
    names = sorted({getattr(outcome.question, what) for outcome in single})
    cells = []
    for name in names:
        some = [outcome for outcome in single if getattr(outcome.question, what) == name]
        cells.append(f"{name} {sum(o.verdict is Verdict.RIGHT for o in some)}/{len(some)}")
    return f"right by {what}: " + ", ".join(cells)
