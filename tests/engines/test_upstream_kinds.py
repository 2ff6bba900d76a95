"""What SGLang, LMDeploy and Ollama take and answer in their own way, and that the API's promises hold with them.

The answers are written as these servers' classes render them: SGLang 0.5.23 (`ChatCompletionStreamResponse`,
`UsageInfo`, `ErrorResponse` and the streamed form of `serving_chat`), LMDeploy 0.18.0 (`ChatCompletionStreamResponse`,
`UsageInfo`, `ErrorResponse`). Ollama's are after its documentation and its issues.
"""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from tests.engines.other_server import DONE, FINE, delta, usage
from vitrail.domain.chat import JsonFormat, Sampling, Tool, ToolCall, ToolChoice, ToolMode
from vitrail.domain.completion import FinishReason, TokenLogprob
from vitrail.domain.errors import ContextTooLong, InvalidArgument, Unavailable
from vitrail.engines.base import FinishPiece, ReasoningPiece, TextPiece, ToolCallPiece
from vitrail.engines.server_kind import ServerKind
from vitrail.engines.upstream import UpstreamEngine, UpstreamOptions
from vitrail.engines.vocabulary import read_token

PAINT = Tool("paint", "Paints.", '{"type": "object"}')
THING = JsonFormat('{"type": "object"}', name="thing")


@pytest.fixture
async def engine_of(server):
    """Makes a started upstream engine that takes the server for one of a kind."""
    engines = []

    async def start(kind):
        options = UpstreamOptions(retries=0)
        engines.append(UpstreamEngine(options, base_url=server.url, model="big-vlm", kind=kind))
        await engines[-1].start()
        return engines[-1]

    yield start
    for engine in engines:
        await engine.close()


def sglang(finish=None, *, matched_stop=None, logprobs=None, usage=None, **content):
    """A chunk of SGLang: `matched_stop` is always there, the running usage where it was asked for."""
    told = {"role": None, "content": None, "reasoning_content": None, **content}
    choice = {"index": 0, "delta": told, "logprobs": logprobs, "finish_reason": finish, "matched_stop": matched_stop}
    chunk = {"id": "r1", "object": "chat.completion.chunk", "created": 1, "model": "big-vlm", "choices": [choice]}
    return chunk | ({"usage": usage} if usage else {})


def sglang_usage(completion, *, reasoning=0, details=None):
    """The counts of SGLang, reasoning beside the others."""
    return {
        "prompt_tokens": 10,
        "total_tokens": 10 + completion,
        "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": 4},
        "reasoning_tokens": reasoning,
        "completion_tokens_details": details,
    }


def told(token, logprob, **top):
    """One entry of `logprobs.content`."""
    others = [{"token": name, "bytes": [], "logprob": value} for name, value in top.items()]
    return {"token": token, "bytes": [], "logprob": logprob, "top_logprobs": others}


@pytest.mark.parametrize(("matched", "met"), [("END", "END"), ("<|im_end|>", None), (151645, None), (None, None)])
async def test_tells_the_stop_sequence_that_sglang_matched(server, engine_of, ask, collect, matched, met):
    """`matched_stop` is a sequence of the request, one of the chat template's own, or the id of a token."""
    server.answers = [[sglang(content="Hello"), sglang("stop", matched_stop=matched), DONE]]
    pieces = await collect(await engine_of(ServerKind.SGLANG), ask("Hi"), Sampling(stop=("END",)))
    assert pieces[-1].stop_sequence == met


@pytest.mark.parametrize(
    ("counts", "reasoning"),
    [
        (sglang_usage(22, reasoning=7, details={"reasoning_tokens": 7}), 7),
        (sglang_usage(22, reasoning=7), 7),  # before `completion_tokens_details` was there
        (sglang_usage(22), 2),  # not counted over there: what was seen
    ],
)
async def test_counts_the_reasoning_of_sglang(server, engine_of, ask, collect, counts, reasoning):
    """Reasoning tokens stand beside the other counts, and are none of the completion's."""
    server.answers = [
        [
            sglang(role="assistant", content=""),
            sglang(reasoning_content="Hm.", usage=sglang_usage(2)),
            sglang(content="Yes", usage=sglang_usage(22)),
            sglang("stop", matched_stop=151645),
            usage(**counts),
            DONE,
        ]
    ]
    pieces = await collect(await engine_of(ServerKind.SGLANG), ask("Why?"))
    assert pieces == [
        ReasoningPiece("Hm.", 2),
        TextPiece("Yes", 20),
        FinishPiece(
            FinishReason.STOP,
            22 - reasoning,
            reasoning,
            cached_tokens=4,
            engine_prompt_tokens=10,
            prompt_text_tokens=10,
        ),
    ]


async def test_a_chunk_without_a_count_among_counted_ones_adds_none(server, engine_of, ask, collect):
    """SGLang sends the rest of a call's arguments without a count, after all tokens were counted."""
    first = [{"id": "call_1", "index": 0, "type": "function", "function": {"name": "paint", "arguments": "{"}}]
    rest = [{"id": None, "index": 0, "type": "function", "function": {"name": None, "arguments": "}"}}]
    server.answers = [
        [
            sglang(tool_calls=first, usage=sglang_usage(9)),
            sglang(tool_calls=rest),
            sglang("tool_calls"),
            usage(**sglang_usage(9)),
            DONE,
        ]
    ]
    pieces = await collect(await engine_of(ServerKind.SGLANG), ask("Do it.", tools=(PAINT,)))
    assert pieces[0] == ToolCallPiece(ToolCall("call_1", "paint", "{}"), 9)


@pytest.mark.parametrize("kind", [ServerKind.SGLANG, ServerKind.LMDEPLOY])
@pytest.mark.parametrize("reason", ["abort", "error", "parse_error"])
async def test_an_answer_that_was_given_up_is_no_answer(server, engine_of, ask, collect, kind, reason):
    """An answer that the server itself aborted ends in a failure instead of passing for a short one."""
    server.answers = [[sglang(content="Hel"), sglang(reason, content="internal error"), DONE]]
    with pytest.raises(Unavailable):
        await collect(await engine_of(kind), ask("Hi"))


@pytest.mark.parametrize(
    ("kind", "error", "failure"),
    [
        (
            ServerKind.SGLANG,
            {"object": "error", "type": "INTERNAL_SERVER_ERROR", "param": None, "code": 500, "message": "/srv/secret"},
            Unavailable,
        ),
        (
            ServerKind.SGLANG,
            {
                "object": "error",
                "type": "BadRequestError",
                "param": None,
                "code": 400,
                "message": "The input (9 tokens) is longer than the model's context length (8 tokens).",
            },
            ContextTooLong,
        ),
        (
            ServerKind.LMDEPLOY,
            {
                "message": "Failed to parse output: no JSON",
                "type": "invalid_request_error",
                "code": 400,
                "param": None,
                "object": "error",
            },
            Unavailable,
        ),
    ],
)
async def test_an_error_within_a_stream_is_told_apart(server, engine_of, ask, collect, kind, error, failure):
    """The code in the error counts; what the model said and its server cannot read is no fault of the client."""
    server.answers = [[{"error": error}, DONE]]
    with pytest.raises(failure) as caught:
        await collect(await engine_of(kind), ask("Hi"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("kind", [kind for kind in ServerKind if kind is not ServerKind.OPENAI])
@pytest.mark.parametrize("choice", [None, ToolChoice(ToolMode.REQUIRED)])
async def test_calls_or_json_of_a_schema_are_held_to_one_schema(server, engine_of, ask, collect, kind, choice):
    """These servers hold the whole answer to the schema, or refuse, when a call is possible as well."""
    server.answers = [[delta(content='{"tool_calls": [{"name": "paint", "arguments": {}}]}'), delta("stop"), DONE]]
    prompt = ask("Do it.", tools=(PAINT,), tool_choice=choice, response_format=THING)
    pieces = await collect(await engine_of(kind), prompt)
    (body,) = server.bodies
    assert ("tools" in body, body["response_format"]["json_schema"]["name"]) == (False, "answer")
    assert [piece.call.name for piece in pieces if isinstance(piece, ToolCallPiece)] == ["paint"]


async def test_json_alone_and_calls_alone_go_to_sglang_as_they_are(server, engine_of, ask, collect):
    """Where only one of both is wanted, SGLang's own ways are used."""
    engine = await engine_of(ServerKind.SGLANG)
    server.answers = [[OLLAMA_CALLS[0], delta("tool_calls"), DONE], FINE]
    await collect(engine, ask("Do it.", tools=(PAINT,), tool_choice=ToolChoice(ToolMode.REQUIRED)))
    await collect(engine, ask("Do it.", response_format=THING))
    assert server.bodies[0]["tool_choice"] == "required"
    assert server.bodies[1]["response_format"]["json_schema"]["name"] == "thing"


@pytest.mark.parametrize("kind", [ServerKind.SGLANG, ServerKind.LMDEPLOY, ServerKind.OLLAMA])
async def test_seeds_fit_into_64_bits(server, engine_of, ask, collect, kind):
    """A seed that these servers would refuse becomes one that they take, the same each time."""
    server.answers = [FINE]
    await collect(await engine_of(kind), ask("Hi"), Sampling(seed=2**64 + 3))
    assert server.bodies[0]["seed"] == 3


async def test_lmdeploy_is_cut_at_stop_sequences_here(server, engine_of, ask, collect):
    """LMDeploy stops only at a token that holds a sequence: it is not told, cut here, and left at once."""
    server.answers = [[delta(content="One"), delta(content=" E"), delta(content="ND two"), "hang"]]
    async with asyncio.timeout(5):
        pieces = await collect(await engine_of(ServerKind.LMDEPLOY), ask("Count."), Sampling(stop=("END",)))
        await server.left.wait()
    assert "stop" not in server.bodies[0]
    assert pieces == [
        TextPiece("One"),
        TextPiece(" "),
        FinishPiece(FinishReason.STOP, 3, stop_sequence="END"),
    ]


async def test_what_was_held_back_comes_when_no_stop_sequence_did(server, engine_of, ask, collect):
    """The beginning of a stop sequence that does not go on is text."""
    server.answers = [[delta(content="One E"), delta(content="N"), delta("stop"), DONE]]
    pieces = await collect(await engine_of(ServerKind.LMDEPLOY), ask("Count."), Sampling(stop=("END",)))
    assert [piece.text for piece in pieces[:-1]] == ["One ", "EN"]
    assert pieces[-1].reason is FinishReason.STOP and pieces[-1].stop_sequence is None


async def test_lmdeploy_does_not_think_before_json(server, engine_of, ask, collect):
    """It would take the JSON for the thought, as nothing in a schema ends one."""
    engine = await engine_of(ServerKind.LMDEPLOY)
    server.answers = [FINE, FINE]
    await collect(engine, ask("Fill in.", response_format=THING, reasoning_effort="high"))
    await collect(engine, ask("Why?", reasoning_effort="high"))
    assert [body["chat_template_kwargs"]["enable_thinking"] for body in server.bodies] == [False, True]


@pytest.mark.parametrize(
    ("sampling", "name"),
    [
        (Sampling(frequency_penalty=0.5), "frequencyPenalty"),
        (Sampling(presence_penalty=-1), "presencePenalty"),
    ],
)
async def test_penalties_that_lmdeploy_would_ignore_are_refused(server, engine_of, ask, collect, sampling, name):
    """LMDeploy has these fields and does nothing with them; the neutral value passes."""
    engine = await engine_of(ServerKind.LMDEPLOY)
    with pytest.raises(InvalidArgument, match=name):
        await collect(engine, ask("Hi"), sampling)
    assert server.bodies == []
    server.answers = [FINE]
    await collect(engine, ask("Hi"), Sampling(frequency_penalty=0, presence_penalty=0))
    assert len(server.bodies) == 1


async def test_log_probabilities_of_lmdeploy_are_as_everywhere(server, engine_of, ask, collect):
    """The drawn token is among its alternatives, in words instead of signs of the vocabulary."""
    entry = told("ĠgrÃ¼n", -0.5, Ġrot=-0.25, Ġblau=-3.0)
    chunk = delta(content=" grün")
    chunk["choices"][0]["logprobs"] = {"content": [entry]}
    server.answers = [[chunk, delta("stop", content=""), DONE]]
    engine = await engine_of(ServerKind.LMDEPLOY)
    pieces = await collect(engine, ask("Which colour?"), Sampling(logprobs=True, top_logprobs=2))
    assert pieces[0].logprobs == (TokenLogprob(" grün", -0.5, ((" rot", -0.25), (" grün", -0.5))),)


async def test_log_probabilities_wait_for_their_text(server, engine_of, ask, collect):
    """A token whose text is held back (half a character) is told with the text; one of a call or a thought is not."""
    half = sglang(content="", logprobs={"content": [told("\ufffd", -1.0)]})
    whole = sglang(content="é", logprobs={"content": [told("\ufffd", -2.0)]})
    thought = sglang(reasoning_content="Hm", logprobs={"content": [told("Hm", -3.0)]})
    end_of_thought = sglang(logprobs={"content": [told("</think>", -4.0)]})
    last = sglang("stop", logprobs={"content": [told("<|im_end|>", -5.0)]})
    server.answers = [[thought, end_of_thought, sglang(content="T"), half, whole, last, DONE]]
    pieces = await collect(await engine_of(ServerKind.SGLANG), ask("Hi"), Sampling(logprobs=True))
    assert [piece.logprobs for piece in pieces if isinstance(piece, TextPiece)] == [
        (),
        (TokenLogprob("\ufffd", -1.0), TokenLogprob("\ufffd", -2.0)),
    ]
    assert pieces[2].tokens == 2


OLLAMA_CALLS = [
    delta(
        tool_calls=[
            {"id": f"call_{name}", "index": 0, "type": "function", "function": {"name": name, "arguments": "{}"}}
        ]
    )
    for name in ("paint", "look")
]


async def test_calls_of_ollama_that_share_an_index_are_two(server, engine_of, ask, collect):
    """Ollama gave every call the index 0 (its issue 15457); the ids tell them apart."""
    server.answers = [[*OLLAMA_CALLS, delta("tool_calls"), DONE]]
    pieces = await collect(await engine_of(ServerKind.OLLAMA), ask("Do it.", tools=(PAINT,)))
    assert [piece.call.name for piece in pieces if isinstance(piece, ToolCallPiece)] == ["paint", "look"]


async def test_one_call_is_one_where_the_server_does_not_keep_to_it(server, engine_of, ask, collect):
    """Without parallel calls the first one counts."""
    server.answers = [[*OLLAMA_CALLS, delta("tool_calls"), DONE]]
    prompt = ask("Do it.", tools=(PAINT,), parallel_tool_calls=False)
    pieces = await collect(await engine_of(ServerKind.OLLAMA), prompt)
    assert [piece.call.name for piece in pieces if isinstance(piece, ToolCallPiece)] == ["paint"]


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("Hello", "Hello"),
        ("ĠHello", " Hello"),
        ("Ċ", "\n"),
        ("ä½łå¥½", "你好"),
        ("▁Hello", " Hello"),
        ("é", "é"),  # SentencePiece's letter, or a third of a character
        ("<|im_end|>", "<|im_end|>"),
        ("你好", "你好"),
    ],
)
def test_entries_of_vocabularies_are_read(entry, text):
    """Byte-level BPE and SentencePiece write bytes and spaces in signs of their own."""
    assert read_token(entry) == text


@pytest.mark.parametrize("kind", ServerKind)
@pytest.mark.parametrize("tools", [(), (PAINT,)])
@pytest.mark.parametrize("is_read_whole", [False, True])
async def test_only_vllm_is_asked_for_longer_pieces(server, engine_of, ask, collect, kind, tools, is_read_whole):
    """Where nobody waits for pieces, vLLM gives eight tokens at once; never where calls have to be found in them."""
    server.answers = [FINE]
    await collect(await engine_of(kind), ask("Hi", tools=tools, is_read_whole=is_read_whole))
    assert ("stream_interval" in server.bodies[0]) is (kind is ServerKind.VLLM and is_read_whole and not tools)


async def test_no_longer_pieces_where_thoughts_have_to_be_told_apart(server, engine_of, ask, collect):
    """Thoughts are told from the answer token by token."""
    server.answers = [FINE]
    await collect(await engine_of(ServerKind.VLLM), ask("Hi", is_read_whole=True, reasoning_effort="low"))
    assert "stream_interval" not in server.bodies[0]


async def test_vllm_is_believed_its_counts_rather_than_its_reason(server, engine_of, ask, collect):
    """Before about 0.30 vLLM ended a call that `max_tokens` cut with `tool_calls`, and closed its JSON."""
    call = {"index": 0, "id": "a", "function": {"name": "paint", "arguments": '{"colour": "dark gre"}'}}
    server.answers = [
        [delta(tool_calls=[call]), delta("tool_calls"), usage(prompt_tokens=3, completion_tokens=5), DONE]
    ]
    pieces = await collect(await engine_of(ServerKind.VLLM), ask("Hi", tools=(PAINT,)), Sampling(max_tokens=5))
    assert pieces == [FinishPiece(FinishReason.LENGTH, 5, 0, engine_prompt_tokens=3, prompt_text_tokens=3)]


@pytest.mark.parametrize(
    ("counts", "has_picture", "text"),
    [
        ({"prompt_tokens": 12}, False, 12),
        ({"prompt_tokens": 0}, False, None),  # not counted at all
        ({"prompt_tokens": 270}, True, None),  # nobody can tell the picture's part
        ({"prompt_tokens": 270, "prompt_tokens_details": {"multimodal_tokens": {"image": 258}}}, True, 12),
        ({"prompt_tokens": 524, "prompt_tokens_details": {"text_tokens": 12, "image_tokens": 512}}, True, 12),
        ({"prompt_tokens": 524, "prompt_tokens_details": {"text_tokens": 0}}, True, None),
        ({"prompt_tokens": 270, "prompt_tokens_details": {"multimodal_tokens": None}}, True, None),
    ],
)
async def test_text_of_the_prompt_is_counted_where_it_can_be_told(
    server, engine_of, ask, collect, draw, counts, has_picture, text
):
    """By the other side's own count: the whole prompt without pictures, else what vLLM or xAI tell of its parts."""
    server.answers = [[delta(content="Red."), delta("stop"), usage(completion_tokens=2, **counts), DONE]]
    parts = (draw(2, 1), "What?") if has_picture else ("What?",)
    pieces = await collect(await engine_of(ServerKind.VLLM), ask(*parts))
    assert pieces[-1].prompt_text_tokens == text


TOO_MUCH = [
    "'max_tokens' or 'max_completion_tokens' is too large: 8000. This model's maximum context length is 8192 tokens and"
    " your request has 500 input tokens (8000 > 8192 - 500).",
    "max_tokens is too large: 8000. This model supports at most 4096 completion tokens.",
    "This model's maximum context length is 8192 tokens. However, you requested 8500 tokens (500 in the messages, 8000"
    " in the completion). Please reduce the length of the messages or completion.",
    "Requested token count exceeds the model's maximum context length of 8192 tokens. You requested a total of 8500"
    " tokens: 500 tokens from the input messages and 8000 tokens for the completion.",
]


@pytest.mark.parametrize("said", TOO_MUCH, ids=["vllm", "openai", "vllm-early", "sglang"])
async def test_a_budget_beyond_the_window_is_left_out(server, engine_of, ask, collect, said):
    """The prompt fits: with no budget the window is one, as it is for engines that take every `max_tokens`."""
    server.answers = [web.json_response({"message": said, "code": 400}, status=400), FINE]
    pieces = await collect(await engine_of(ServerKind.SGLANG), ask("Hi"), Sampling(max_tokens=8000))
    assert pieces[0] == TextPiece("Hello")
    assert [body.get("max_tokens") for body in server.bodies] == [8000, None]


async def test_a_prompt_that_does_not_fit_either_is_refused_after_that(server, engine_of, ask, collect):
    """It is asked once more and not for ever."""
    too_long = "The input (9001 tokens) is longer than the model's context length (8192 tokens)."
    server.answers = [web.json_response({"message": said}, status=400) for said in (TOO_MUCH[3], too_long)]
    with pytest.raises(ContextTooLong, match="9001"):
        await collect(await engine_of(ServerKind.SGLANG), ask("Hi"), Sampling(max_tokens=8000))


@pytest.mark.parametrize(
    "answer",
    [
        [delta("length", content=""), usage(prompt_tokens=9001, completion_tokens=0), DONE],
        [delta("error", content="internal error happened, status code ResponseType.INPUT_LENGTH_ERROR"), DONE],
    ],
    ids=["without-max-tokens", "with-max-tokens"],
)
async def test_lmdeploy_has_no_words_for_a_prompt_that_is_too_long(server, engine_of, ask, collect, answer):
    """It answers with nothing, cut at once, or with an error of its engine; both are the refusal that they mean."""
    server.answers = [answer]
    with pytest.raises(ContextTooLong):
        await collect(await engine_of(ServerKind.LMDEPLOY), ask("Hi"))


async def test_an_answer_cut_at_once_was_no_refusal(server, engine_of, ask, collect):
    """One token is an answer, also where its text is held back."""
    server.answers = [[delta("length", content=""), usage(prompt_tokens=3, completion_tokens=1), DONE]]
    pieces = await collect(await engine_of(ServerKind.LMDEPLOY), ask("Hi"), Sampling(max_tokens=1))
    assert [piece.reason for piece in pieces] == [FinishReason.LENGTH]
