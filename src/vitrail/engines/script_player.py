"""Turn a scripted answer into pieces under the sampling of a request. Used by scripted. Knows no clock and no rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from vitrail.domain.chat import Sampling, ToolCall, ToolMode
from vitrail.domain.completion import FinishReason, TokenLogprob
from vitrail.domain.errors import Failure
from vitrail.domain.stop import StopCutter
from vitrail.engines.base import FinishPiece, Piece, Prompt, ReasoningPiece, TextPiece, ToolCallPiece
from vitrail.engines.schema_example import render_example
from vitrail.engines.script import Answer, ScriptedCall, ScriptedChunk
from vitrail.engines.words import count_words, cut_words

ECHO = "I see {images}. You said: {question}"

Fill = Callable[[str], str]


class Player:
    """Plays one answer: what `chunks` says, cut by stop sequences and `max_tokens`, then what `finish` yields."""

    def __init__(self, answer: Answer, prompt: Prompt, sampling: Sampling, *, fill: Fill) -> None:
        self._answer = answer
        self._sampling = sampling
        self._stop = StopCutter(sampling.stop)
        self._played = 0
        self._tokens_left = sampling.max_tokens
        self._calls = answer.tool_calls or (_make_up_calls(prompt) if answer.says_nothing else ())
        self._chunks = _plan_chunks(answer, prompt, fill, has_calls=bool(self._calls))

    @property
    def chunks(self) -> tuple[ScriptedChunk, ...]:
        """Return what is to be played, in order; only as many as come before the scripted error."""
        return self._chunks if self._answer.error is None else self._chunks[: self._answer.error.after_chunks]

    @property
    def failure(self) -> Failure | None:
        """Return what the script wants raised once `chunks` were played."""
        error = self._answer.error
        return None if error is None else error.kind(error.text, retry_after_seconds=error.retry_after_seconds)

    @property
    def is_over(self) -> bool:
        """Tell whether a stop sequence or `max_tokens` ended the text."""
        return self._stop.stopped or self._tokens_left == 0

    def open(self) -> Iterator[Piece]:
        """Yield what comes before the text."""
        if self._answer.reasoning is not None:
            yield ReasoningPiece(self._answer.reasoning, count_words(self._answer.reasoning))

    def play(self, chunk: ScriptedChunk) -> Iterator[Piece]:
        """Yield the text of the chunk that may be sent by now, as one piece or none."""
        yield from self._speak(self._stop.push(chunk.text))

    def finish(self) -> Iterator[Piece]:
        """Yield held-back text, the function calls and the finish piece."""
        yield from self._speak(self._stop.flush())
        for index, call in enumerate(self._calls):
            yield ToolCallPiece(ToolCall(call.id or f"call_{index}", call.name, call.arguments), _count_call(call))
        answer = self._answer
        reasoned = count_words(answer.reasoning or "")
        yield FinishPiece(
            reason=answer.finish_reason or self._reason(),
            completion_tokens=self._played if answer.completion_tokens is None else answer.completion_tokens,
            reasoning_tokens=reasoned if answer.reasoning_tokens is None else answer.reasoning_tokens,
            cached_tokens=answer.cached_tokens,
            engine_prompt_tokens=answer.prompt_tokens,
        )

    def _speak(self, text: str) -> Iterator[Piece]:
        words = cut_words(text)[: self._tokens_left]
        if not words:
            return
        self._played += len(words)
        if self._tokens_left is not None:
            self._tokens_left -= len(words)
        yield TextPiece("".join(words), len(words), self._logprobs(words))

    def _logprobs(self, words: list[str]) -> tuple[TokenLogprob, ...]:
        if not self._sampling.logprobs:
            return ()
        logprob = self._answer.logprob
        return tuple(TokenLogprob(w, logprob, ((w, logprob),)[: self._sampling.top_logprobs]) for w in words)

    def _reason(self) -> FinishReason:
        if self._calls:
            return FinishReason.TOOL_CALLS
        return FinishReason.LENGTH if self._tokens_left == 0 and not self._stop.stopped else FinishReason.STOP


def _plan_chunks(answer: Answer, prompt: Prompt, fill: Fill, *, has_calls: bool) -> tuple[ScriptedChunk, ...]:
    """The chunks as written, or the words of a whole text, each a chunk of its own."""
    if answer.chunks is not None:
        return tuple(ScriptedChunk(fill(c.text), c.delay_seconds or answer.delay_seconds) for c in answer.chunks)
    text = ""
    if answer.text is not None:
        text = fill(answer.text)
    elif prompt.response_format is not None and not has_calls:
        text = render_example(prompt.response_format.schema or "{}")
    elif answer.says_nothing and not has_calls:
        text = fill(ECHO)
    return tuple(ScriptedChunk(word, answer.delay_seconds) for word in cut_words(text))


def _make_up_calls(prompt: Prompt) -> tuple[ScriptedCall, ...]:
    """One call of the tool that the request insists on."""
    choice = prompt.tool_choice
    if not prompt.tools or choice is None or choice.mode is not ToolMode.REQUIRED:
        return ()
    tool = next((t for t in prompt.tools if t.name == choice.name), prompt.tools[0])
    return (ScriptedCall(tool.name, render_example(tool.parameters)),)


def _count_call(call: ScriptedCall) -> int:
    return count_words(call.name) + count_words(call.arguments)
