"""The upstream engine, and the client that it shares with llama, against a server that says what the test wants."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from aiohttp import web

from tests.engines.other_server import DONE, FINE, delta, usage
from tests.fixtures.waiting import comes_within_a_second
from vitrail.domain.chat import JsonFormat, Role, Sampling, TextPart, Tool, ToolCall, ToolChoice, ToolMode
from vitrail.domain.completion import FinishReason, TokenLogprob
from vitrail.domain.errors import ContextTooLong, InvalidArgument, RateLimited, Unavailable
from vitrail.engines.base import FinishPiece, Prompt, PromptMessage, ReasoningPiece, TextPiece, ToolCallPiece
from vitrail.engines.openai_errors import KeyRefused, NotServed
from vitrail.engines.server_kind import ServerKind
from vitrail.engines.upstream import UpstreamEngine, UpstreamOptions

SECRET = "sk-secret-of-the-operator"
INSIDE = "/srv/models/private.gguf at 10.0.0.7: traceback"


@pytest.fixture
def slept():
    """The pauses before retries."""
    return []


@pytest.fixture
async def open_upstream(server, slept):
    """Makes started engines that ask that server and only note their pauses; other keywords are UpstreamOptions'."""
    opened = []

    async def sleep(seconds):
        slept.append(seconds)

    async def open_engine(*, kind=ServerKind.OPENAI, url=server.url, monotonic=time.monotonic, **options):
        engine = UpstreamEngine(
            UpstreamOptions(**options),
            base_url=url,
            model="big-vlm",
            name="our-vlm",
            key=SECRET,
            kind=kind,
            sleep=sleep,
            monotonic=monotonic,
        )
        opened.append(engine)
        await engine.start()
        return engine

    yield open_engine
    for engine in opened:
        await engine.close()


@pytest.fixture
async def upstream(open_upstream):
    """An upstream engine that asks that server, as patient as by default."""
    return await open_upstream()


@pytest.fixture
async def impatient(open_upstream):
    """An upstream engine that bears silence for a second only, for servers that fall silent."""
    return await open_upstream(first_piece_seconds=1, idle_seconds=1)


async def test_streams_text_and_counts(server, upstream, ask, collect):
    """Text comes piece by piece; the counts of the other server come at the end."""
    counts = {"prompt_tokens": 300, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 7}}
    server.answers = [[delta(content="Hel"), delta(content="lo"), delta("length"), usage(**counts), DONE]]
    assert await collect(upstream, ask("Hi")) == [
        TextPiece("Hel"),
        TextPiece("lo"),
        FinishPiece(FinishReason.LENGTH, 2, 0, cached_tokens=7, engine_prompt_tokens=300, prompt_text_tokens=300),
    ]


@pytest.mark.parametrize(("reason", "met"), [("END", "END"), (151645, None), (None, None)])
async def test_tells_the_stop_sequence_that_vllm_names(server, upstream, ask, collect, reason, met):
    """vLLM's `stop_reason` is the sequence, or the id of a token that ended the answer by itself."""
    last = delta("stop")
    last["choices"][0]["stop_reason"] = reason
    server.answers = [[delta(content="Hello"), last, DONE]]
    assert (await collect(upstream, ask("Hi"), Sampling(stop=("END",))))[-1].stop_sequence == met


async def test_sends_everything_of_the_prompt(server, upstream, collect, draw):
    """Model, key, messages with pictures as PNG, sampling, schema and tools travel in the API's own form."""
    call = ToolCall("c1", "look", '{"a": 1}')
    messages = (
        PromptMessage(Role.DEVELOPER, (TextPart("Be brief."),)),
        PromptMessage(Role.USER, (draw(2, 1), TextPart("What?")), name="Ada"),
        PromptMessage(Role.ASSISTANT, (), tool_calls=(call,)),
        PromptMessage(Role.TOOL, (TextPart("seen"),), tool_call_id="c1"),
    )
    prompt = Prompt(
        messages,
        response_format=JsonFormat('{"type": "object"}', name="thing"),
        tools=(Tool("look", "Looks.", '{"type": "object"}'),),
        tool_choice=ToolChoice(ToolMode.REQUIRED, "look"),
        reasoning_effort="low",
    )
    sampling = Sampling(
        max_tokens=5,
        temperature=0.5,
        top_p=0.9,
        seed=3,
        stop=("a",),
        frequency_penalty=1,
        logprobs=True,
        top_logprobs=2,
    )
    looks = {"index": 0, "id": "c2", "function": {"name": "look", "arguments": "{}"}}
    server.answers = [[delta(tool_calls=[looks]), delta("tool_calls"), DONE]]
    await collect(upstream, prompt, sampling)
    (body,) = server.bodies
    image = body["messages"][1]["content"].pop(0)
    assert image["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    assert body == {
        "model": "big-vlm",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "What?"}], "name": "Ada"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}}],
            },
            {"role": "tool", "content": "seen", "tool_call_id": "c1"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 5,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 3,
        "stop": ["a"],
        "frequency_penalty": 1,
        "logprobs": True,
        "top_logprobs": 2,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "thing", "schema": {"type": "object"}, "strict": True},
        },
        "tools": [
            {
                "type": "function",
                "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object"}},
            }
        ],
        "parallel_tool_calls": True,
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "reasoning_effort": "low",
    }
    assert server.headers[0]["Authorization"] == f"Bearer {SECRET}"


async def test_function_calls_are_put_together(server, upstream, ask, collect):
    """Fragments of several calls come out whole and in order; the reason is tool_calls."""

    def fragment(index, **function):
        return delta(tool_calls=[{"index": index, "id": function.pop("id", None), "function": function}])

    server.answers = [
        [
            fragment(0, id="a", name="f", arguments=""),
            fragment(0, arguments='{"x"'),
            fragment(0, arguments=": 1}"),
            fragment(1, name="g", arguments="{}"),
            delta("tool_calls"),
            DONE,
        ]
    ]
    pieces = await collect(upstream, ask("Hi"))
    assert [piece.call for piece in pieces[:-1]] == [ToolCall("a", "f", '{"x": 1}'), ToolCall("", "g", "{}")]
    assert all(isinstance(piece, ToolCallPiece) for piece in pieces[:-1])
    assert pieces[-1].reason is FinishReason.TOOL_CALLS


async def test_reasoning_is_kept_apart(server, upstream, ask, collect):
    """Reasoning is its own kind of piece, and its tokens are no completion tokens."""
    details = {"reasoning_tokens": 30}
    server.answers = [
        [
            delta(reasoning_content="Hm."),
            delta(content="Yes"),
            delta("stop"),
            usage(prompt_tokens=5, completion_tokens=31, completion_tokens_details=details),
            DONE,
        ]
    ]
    pieces = await collect(upstream, ask("Hi"))
    assert pieces[0] == ReasoningPiece("Hm.")
    assert (pieces[-1].completion_tokens, pieces[-1].reasoning_tokens) == (1, 30)


async def test_logprobs_are_passed_on(server, upstream, ask, collect):
    """Log probabilities come with their text, as many alternatives as asked."""
    top = [{"token": "Hi", "logprob": -0.1}, {"token": "Ho", "logprob": -2}, {"token": "Hu", "logprob": -3}]
    chunk = delta(content="Hi")
    chunk["choices"][0]["logprobs"] = {"content": [{"token": "Hi", "logprob": -0.1, "top_logprobs": top}]}
    server.answers = [[chunk, delta("stop"), DONE]]
    pieces = await collect(upstream, ask("Hi"), Sampling(logprobs=True, top_logprobs=2))
    assert pieces[0].logprobs == (TokenLogprob("Hi", -0.1, (("Hi", -0.1), ("Ho", -2.0))),)


async def test_m07_bytes_cut_anywhere_make_whole_text(server, upstream, ask, collect):
    """M07 events and characters cut in the middle of the network's packets come out whole; bad bytes as U+FFFD."""
    whole = b"".join(b"data: " + json.dumps(d, ensure_ascii=False).encode() + b"\r\n\r\n" for d in FINE[:-1])
    whole = whole.replace(b"Hello", "Grüße 🦊".encode() + b"\xff")
    server.answers = [[bytes([b]) for b in whole] + [b": keep-alive\n\n", DONE]]
    assert (await collect(upstream, ask("Hi")))[0].text == "Grüße 🦊\ufffd"


@pytest.mark.parametrize(
    ("status", "document", "failure"),
    [
        (400, {"error": {"message": f"maximum context length is 4096 tokens {INSIDE}"}}, ContextTooLong),
        (400, {"error": {"message": INSIDE, "type": "exceed_context_size_error"}}, ContextTooLong),
        (400, {"message": f"Multimodal prompt is too long after expanding multimodal tokens {INSIDE}"}, ContextTooLong),
        (400, {"message": f"Input length (9 tokens) exceeds the maximum allowed length {INSIDE}"}, ContextTooLong),
        (400, {"object": "error", "message": f"bad image {INSIDE}", "code": 400}, InvalidArgument),
        (422, {"detail": [INSIDE]}, InvalidArgument),
        (400, INSIDE, InvalidArgument),
        (401, {"error": {"message": f"wrong key {SECRET}"}}, KeyRefused),
        (403, {"error": INSIDE}, KeyRefused),
        (404, {"error": {"message": "no model big-vlm"}}, NotServed),
        (500, {"error": {"message": INSIDE, "code": 400, "type": "x"}}, InvalidArgument),
        (500, {"error": {"message": INSIDE}}, Unavailable),
        (302, {}, Unavailable),
    ],
)
async def test_m06_errors_are_translated_and_never_leaked(server, upstream, ask, collect, status, document, failure):
    """M06 whatever form an error has, it becomes one of ours, in our words."""
    server.answers = [web.json_response(document, status=status) for _ in range(3)]
    with pytest.raises(failure) as caught:
        await collect(upstream, ask("Hi"))
    assert type(caught.value) is failure
    assert INSIDE not in str(caught.value) and SECRET not in str(caught.value) and "big-vlm" not in str(caught.value)


async def test_m06_an_error_that_comes_in_parts_is_read_whole(server, upstream, ask, collect):
    """M06 an error's words may come after the first packet of its body."""
    body = json.dumps({"error": {"padding": "x" * 4000, "message": "maximum context length is 4096 tokens"}}).encode()

    async def parts():
        for at in range(0, len(body), 1000):
            yield body[at : at + 1000]
            await asyncio.sleep(0.01)

    server.answers = [web.Response(status=400, body=parts(), content_type="application/json")]
    with pytest.raises(ContextTooLong):
        await collect(upstream, ask("Hi"))


@pytest.mark.parametrize("kind", [ServerKind.OPENAI, ServerKind.VLLM])
async def test_m06_deeply_nested_json_is_a_failure(server, open_upstream, ask, collect, kind):
    """M06 neither an event nor an error body nested beyond reading is a fault of our own."""
    deep = b"[" * 100_000
    engine = await open_upstream(kind=kind, retries=0)
    server.answers = [
        [b"data: " + deep + b"\n\n"],
        web.Response(status=503, body=deep, content_type="application/json"),
    ]
    for _ in range(2):
        with pytest.raises(Unavailable):
            await collect(engine, ask("Hi"))


async def test_a_call_that_was_cut_is_none(server, upstream, ask, collect):
    """Half a call at the end of the budget is left out, and the answer says that it was cut."""
    half = {"index": 0, "id": "a", "function": {"name": "paint", "arguments": '{"colour": "dark gre'}}
    server.answers = [[delta(tool_calls=[half]), delta("length"), usage(prompt_tokens=3, completion_tokens=5), DONE]]
    assert await collect(upstream, ask("Hi", tools=(PAINT,))) == [
        FinishPiece(FinishReason.LENGTH, 5, 0, engine_prompt_tokens=3, prompt_text_tokens=3)
    ]


async def test_m06_an_error_answered_as_success_is_one(server, upstream, ask, collect):
    """M06 status 200 with an error object is that error."""
    server.answers = [web.json_response({"error": {"code": 400, "message": "Failed to load image"}})]
    with pytest.raises(InvalidArgument, match="image"):
        await collect(upstream, ask("Hi"))


async def test_a_chunk_whose_error_is_null_has_none(server, upstream, ask, collect):
    """Some servers write every field of a chunk, and the error is null where there is none."""
    server.answers = [[delta(content="Hello") | {"error": None}, delta("stop"), DONE]]
    assert (await collect(upstream, ask("Hi")))[0] == TextPiece("Hello")


@pytest.mark.parametrize(("status", "failure"), [(429, RateLimited), (503, Unavailable)])
async def test_m24_retry_after_is_passed_on(server, upstream, ask, collect, status, failure, slept):
    """M24 a long Retry-After goes to the client instead of being waited for here."""
    server.answers = [web.Response(status=status, headers={"Retry-After": "17"})]
    with pytest.raises(failure) as caught:
        await collect(upstream, ask("Hi"))
    assert (caught.value.retry_after_seconds, slept) == (17, [])


async def test_m24_a_busy_server_is_asked_again_while_nothing_was_sent(server, upstream, ask, collect, slept):
    """M24 short refusals are retried with growing pauses, and the client sees only the answer."""
    server.answers = [web.Response(status=503), web.Response(status=429), FINE]
    assert (await collect(upstream, ask("Hi")))[0] == TextPiece("Hello")
    assert slept == [0.5, 1.0]


async def test_m24_nothing_is_retried_once_text_was_sent(server, upstream, ask):
    """M24 a stream that breaks after its first piece fails and is not started again."""
    server.answers = [[delta(content="Hel"), "cut"], FINE]
    seen = []
    with pytest.raises(Unavailable):
        async for piece in upstream.generate(ask("Hi"), Sampling()):
            seen.append(piece)
    assert seen == [TextPiece("Hel")] and len(server.bodies) == 1


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(text="<html>Bad Gateway</html>", content_type="text/html"),
        web.json_response({"choices": "of another shape"}),
        [b"data: {not json\n\n"],
        [b"data: [1, 2]\n\n"],
        [b'data: {"choices": [{"delta": []}]}\n\n', b'data: {"choices": 5}\n\n'],
        [delta(content="Hel")],
        [delta(content="Hel"), DONE],
        [],
        [{"error": {"message": INSIDE, "code": 500}}],
        [b"data: " + b"x" * (17 << 20)],
    ],
    ids=["html", "json", "not-json", "list", "shape", "cut", "done-early", "empty", "error-event", "huge-event"],
)
async def test_m25_a_strange_answer_is_unavailable(server, upstream, ask, collect, answer):
    """M25 HTML, a truncated stream or another shape end in one clean failure."""
    server.answers = [answer, *[web.Response(status=503)] * 3]
    with pytest.raises(Unavailable) as caught:
        await collect(upstream, ask("Hi"))
    assert caught.value.message == "The service is currently unavailable."


@pytest.mark.parametrize(
    "answer",
    [["hang"], [delta(role="assistant"), "hang"], [delta(content="Hel"), "hang"]],
    ids=["head", "role", "text"],
)
async def test_m05_silence_ends_the_request_once(server, impatient, ask, collect, answer):
    """M05 a server that stops sending is left after the limit, and not asked again."""
    server.answers = [answer, FINE]
    with pytest.raises(Unavailable):
        await collect(impatient, ask("Hi"))
    assert len(server.bodies) == 1


async def test_m05_keep_alives_are_no_sign_of_life(server, impatient, ask, collect):
    """M05 comments between events do not put off the limit."""
    server.answers = [[delta(content="Hel"), b": ping\n\n", "hang"]]
    with pytest.raises(Unavailable):
        await collect(impatient, ask("Hi"))


async def test_m03_closing_drops_the_connection(server, upstream, ask):
    """M03 the other server sees at once that nobody listens any more."""
    server.answers = [[delta(content="Hel"), "hang"]]
    stream = upstream.generate(ask("Hi"), Sampling())
    await anext(stream)
    await stream.aclose()
    assert await comes_within_a_second(server.left.is_set)


async def test_health_follows_the_other_server(server, upstream):
    """Ready while the models can be listed, not ready once the server is gone; the detail is for operators."""
    assert (await upstream.health()).ready
    await server.close()
    assert not (await upstream.health()).ready


async def test_an_unreachable_server_is_unavailable(open_upstream, ask, collect):
    """No connection is a failure after the retries, and start does not need one."""
    engine = await open_upstream(url="http://127.0.0.1:1/v1", retries=1)
    with pytest.raises(Unavailable):
        await collect(engine, ask("Hi"))


async def test_what_the_model_cannot_is_refused_here(server, open_upstream, ask, collect, draw):
    """Pictures and tools for a model that takes none never leave."""
    engine = await open_upstream(images=False, tools=False)
    for prompt in (ask(draw()), ask("Hi", tools=(Tool("f", "", "{}"),))):
        with pytest.raises(InvalidArgument):
            await collect(engine, prompt)
    assert server.bodies == []


EVERYTHING = Sampling(max_tokens=5, seed=2**32 + 7, logprobs=True)
PAINT = Tool("paint", "Paints.", '{"type": "object"}')


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (ServerKind.OPENAI, {}),
        (ServerKind.VLLM, {"running counts": True, "strict": True, "thinking": {"enable_thinking": True}}),
        (ServerKind.SGLANG, {"running counts": True, "strict": True, "thinking": {"enable_thinking": True}}),
        (
            ServerKind.LLAMA_SERVER,
            {"top": 1, "seed": 8, "timings": True, "thinking": {"enable_thinking": True}},
        ),
        (ServerKind.LMDEPLOY, {"thinking": {"enable_thinking": True}}),
        (ServerKind.OLLAMA, {"parallel": None}),
    ],
)
async def test_each_kind_of_server_is_told_what_it_needs(server, open_upstream, ask, collect, kind, told):
    """Beyond the API's own fields every kind of server hears its own, and a plain one nothing else."""
    engine = await open_upstream(kind=kind)
    server.answers = [FINE]
    await collect(engine, ask("Hi", tools=(PAINT,), reasoning_effort="high"), EVERYTHING)
    (body,) = server.bodies
    plain = {
        "running counts": None,
        "strict": None,
        "thinking": None,
        "top": 0,
        "seed": 2**32 + 7,
        "timings": None,
        "parallel": True,
    }
    assert {
        "running counts": body["stream_options"].get("continuous_usage_stats"),
        "strict": body["tools"][0]["function"].get("strict"),
        "thinking": body.get("chat_template_kwargs"),
        "top": body["top_logprobs"],
        "seed": body["seed"],
        "timings": body.get("timings_per_token"),
        "parallel": body.get("parallel_tool_calls"),
    } == plain | told


@pytest.mark.parametrize("kind", [ServerKind.OLLAMA, ServerKind.LMDEPLOY, ServerKind.LLAMA_SERVER])
async def test_a_call_that_must_come_is_forced_where_the_server_would_not(server, open_upstream, ask, collect, kind):
    """Where `tool_choice` is not kept, the answer is held to a schema and read as the call that it is."""
    engine = await open_upstream(kind=kind)
    server.answers = [[delta(content='{"tool_calls": [{"name": "paint", "arguments": {}}]}'), delta("stop"), DONE]]
    pieces = await collect(engine, ask("Do it.", tools=(PAINT,), tool_choice=ToolChoice(ToolMode.REQUIRED)))
    (body,) = server.bodies
    assert ("tools" in body, body["response_format"]["type"]) == (False, "json_schema")
    assert [piece.call.name for piece in pieces if isinstance(piece, ToolCallPiece)] == ["paint"]


async def test_running_counts_make_pieces_count_exactly(server, open_upstream, ask, collect):
    """Where every chunk tells the tokens so far, a piece of several tokens counts as many."""
    engine = await open_upstream(kind=ServerKind.VLLM)
    chunks = [delta(content="Hel") | {"usage": {"completion_tokens": 2}}]
    chunks += [delta("stop", content="lo") | {"usage": {"completion_tokens": 5}}, DONE]
    server.answers = [chunks]
    assert [piece.tokens for piece in (await collect(engine, ask("Hi")))[:-1]] == [2, 3]


async def test_the_first_picture_makes_the_routing_key(server, upstream, ask, collect, draw):
    """The same first picture gives the same key whatever follows; the key is not the picture's own hash."""
    server.answers = [FINE] * 4
    first, other = draw(2, 1), draw(1, 2)
    for parts in ([first, "What?"], [first, other, "And now?"], [other, "What?"], ["No picture."]):
        await collect(upstream, ask(*parts))
    keys = [headers.get("X-Session-ID") for headers in server.headers]
    assert keys[0] == keys[1] != keys[2] and keys[3] is None
    assert len(keys[0]) == 32 and first.content_hash not in keys[0]


async def test_the_routing_header_has_the_name_that_was_set(server, open_upstream, ask, collect, draw):
    """A router may want another header, or none."""
    for name, sent in (("x-user-id", True), ("", False)):
        engine = await open_upstream(routing_header=name)
        server.answers = [FINE]
        await collect(engine, ask(draw(2, 1)))
        assert ("x-user-id" in server.headers[-1], "X-Session-ID" in server.headers[-1]) == (sent, False)


async def test_redirects_are_not_followed(server, upstream, ask, collect):
    """M25 what a client wrote goes to no address that nobody configured."""
    location = server.url + "/chat/completions"
    server.answers = [web.Response(status=307, headers={"Location": location}) for _ in range(3)]
    with pytest.raises(Unavailable):
        await collect(upstream, ask("Hi"))
    assert len(server.bodies) == 3  # the first try and its retries, each to the configured address


async def test_a_server_that_does_not_answer_is_left_alone(server, open_upstream, ask, collect):
    """After some failures in a row nothing is sent for a while; then one request tries, and all go on if it works."""
    now = [0.0]
    engine = await open_upstream(retries=0, breaker_failures=2, breaker_seconds=10, monotonic=lambda: now[0])
    server.answers = [["cut"], ["cut"], ["cut"], FINE, FINE]
    for _ in range(2):
        with pytest.raises(Unavailable):
            await collect(engine, ask("Hi"))
    with pytest.raises(Unavailable) as refused:
        await collect(engine, ask("Hi"))
    assert (len(server.bodies), refused.value.retry_after_seconds) == (2, 10)
    assert not (await engine.health()).ready
    now[0] = 10.0
    assert (await engine.health()).ready
    with pytest.raises(Unavailable):
        await collect(engine, ask("Hi"))  # the trial, cut again
    assert len(server.bodies) == 3 and not (await engine.health()).ready
    now[0] = 20.0
    for _ in range(2):
        assert (await collect(engine, ask("Hi")))[0] == TextPiece("Hello")


async def test_only_one_request_tries_a_silent_server_again(server, open_upstream, ask, collect, until):
    """While the trial runs the others are refused; one that is given up makes room for the next."""
    now = [0.0]
    engine = await open_upstream(retries=0, breaker_failures=1, breaker_seconds=5, monotonic=lambda: now[0])
    server.answers = [["cut"], ["hang"], FINE]
    with pytest.raises(Unavailable):
        await collect(engine, ask("Hi"))
    now[0] = 5.0
    trial = asyncio.create_task(collect(engine, ask("Hi")))

    async def is_asked():
        return len(server.bodies) == 2

    await until(is_asked)
    with pytest.raises(Unavailable):
        await collect(engine, ask("Hi"))
    assert len(server.bodies) == 2
    trial.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trial
    assert (await collect(engine, ask("Hi")))[0] == TextPiece("Hello")


@pytest.mark.parametrize("status", [400, 429, 503])
async def test_a_server_that_refuses_is_alive(server, open_upstream, ask, collect, status):
    """Refusals, however many, do not make Vitrail leave the server alone."""
    engine = await open_upstream(retries=0, breaker_failures=1)
    server.answers = [*(web.Response(status=status) for _ in range(3)), FINE]
    for _ in range(3):
        with pytest.raises((Unavailable, RateLimited, InvalidArgument)):
            await collect(engine, ask("Hi"))
    assert (await collect(engine, ask("Hi")))[0] == TextPiece("Hello")


async def test_health_asks_what_the_kind_of_server_knows_of_itself(server, open_upstream):
    """vLLM lists its models even when its engine is dead; its health page tells."""
    engine = await open_upstream(kind=ServerKind.VLLM)
    assert (await engine.health()).ready
    server.health_text = "All servers healthy"  # as a router before several has it
    assert (await engine.health()).ready
    server.health_status = 503
    assert not (await engine.health()).ready


@pytest.mark.parametrize(("kind", "connections"), [(ServerKind.VLLM, 1), (ServerKind.LLAMA_SERVER, 3)])
async def test_a_connection_is_used_again_where_the_server_keeps_it(
    server, open_upstream, ask, collect, kind, connections
):
    """llama.cpp drops the connection of a stream without a word, so there it is given up by the request already."""
    server.answers = [FINE] * 3
    engine = await open_upstream(kind=kind)
    for _ in range(3):
        await collect(engine, ask("Hi"))
    assert len(set(server.peers)) == connections
    assert [headers.get("Connection") for headers in server.headers] == [None if connections == 1 else "close"] * 3


async def test_an_answer_does_not_wait_for_a_stream_that_stays_open(server, open_upstream, ask, collect):
    """What comes after the last event is waited for a moment only."""
    server.answers = [[*FINE, "hang"]]
    engine = await open_upstream(kind=ServerKind.VLLM)
    async with asyncio.timeout(5):
        assert TextPiece("Hello") in await collect(engine, ask("Hi"))
        await server.left.wait()
