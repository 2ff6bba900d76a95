"""What holds for the arguments of a request on every surface: ranges, counts, and the sentences that refuse.

Called by each surface's parsers, which know the shapes of their wire; this knows none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import msgspec

from vitrail.domain.chat import Role, Sampling, Tool, ToolCall, ToolChoice, ToolMode
from vitrail.domain.errors import InvalidArgument

Number = TypeVar("Number", int, float)

INT32_MAX = 2**31 - 1
MOST_IMAGES = 10
NO_PARAMETERS = '{"type":"object","properties":{}}'
_MOST_TOP_LOGPROBS = 8
_MOST_STOPS = 4
_LONGEST_STOP = 1024  # characters
_MOST_TOOLS = 128


class ArgumentLimits(Protocol):
    """What an operator may set of these rules; the options of the REST surface are such limits."""

    @property
    def choices(self) -> int:
        """Return the largest `n`."""
        ...

    @property
    def schema_bytes(self) -> int:
        """Return the length of the longest JSON Schema."""
        ...

    @property
    def tokenize_body_bytes(self) -> int:
        """Return the size of the largest request without images."""
        ...


def within(name: str, value: Number | None, low: int, high: int) -> Number | None:
    """Return the value if it is absent or in its range; raises InvalidArgument with name, value and range."""
    if value is not None and not low <= value <= high:
        raise InvalidArgument(f"`{name}` must be between {low} and {high}, but is {_shown(value)}.")
    return value


def make_sampling(
    *,
    max_tokens: int | None,
    temperature: float | None,
    top_p: float | None,
    seed: int | None,
    stop: Sequence[str],
    frequency_penalty: float | None,
    presence_penalty: float | None,
    logprobs: bool,
    top_logprobs: int | None,
) -> Sampling:
    """Return how an answer is drawn; raises InvalidArgument for the first number that is out of its range."""
    top_logprobs = within("top_logprobs", top_logprobs, 0, _MOST_TOP_LOGPROBS)
    if top_logprobs and not logprobs:
        raise InvalidArgument("`top_logprobs` needs `logprobs` to be true.")
    max_tokens = within("max_tokens", max_tokens, 1, INT32_MAX)
    if top_p is not None and not 0 < top_p <= 1:
        raise InvalidArgument(f"`top_p` must be over 0 and at most 1, but is {top_p}.")
    return Sampling(
        max_tokens=max_tokens,
        temperature=within("temperature", temperature, 0, 2),
        top_p=top_p,
        seed=within("seed", seed, -INT32_MAX - 1, INT32_MAX),
        stop=check_stop(stop),
        frequency_penalty=within("frequency_penalty", frequency_penalty, -2, 2),
        presence_penalty=within("presence_penalty", presence_penalty, -2, 2),
        logprobs=logprobs,
        top_logprobs=top_logprobs or 0,
    )


def check_stop(stops: Sequence[str], *, name: str = "stop") -> tuple[str, ...]:
    """Return the stop sequences; empty ones stop nothing."""
    if len(stops) > _MOST_STOPS:
        raise InvalidArgument(f"`{name}` may have {_MOST_STOPS} sequences at most, but has {len(stops)}.")
    if any(len(text) > _LONGEST_STOP for text in stops):
        raise InvalidArgument(f"A sequence in `{name}` may have {_LONGEST_STOP} characters at most.")
    return tuple(text for text in stops if text)


def check_tool_count(count: int) -> None:
    """Raise InvalidArgument for more tools than a request may have."""
    if count > _MOST_TOOLS:
        raise InvalidArgument(f"`tools` may have {_MOST_TOOLS} functions at most, but has {count}.")


def check_schema_size(size_bytes: int, *, where: str, limits: ArgumentLimits) -> None:
    """Raise InvalidArgument for a JSON Schema that is too long."""
    if size_bytes > limits.schema_bytes:
        raise InvalidArgument(f"A JSON Schema may have {limits.schema_bytes} bytes at most.", where=where)


def choose_tool(name: str, tools: tuple[Tool, ...]) -> ToolChoice:
    """Return the choice of one function; one that is not among the tools cannot be called."""
    if all(tool.name != name for tool in tools):
        raise InvalidArgument(f"`tool_choice` names the function {name[:64]!r}, not one of `tools`.")
    return ToolChoice(ToolMode.REQUIRED, name=name)


def choose_mode(mode: ToolMode, tools: tuple[Tool, ...]) -> ToolChoice:
    """Return the choice of a mode; raises InvalidArgument where a function has to be called and there is none."""
    if mode is ToolMode.REQUIRED and not tools:
        raise InvalidArgument("`tool_choice` is `required`, but there are no `tools`.")
    return ToolChoice(mode)


def check_message_count(count: int) -> None:
    """Raise InvalidArgument for a request without messages."""
    if not count:
        raise InvalidArgument("`messages` is empty: send at least one message.")


def check_part_count(count: int, *, where: str) -> None:
    """Raise InvalidArgument for a list of content parts that is empty."""
    if not count:
        raise InvalidArgument("A list of content parts needs at least one part.", where=where)


def check_image_role(role: Role, *, where: str) -> None:
    """Raise InvalidArgument for an image where none may be."""
    if role is not Role.USER:
        raise InvalidArgument(
            f"Images are only taken in user messages, not in a message of role `{role}`.", where=where
        )


def parse_call(call_id: str, name: str, arguments: str, *, where: str) -> ToolCall:
    """Return a function call; raises InvalidArgument for arguments that are not JSON."""
    try:
        msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidArgument(
            f"The arguments to a tool_call with ID '{call_id[:64]}' are not a valid JSON string. "
            f"Parsing error: {str(error)[:200]}",
            where=where,
        ) from error
    return ToolCall(id=call_id, name=name, arguments=arguments)


def _shown(value: float) -> str:
    """Return a number for an error text; a huge integer is not written out."""
    return str(value) if abs(value) < 10**21 else f"{'-' if value < 0 else ''}10^21 or more"
