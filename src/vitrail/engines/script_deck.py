"""A script being played: which rule answers now, and with which of its answers. Used by `scripted`."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass

from vitrail.engines.script import Answer, Asked, Script


@dataclass(frozen=True, slots=True)
class Turn:
    """What to answer: the rule by its number, None where none held, and how often it has answered by now."""

    rule: int | None
    answer: Answer
    call: int


class Deck:
    """A script being played: knows how often each rule has answered."""

    def __init__(self, script: Script, text: str | None = None) -> None:
        self.replace(script, text)
        self._held: Counter[int] = Counter()
        self._answered: Counter[int | None] = Counter()

    def replace(self, script: Script, text: str | None) -> None:
        """Go on with a script that has the same rules, and more after them."""
        self.script = script
        self.fingerprint = (
            "scripted-echo" if text is None else f"scripted-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        )

    def draw(self, asked: Asked) -> Turn:
        """Return what the first rule that holds answers this time."""
        for number, rule in enumerate(self.script.rules):
            if not rule.when.holds(asked):
                continue
            self._held[number] += 1
            if rule.when.call is None or self._held[number] in rule.when.call:
                self._answered[number] += 1
                call = self._answered[number]
                return Turn(number, rule.answers[min(call, len(rule.answers)) - 1], call)
        self._answered[None] += 1
        return Turn(None, Answer(), self._answered[None])
