"""What a request has to say to each kind of server so that the API's promises hold there. Used by upstream. No I/O.

vLLM's and llama-server's habits were seen in tests against those servers; the others' are what is generally
known of them, not tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from vitrail.engines.openai_wire import Json
from vitrail.engines.server_kind import ServerKind

LLAMA_RANDOM_SEED = 0xFFFFFFFF  # which llama.cpp takes as "choose one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The habits of one kind of server.

    `keeps_tool_choice`: a call that must come does come; else the answer is held to a schema instead. `health_path`
    stands beside `/v1` and says more than the list of models.
    """

    counts_as_it_goes: bool = False  # `continuous_usage_stats`: each chunk tells the tokens so far
    strict_functions: bool = False  # arguments hold to their schema only if a function says `strict`
    least_top_logprobs: int = 0
    keeps_tool_choice: bool = True
    takes_parallel_calls: bool = True
    seed_limit: int | None = None
    switches_thinking: bool = False  # the chat template takes `enable_thinking`
    health_path: str | None = None
    reuses_streams: bool = False  # the connection of a stream that ended takes the next request; llama.cpp drops it
    extra: Mapping[str, Any] = field(default_factory=dict)


DIALECTS: Mapping[ServerKind, Dialect] = MappingProxyType(
    {
        ServerKind.OPENAI: Dialect(),
        ServerKind.VLLM: Dialect(
            counts_as_it_goes=True,
            strict_functions=True,
            switches_thinking=True,
            health_path="/health",
            reuses_streams=True,
        ),
        ServerKind.SGLANG: Dialect(
            counts_as_it_goes=True, strict_functions=True, switches_thinking=True, health_path="/health"
        ),
        ServerKind.LLAMA_SERVER: Dialect(
            least_top_logprobs=1,  # with 0 there are none at all
            keeps_tool_choice=False,  # it depends on the model's chat template
            seed_limit=LLAMA_RANDOM_SEED,
            switches_thinking=True,
            health_path="/health",
            extra={"timings_per_token": True},
        ),
        ServerKind.LMDEPLOY: Dialect(
            keeps_tool_choice=False, takes_parallel_calls=False, switches_thinking=True, health_path="/health"
        ),
        ServerKind.OLLAMA: Dialect(keeps_tool_choice=False, takes_parallel_calls=False),
    }
)


def adapt(body: Json, dialect: Dialect) -> Json:
    """Return the rendered request as this kind of server has to be told it; `body` itself may be changed."""
    if dialect.counts_as_it_goes:
        body["stream_options"]["continuous_usage_stats"] = True
    if body.get("logprobs"):
        body["top_logprobs"] = max(body.get("top_logprobs", 0), dialect.least_top_logprobs)
    if dialect.seed_limit is not None and "seed" in body:
        body["seed"] %= dialect.seed_limit
    if "tools" in body:
        _adapt_tools(body, dialect)
    if dialect.switches_thinking and "reasoning_effort" in body:
        body["chat_template_kwargs"] = {"enable_thinking": body["reasoning_effort"] != "none"}
    return {**body, **dialect.extra}


def _adapt_tools(body: Json, dialect: Dialect) -> None:
    if dialect.strict_functions:
        for tool in body["tools"]:
            tool["function"]["strict"] = True
    if not dialect.takes_parallel_calls:
        body.pop("parallel_tool_calls", None)
