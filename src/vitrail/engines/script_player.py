"""Turn a scripted answer into pieces under the sampling of a request. Used by scripted. Knows no clock and no rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from vitrail.domain.chat import Sampling, ToolCall, ToolMode
from vitrail.domain.completion import FinishReason, TokenLogprob
from vitrail.domain.errors import Failure
from vitrail.domain.faults import PlayedFault, TransportFault
from vitrail.domain.stop import StopCutter
from vitrail.engines.base import FinishPiece, Piece, Prompt, ReasoningPiece, TextPiece, ToolCallPiece
from vitrail.engines.schema_example import render_example
from vitrail.engines.script import Answer, ScriptedCall, ScriptedChunk, ScriptedError, ScriptedFault
from vitrail.engines.words import count_words, cut_words

BREAKS_AN_ANSWER = (TransportFault.TRUNCATE, TransportFault.INVALID_JSON)
ECHO = "I see {images}. You said: {question}"

Fill = Callable[[str], str]


class Player:
    """Plays one answer: what `chunks` says, cut by stop sequences and `max_tokens`, then what `finish` yields."""

    def __init__(self, answer: Answer, prompt: Prompt, sampling: Sampling, *, fill: Fill) -> None:
        self._answer = answer
        self._sampling = sampling
        self._stop = StopCutter(() if answer.verbatim else sampling.stop)
        self._played = 0
        self._tokens_left = None if answer.verbatim else sampling.max_tokens
        self._calls = answer.tool_calls or (_make_up_calls(prompt) if answer.says_nothing else ())
        self._chunks = _plan_chunks(answer, prompt, str if answer.verbatim else fill, has_calls=bool(self._calls))

    @property
    def first_delay_seconds(self) -> float:
        """Return the pause before anything at all."""
        return self._answer.first_delay_seconds or 0.0

    @property
    def chunks(self) -> tuple[ScriptedChunk, ...]:
        """Return what is to be played, in order; only as many as come before the scripted error or fault."""
        return self._chunks[: self._answer.chunk_limit]

    @property
    def failure(self) -> Failure | None:
        """Return what the script wants raised once `chunks` were played."""
        match self._answer:
            case Answer(error=ScriptedError() as error):
                return error.failure()
            case Answer(fault=ScriptedFault(kind=TransportFault() as kind)):
                return PlayedFault(kind)
        return None

    @property
    def falls_silent(self) -> bool:
        """Tell whether nothing more may come, and no end either, once `chunks` were played."""
        return self._answer.fault is not None and self._answer.fault.kind is None

    @property
    def is_over(self) -> bool:
        """Tell whether a stop sequence or `max_tokens` ended the text."""
        return self._stop.stopped or self._tokens_left == 0

    def open(self) -> Iterator[Piece]:
        """Yield what comes before the text."""
        if self._answer.reasoning is not None:
            yield ReasoningPiece(self._answer.reasoning, count_words(self._answer.reasoning))
        if self._answer.fault is not None and self._answer.fault.kind in BREAKS_AN_ANSWER:
            yield TextPiece("", 0)  # an answer has to begin before it can break

    def play(self, chunk: ScriptedChunk) -> Iterator[Piece]:
        """Yield the text of the chunk that may be sent by now, as one piece or none."""
        yield from self._speak(self._stop.push(chunk.text))

    def finish(self) -> Iterator[Piece]:
        """Yield held-back text, the function calls and the finish piece."""
        yield from self._speak(self._stop.flush())
        for call in self._calls:
            yield ToolCallPiece(ToolCall(call.id or "", call.name, call.arguments), _count_call(call))
        answer = self._answer
        reasoned = count_words(answer.reasoning or "")
        yield FinishPiece(
            reason=answer.finish_reason or self._reason(),
            completion_tokens=self._played if answer.completion_tokens is None else answer.completion_tokens,
            reasoning_tokens=reasoned if answer.reasoning_tokens is None else answer.reasoning_tokens,
            cached_tokens=answer.cached_tokens,
            engine_prompt_tokens=answer.prompt_tokens,
            stop_sequence=self._stop.met,
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
        planned = [ScriptedChunk(fill(c.text), c.delay_seconds or answer.delay_seconds) for c in answer.chunks]
    else:
        text = _choose_text(answer, prompt, fill, has_calls=has_calls)
        planned = [ScriptedChunk(word, answer.delay_seconds) for word in cut_words(text)]
    if planned and answer.first_delay_seconds is not None:
        planned[0] = ScriptedChunk(planned[0].text)  # its pause comes before everything
    return tuple(planned)


def _choose_text(answer: Answer, prompt: Prompt, fill: Fill, *, has_calls: bool) -> str:
    if answer.text is not None:
        return fill(answer.text)
    if prompt.response_format is not None and not has_calls:
        return render_example(prompt.response_format.schema or "{}")
    return fill(ECHO) if answer.says_nothing and not has_calls else ""


def _make_up_calls(prompt: Prompt) -> tuple[ScriptedCall, ...]:
    """One call of the tool that the request insists on."""
    choice = prompt.tool_choice
    if not prompt.tools or choice is None or choice.mode is not ToolMode.REQUIRED:
        return ()
    tool = next((t for t in prompt.tools if t.name == choice.name), prompt.tools[0])
    return (ScriptedCall(tool.name, render_example(tool.parameters)),)


def _count_call(call: ScriptedCall) -> int:
    return count_words(call.name) + count_words(call.arguments)
