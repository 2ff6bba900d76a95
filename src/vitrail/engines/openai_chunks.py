"""Streamed chunks of OpenAI-style servers to pieces. Used by openai_client. Does no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from vitrail.domain.chat import ToolCall
from vitrail.domain.completion import FinishReason, TokenLogprob
from vitrail.domain.errors import ContextTooLong, Unavailable
from vitrail.engines.base import FinishPiece, Piece, ReasoningPiece, TextPiece, ToolCallPiece
from vitrail.engines.openai_wire import Json

FINISH_REASONS = {
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
}
GIVEN_UP = frozenset({"abort", "error", "parse_error"})  # what came is no answer, whatever it says
NO_ROOM = "INPUT_LENGTH_ERROR"  # LMDeploy, in the place of an answer


class ChunkParser:
    """Turns the chunks of one streamed answer into pieces; `finish` gives the last one.

    A function call comes in fragments and leaves whole; one that was cut, at `max_tokens` or earlier, does not leave.
    Where chunks carry a running count of tokens, pieces count exactly; else every chunk with text is one token. Raises
    Unavailable for an answer that the engine gave up, ContextTooLong where that was for want of room, and KeyError,
    TypeError, ValueError, IndexError or AttributeError for chunks of another shape.
    """

    def __init__(self, *, top_logprobs: int = 0, max_tokens: int | None = None) -> None:
        self._top_logprobs = top_logprobs
        self._max_tokens = max_tokens
        self._usage: Mapping[str, Any] = {}
        self._finish_reason: FinishReason | None = None
        self._stop_sequence: str | None = None
        self._counted = 0
        self._reasoned = 0
        self._is_told_counts = False
        self._has_text = False
        self._held: tuple[TokenLogprob, ...] = ()  # of tokens whose text has not come yet
        self._open_call: _OpenCall | None = None
        self._calls = 0

    @property
    def is_finished(self) -> bool:
        """Tell whether the engine said why it ended; a stream that closes before was cut."""
        return self._finish_reason is not None

    @property
    def has_started(self) -> bool:
        """Tell whether the model has said anything yet."""
        return self._counted > 0

    def parse(self, chunk: Json) -> Iterator[Piece]:
        """Yield the pieces that `chunk` completes."""
        self._usage = chunk.get("usage") or self._usage
        for choice in chunk.get("choices") or ():
            yield from self._parse_choice(choice, running=_running_count(chunk))
        if met := (chunk.get("__verbose") or {}).get("stopping_word"):  # llama.cpp, in its last one, if it was asked
            self._stop_sequence = str(met)

    def finish(self) -> Iterator[Piece]:
        """Yield a call that is still open, then the finish piece; `is_finished` must hold."""
        assert self._finish_reason is not None
        reason, total = self._finish_reason, self._usage.get("completion_tokens")
        if reason is FinishReason.LENGTH and total == 0 and not self.has_started:
            raise ContextTooLong  # LMDeploy, of a prompt that leaves no room
        if self._open_call is not None and self._is_used_up(total):
            reason, self._open_call = FinishReason.LENGTH, None  # SGLang and vLLM may have closed its JSON themselves
        yield from self._close_call()
        reasoning = _reasoning_count(self._usage, seen=self._reasoned)
        yield FinishPiece(
            reason=FinishReason.TOOL_CALLS if self._calls and reason is not FinishReason.LENGTH else reason,
            completion_tokens=None if total is None else max(0, int(total) - reasoning),
            reasoning_tokens=reasoning,
            cached_tokens=int((self._usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0),
            engine_prompt_tokens=self._usage.get("prompt_tokens"),
            prompt_text_tokens=_prompt_text_count(self._usage),
            stop_sequence=self._stop_sequence,
        )

    def _is_used_up(self, total: int | None) -> bool:
        """Tell whether the budget ended the answer; vLLM before about 0.30 did not say so of a call."""
        is_spent = total is not None and total == self._max_tokens
        return is_spent or self._finish_reason is FinishReason.LENGTH

    def _parse_choice(self, choice: Json, *, running: int | None) -> Iterator[Piece]:
        delta = choice.get("delta") or {}
        if (reason := choice.get("finish_reason")) in GIVEN_UP:
            raise ContextTooLong if NO_ROOM in (delta.get("content") or "") else Unavailable
        reasoning, text, fragments = _read_reasoning(delta), delta.get("content") or "", delta.get("tool_calls") or ()
        logprobs = self._gather_logprobs(choice, text, has_other=bool(reasoning or fragments))
        if (reasoning or text) and self._open_call is not None and self._open_call.is_whole:
            yield from self._close_call()  # it came before them
        if reasoning:
            others = len(text) + sum(len(_arguments(fragment)) for fragment in fragments)
            tokens = self._count(running, seen=1, share=len(reasoning) / (len(reasoning) + others))
            self._reasoned += tokens
            yield ReasoningPiece(reasoning, tokens)
        if text:
            self._has_text = True
            yield TextPiece(str(text), self._count(running, seen=len(logprobs) or 1), logprobs)
        for fragment in fragments:
            yield from self._parse_fragment(fragment, tokens=self._count(running, seen=1))
        if reason:
            self._finish_reason = FINISH_REASONS.get(reason, FinishReason.STOP)
            met = choice.get("stop_reason") or choice.get("matched_stop")  # vLLM, SGLang; a number is a token's id
            self._stop_sequence = met if isinstance(met, str) and reason == "stop" else None

    def _gather_logprobs(self, choice: Json, text: str, *, has_other: bool) -> tuple[TokenLogprob, ...]:
        """Return the log probabilities of the text in this chunk, with those that came before it.

        While a server holds text back (half a character, what may become a call) it sends some without text. A chunk
        with more than text, or the last one, may have some of a thought, of a call or of the answer's end besides.
        """
        news = tuple(self._parse_logprob(item) for item in (choice.get("logprobs") or {}).get("content") or ())
        if text:
            logprobs, self._held = (*self._held, *news), ()
            return _find_text(logprobs, text) if has_other or choice.get("finish_reason") else logprobs
        ends_a_thought = self._reasoned > 0 and not self._has_text
        self._held = () if has_other or ends_a_thought else (*self._held, *news)
        return ()

    def _parse_fragment(self, fragment: Json, *, tokens: int) -> Iterator[Piece]:
        function = fragment.get("function") or {}
        index, id = fragment.get("index", 0), fragment.get("id") or ""
        if self._open_call is None or not self._open_call.goes_on(index, id):
            yield from self._close_call()
            self._open_call = _OpenCall(index, id)
        self._open_call.tokens += tokens
        self._open_call.names.append(function.get("name") or "")
        self._open_call.arguments.append(_arguments(fragment))

    def _close_call(self) -> Iterator[Piece]:
        call, self._open_call = self._open_call, None
        if call is not None:
            self._calls += 1
            arguments = "".join(call.arguments) or "{}"  # some servers write nothing for a function that takes nothing
            yield ToolCallPiece(ToolCall(call.id, "".join(call.names), arguments), call.tokens)

    def _parse_logprob(self, item: Json) -> TokenLogprob:
        token, logprob = str(item["token"]), float(item["logprob"])
        top = [(str(t["token"]), float(t["logprob"])) for t in item.get("top_logprobs") or ()]
        if all(name != token for name, _ in top):  # LMDeploy leaves out the one that was drawn
            top = sorted([*top, (token, logprob)], key=lambda one: -one[1])
        return TokenLogprob(token, logprob, tuple(top[: self._top_logprobs]))

    def _count(self, running: int | None, *, seen: int, share: float = 1.0) -> int:
        """Return the tokens of one piece, which is this share of what is new in its chunk.

        A chunk without a count among chunks with one waits for the next.
        """
        self._is_told_counts |= running is not None
        if self._is_told_counts:
            running = self._counted if running is None else running
            seen = round(max(0, running - self._counted) * share)
        self._counted += seen
        return seen


@dataclass(slots=True)
class _OpenCall:
    index: int
    id: str
    names: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    tokens: int = 0

    @property
    def is_whole(self) -> bool:
        """Tell whether the arguments are JSON."""
        try:
            msgspec.json.decode("".join(self.arguments))
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return False
        return True

    def goes_on(self, index: int, id: str) -> bool:
        """Tell whether a fragment is of this call; some servers give every call the same index."""
        return index == self.index and id in ("", self.id or id)


def _arguments(fragment: Json) -> str:
    return (fragment.get("function") or {}).get("arguments") or ""


def _find_text(logprobs: tuple[TokenLogprob, ...], text: str) -> tuple[TokenLogprob, ...]:
    """Return those in a row whose tokens are the text; all of them where tokens are written in another way."""
    for begin in range(len(logprobs)):
        joined = ""
        for end in range(begin, len(logprobs)):
            joined += logprobs[end].token
            if joined == text:
                return logprobs[begin : end + 1]
            if not text.startswith(joined):
                break
    return logprobs


def _read_reasoning(delta: Json) -> str:
    return str(delta.get("reasoning_content") or delta.get("reasoning") or "")


def _reasoning_count(usage: Mapping[str, Any], *, seen: int) -> int:
    """The reasoning tokens as the usage has them, which SGLang writes beside the other counts; else those seen."""
    count = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens")
    return int(count) if count is not None else int(usage.get("reasoning_tokens") or seen)


def _prompt_text_count(usage: Mapping[str, Any]) -> int | None:
    """The prompt's tokens without pictures, where the usage tells them apart: as xAI does, or as vLLM."""
    details = usage.get("prompt_tokens_details") or {}
    total, text = usage.get("prompt_tokens"), details.get("text_tokens")
    pictures = (details.get("multimodal_tokens") or {}).get("image")
    if text is None and isinstance(total, int) and isinstance(pictures, int):
        text = total - pictures
    return text if isinstance(text, int) and text > 0 else None


def _running_count(chunk: Json) -> int | None:
    """The tokens generated up to this chunk, where the engine says it in its own way (llama.cpp) or in vLLM's."""
    timings, usage = chunk.get("timings"), chunk.get("usage")
    if timings and "predicted_n" in timings:
        return int(timings["predicted_n"])
    return int(usage["completion_tokens"]) if usage and "completion_tokens" in usage else None
