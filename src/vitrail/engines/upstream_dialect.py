"""What a request has to say to each kind of server so that the API's promises hold there. Used by upstream. No I/O.

vLLM's and llama-server's habits were seen in tests against those servers. SGLang's (0.5.23) and LMDeploy's (0.18.0)
were seen with their own request and answer classes, Ollama's are what is written about it; docs/models.md says more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from vitrail.domain.chat import Sampling, ToolMode
from vitrail.domain.completion import TokenLogprob
from vitrail.domain.errors import InvalidArgument
from vitrail.engines.base import FinishPiece, Piece, Prompt, TextPiece
from vitrail.engines.due_calls import must_call
from vitrail.engines.openai_wire import Json
from vitrail.engines.server_kind import ServerKind
from vitrail.engines.vocabulary import read_token

LLAMA_RANDOM_SEED = 0xFFFFFFFF  # which llama.cpp takes as "choose one"
LONGER_PIECE_TOKENS = 8  # as many may go uncounted when a client leaves, and a slow server takes seconds for them
SIGNED_SEEDS = 1 << 63  # what fits into 64 bits with a sign


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The habits of one kind of server.

    `keeps_tool_choice`: a call that must come does come; `calls_beside_schema`: with tools and a response format the
    answer may be either. Where one of them does not hold, the answer is held to a schema of calls instead.
    `health_path` stands beside `/v1` and says more than the list of models.
    """

    counts_as_it_goes: bool = False  # `continuous_usage_stats`: each chunk tells the tokens so far
    strict_functions: bool = False  # arguments hold to their schema only if a function says `strict`
    least_top_logprobs: int = 0
    keeps_tool_choice: bool = True
    calls_beside_schema: bool = True
    stops_anywhere: bool = True  # at any stop sequence; else only at tokens that hold one, and Vitrail cuts
    takes_penalties: bool = True
    names_tokens_raw: bool = False  # log probabilities tell tokens as the vocabulary has them
    takes_parallel_calls: bool = True
    seed_limit: int | None = None
    switches_thinking: bool = False  # the chat template takes `enable_thinking`
    thinks_before_json: bool = True  # else JSON of a schema begins at once and would be taken for the thought
    health_path: str | None = None
    lists_all_models: bool = False  # and refuses every other name
    sends_longer_pieces: bool = False  # at the request's own `stream_interval`, in tokens
    reuses_streams: bool = False  # the connection of a stream that ended takes the next request; llama.cpp drops it
    tells_stop_if_verbose: bool = False  # which stop sequence was met
    extra: Mapping[str, Any] = field(default_factory=dict)


DIALECTS: Mapping[ServerKind, Dialect] = MappingProxyType(
    {
        ServerKind.OPENAI: Dialect(),
        ServerKind.VLLM: Dialect(
            counts_as_it_goes=True,
            strict_functions=True,
            calls_beside_schema=False,  # the schema wins, and no call can come
            switches_thinking=True,
            health_path="/health",
            lists_all_models=True,
            sends_longer_pieces=True,
            reuses_streams=True,
        ),
        ServerKind.SGLANG: Dialect(
            counts_as_it_goes=True,
            strict_functions=True,
            calls_beside_schema=False,  # refused if a call must come; else the schema wins and no call can come
            seed_limit=SIGNED_SEEDS,
            switches_thinking=True,
            health_path="/health",
        ),
        ServerKind.LLAMA_SERVER: Dialect(
            least_top_logprobs=1,  # with 0 there are none at all
            keeps_tool_choice=False,  # it depends on the model's chat template, and so does this:
            calls_beside_schema=False,
            seed_limit=LLAMA_RANDOM_SEED,
            switches_thinking=True,
            health_path="/health",
            tells_stop_if_verbose=True,
            extra={"timings_per_token": True},
        ),
        ServerKind.LMDEPLOY: Dialect(
            keeps_tool_choice=False,  # `required` with some parsers only, a function's name never
            calls_beside_schema=False,
            stops_anywhere=False,
            takes_penalties=False,
            names_tokens_raw=True,
            seed_limit=SIGNED_SEEDS,
            switches_thinking=True,
            thinks_before_json=False,
            health_path="/health",
            lists_all_models=True,
        ),
        ServerKind.OLLAMA: Dialect(
            keeps_tool_choice=False, calls_beside_schema=False, takes_parallel_calls=False, seed_limit=SIGNED_SEEDS
        ),
    }
)


def refuse(sampling: Sampling, dialect: Dialect) -> None:
    """Raise InvalidArgument for what this kind of server would leave out without a word."""
    penalties = {"frequencyPenalty": sampling.frequency_penalty, "presencePenalty": sampling.presence_penalty}
    for name, penalty in penalties.items():
        if penalty and not dialect.takes_penalties:
            raise InvalidArgument(f"Argument not supported on this model: {name}")


def must_force(prompt: Prompt, dialect: Dialect) -> bool:
    """Return whether calls come from this kind of server only if the answer is held to a schema of calls."""
    choice = prompt.tool_choice
    may_be_json = prompt.response_format is not None and (choice is None or choice.mode is not ToolMode.NONE)
    is_kept = (dialect.keeps_tool_choice or not must_call(prompt)) and (dialect.calls_beside_schema or not may_be_json)
    return bool(prompt.tools) and not is_kept


def adapt(body: Json, dialect: Dialect, *, is_read_whole: bool = False) -> Json:
    """Return the rendered request as this kind of server has to be told it; `body` itself may be changed."""
    is_parsed = "tools" in body or "reasoning_effort" in body  # calls and thoughts are found over there, token by token
    if is_read_whole and dialect.sends_longer_pieces and not is_parsed:
        body["stream_interval"] = LONGER_PIECE_TOKENS
    if dialect.counts_as_it_goes:
        body["stream_options"]["continuous_usage_stats"] = True
    if body.get("logprobs"):
        body["top_logprobs"] = max(body.get("top_logprobs", 0), dialect.least_top_logprobs)
    if dialect.seed_limit is not None and "seed" in body:
        body["seed"] %= dialect.seed_limit
    if not dialect.stops_anywhere:
        body.pop("stop", None)
    if dialect.tells_stop_if_verbose and "stop" in body:
        body["verbose"] = True
    if "tools" in body:
        _adapt_tools(body, dialect)
    if dialect.switches_thinking and "reasoning_effort" in body:
        body["chat_template_kwargs"] = {"enable_thinking": body["reasoning_effort"] != "none"}
    if not dialect.thinks_before_json and "response_format" in body:
        body["chat_template_kwargs"] = {"enable_thinking": False}
    return {**body, **dialect.extra}


def read(piece: Piece, prompt: Prompt, sampling: Sampling, dialect: Dialect) -> Piece:
    """Return a piece from this kind of server as it is meant."""
    match piece:
        case FinishPiece():
            if piece.stop_sequence not in sampling.stop:  # one of the chat template's own
                piece = replace(piece, stop_sequence=None)
            if piece.prompt_text_tokens is None and not prompt.images:  # the whole prompt is text; 0 is no count
                piece = replace(piece, prompt_text_tokens=piece.engine_prompt_tokens or None)
        case TextPiece(logprobs=logprobs) if logprobs and dialect.names_tokens_raw:
            return replace(piece, logprobs=tuple(_read_logprob(one) for one in logprobs))
    return piece


def _read_logprob(told: TokenLogprob) -> TokenLogprob:
    top = tuple((read_token(token), logprob) for token, logprob in told.top)
    return replace(told, token=read_token(told.token), top=top)


def _adapt_tools(body: Json, dialect: Dialect) -> None:
    if dialect.strict_functions:
        for tool in body["tools"]:
            tool["function"]["strict"] = True
    if not dialect.takes_parallel_calls:
        body.pop("parallel_tool_calls", None)
