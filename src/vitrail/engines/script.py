"""What the scripted engine plays, as values; `script_file` reads them from YAML. Knows nothing of engines at work."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from vitrail.domain.completion import FinishReason
from vitrail.domain.errors import Failure
from vitrail.engines.base import Capabilities

EVERYTHING = Capabilities(images=True, logprobs=True, structured=True, tools=True, reasoning=True)


@dataclass(frozen=True, slots=True)
class Asked:
    """What rules look at: the last user message's text, the model's id, and the sizes of all images in pixels."""

    text: str
    model: str
    sizes_px: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class When:
    """Conditions of a rule, all of which must hold; None means that it does not matter."""

    text: str | None = None
    regex: re.Pattern[str] | None = None
    model: str | None = None
    images: range | None = None
    width_px: range | None = None
    height_px: range | None = None

    def holds(self, asked: Asked) -> bool:
        """Tell whether every condition holds; a size holds when one image has it in both directions."""
        return (
            (self.text is None or self.text.casefold() in asked.text.casefold())
            and (self.regex is None or self.regex.search(asked.text) is not None)
            and (self.model is None or self.model == asked.model)
            and (self.images is None or len(asked.sizes_px) in self.images)
            and self._size_holds(asked.sizes_px)
        )

    def _size_holds(self, sizes_px: tuple[tuple[int, int], ...]) -> bool:
        if self.width_px is None and self.height_px is None:
            return True
        return any(
            (self.width_px is None or width in self.width_px) and (self.height_px is None or height in self.height_px)
            for width, height in sizes_px
        )


@dataclass(frozen=True, slots=True)
class ScriptedChunk:
    """A piece of the answer and the pause before it."""

    text: str
    delay_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ScriptedCall:
    """A function call of the answer; `arguments` is JSON text."""

    name: str
    arguments: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class ScriptedError:
    """A failure in place of the rest of the answer, after so many chunks."""

    kind: type[Failure]
    text: str | None = None
    retry_after_seconds: float | None = None
    after_chunks: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; where text, chunks, calls and error are all missing, the engine makes one up."""

    text: str | None = None
    chunks: tuple[ScriptedChunk, ...] | None = None
    delay_seconds: float = 0.0
    reasoning: str | None = None
    tool_calls: tuple[ScriptedCall, ...] = ()
    error: ScriptedError | None = None
    finish_reason: FinishReason | None = None
    logprob: float = -0.1
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    prompt_tokens: int | None = None
    cached_tokens: int = 0

    @property
    def says_nothing(self) -> bool:
        """Tell whether the engine has to make up what to say."""
        return self.text is None and self.chunks is None and not self.tool_calls and self.error is None


@dataclass(frozen=True, slots=True)
class Rule:
    """When to give which answer: the first time the first one, and so on; the last one for ever."""

    when: When
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """Rules in the order they are tried, and what the engine claims to be able to do."""

    rules: tuple[Rule, ...] = ()
    capabilities: Capabilities = field(default=EVERYTHING)
