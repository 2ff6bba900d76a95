"""The upstream engine with a real vLLM: what the contract of all engines does not ask (`make test-vllm`)."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from tests.vllm.server import KEY, MODEL
from vitrail.domain.chat import JsonFormat, Role, Sampling, TextPart, Tool, ToolChoice, ToolMode
from vitrail.domain.completion import FinishReason
from vitrail.domain.errors import ContextTooLong, Unavailable
from vitrail.domain.pictures import Picture, PreparedImage, TilePlan
from vitrail.engines.base import FinishPiece, Prompt, PromptMessage, TextPiece, ToolCallPiece
from vitrail.engines.openai_errors import NotServed
from vitrail.engines.server_kind import ServerKind
from vitrail.engines.upstream import UpstreamEngine
from vitrail.engines.upstream_options import UpstreamOptions

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(400)]
BOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "board.json"
LONG = JsonFormat('{"type": "string", "minLength": 3000}')


@pytest.fixture
async def engine(vllm_server):
    """An upstream engine that asks vLLM."""
    engine = UpstreamEngine(
        UpstreamOptions(), base_url=vllm_server.base_url, model=MODEL, key=KEY, kind=ServerKind.VLLM
    )
    await engine.start()
    yield engine
    await engine.close()


def draw(width_px, height_px, seed=0):
    """A prepared image of noise."""
    pixels = np.random.default_rng(seed).integers(0, 255, (height_px, width_px, 3), np.uint8).tobytes()
    plan = TilePlan(columns=1, rows=1, fitted_width_px=width_px, fitted_height_px=height_px, image_tokens=512)
    return PreparedImage(Picture(width_px, height_px, pixels), plan, content_hash=f"{width_px} {height_px} {seed}")


def ask(*parts, **options):
    """A prompt of one user message."""
    content = tuple(TextPart(part) if isinstance(part, str) else part for part in parts)
    return Prompt((PromptMessage(Role.USER, content),), **options)


async def collect(engine, prompt, sampling=None):
    """Every piece of one answer."""
    return [piece async for piece in engine.generate(prompt, sampling or Sampling(max_tokens=4, temperature=0))]


def read_metrics(server):
    """The lines of vLLM's own metrics."""
    with urllib.request.urlopen(server.base_url.removesuffix("/v1") + "/metrics", timeout=5) as page:
        return page.read().decode().splitlines()


def read_running(server):
    """How many requests vLLM works on."""
    lines = read_metrics(server)
    return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:num_requests_running"))


def test_the_board_names_metrics_of_vllm(vllm_server):
    """What deploy/grafana shows of vLLM is among its metrics."""
    panels = json.loads(BOARD.read_text())["panels"]
    patterns = [p for panel in panels for t in panel["targets"] for p in re.findall(r'__name__=~"(\S+)"', t["expr"])]
    told = {re.split(r"[{ ]", line)[0] for line in read_metrics(vllm_server)}
    assert len(patterns) == 2 and all(any(re.fullmatch(pattern, name) for name in told) for pattern in patterns)


@pytest.mark.parametrize(("size", "tiles"), [((448, 448), 1), ((896, 448), 3), ((1344, 896), 7)])
async def test_a_picture_costs_vllm_what_the_tile_rule_says(engine, size, tiles):
    """InternVL takes 256 tokens for every tile and the overview, and two marks; a small picture is its own overview."""
    text = (await collect(engine, ask("What?")))[-1]
    with_picture = (await collect(engine, ask(draw(*size), "What?")))[-1]
    assert with_picture.engine_prompt_tokens - text.engine_prompt_tokens == 256 * tiles + 2 + len("\n")
    assert text.prompt_text_tokens == text.engine_prompt_tokens  # which is billed, and beside a picture as well:
    assert with_picture.prompt_text_tokens == text.prompt_text_tokens + len("\n")


async def test_the_second_question_on_a_picture_finds_it_cached(engine):
    """The picture's tokens are cached for the next question, and Vitrail says how many."""
    picture = draw(448, 448, seed=7)
    first = (await collect(engine, ask(picture, "What is it?")))[-1]
    second = (await collect(engine, ask(picture, "How large is it?")))[-1]
    assert first.cached_tokens < 128 < second.cached_tokens < second.engine_prompt_tokens


async def test_pieces_come_while_vllm_generates(engine):
    """A long answer comes in many pieces, which count its tokens exactly."""
    pieces = await collect(engine, ask("Go on.", response_format=LONG), Sampling(max_tokens=300, seed=1))
    texts = [piece for piece in pieces if isinstance(piece, TextPiece)]
    assert len(texts) > 50 and isinstance(pieces[-1], FinishPiece)
    assert sum(piece.tokens for piece in texts) == pieces[-1].completion_tokens == 300


async def test_closing_the_stream_ends_the_generation_in_vllm(engine, vllm_server):
    """M03 vLLM's own metrics show that nothing runs any more once the reader has left."""
    stream = engine.generate(ask("Go on.", response_format=LONG), Sampling(max_tokens=6000))
    await anext(stream)
    assert await asyncio.to_thread(read_running, vllm_server) == 1
    await stream.aclose()
    async with asyncio.timeout(20):
        while await asyncio.to_thread(read_running, vllm_server):  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.1)


async def test_a_prompt_that_does_not_fit_is_told_as_such(engine):
    """vLLM's words for it become ours, and none of its own reach the client."""
    with pytest.raises(ContextTooLong) as caught:
        await collect(engine, ask("word " * 4000))
    assert "vllm" not in str(caught.value).lower() and MODEL not in str(caught.value)


async def test_a_wrong_key_is_our_trouble_not_the_clients(vllm_server):
    """A key that vLLM refuses is the operator's mistake: the service is unavailable."""
    engine = UpstreamEngine(
        UpstreamOptions(retries=0), base_url=vllm_server.base_url, model=MODEL, key="wrong", kind=ServerKind.VLLM
    )
    await engine.start()
    with pytest.raises(Unavailable) as caught:
        await collect(engine, ask("Hi"))
    assert not (await engine.health()).ready and caught.value.message == "The service is currently unavailable."
    await engine.close()


async def test_a_mistyped_model_is_told_to_the_operator(vllm_server):
    """Health knows before any request, and the log names what vLLM has; a client reads no more than 503."""
    engine = UpstreamEngine(
        UpstreamOptions(), base_url=vllm_server.base_url, model="mistyped", key=KEY, kind=ServerKind.VLLM
    )
    await engine.start()
    with capture_logs() as lines:
        assert not (await engine.health()).ready
    assert [line["served"] for line in lines] == [[MODEL]]
    with pytest.raises(NotServed) as caught:
        await collect(engine, ask("Hi"))
    assert caught.value.message == "The service is currently unavailable."
    await engine.close()


async def test_a_required_call_that_was_cut_is_no_call(engine):
    """Half a call is none, and the reason says so."""
    paint = Tool("paint", "Paints.", '{"type": "object", "properties": {"colour": {"enum": ["dark green"]}}}')
    prompt = ask("Do it.", tools=(paint,), tool_choice=ToolChoice(ToolMode.REQUIRED))
    pieces = await collect(engine, prompt)
    assert pieces[-1].reason is FinishReason.LENGTH
    assert not any(isinstance(piece, ToolCallPiece) for piece in pieces)


@pytest.mark.parametrize("options", [{}, {"stop": ("e",)}, {"logprobs": True, "top_logprobs": 2}])
async def test_an_answer_that_is_read_whole_comes_in_fewer_pieces(engine, options):
    """The text, the reason, every count and the log probabilities are those of a stream."""
    sampling = Sampling(max_tokens=60, temperature=0, **options)
    by_token, whole = [
        await collect(engine, ask("Tell me a story.", is_read_whole=is_read_whole), sampling)
        for is_read_whole in (False, True)
    ]
    assert len(whole) < len(by_token) or len(by_token) <= 3
    assert join(whole) == join(by_token)
    assert whole[-1] == replace(by_token[-1], cached_tokens=whole[-1].cached_tokens)


def join(pieces):
    """What all pieces but the last say together."""
    texts = [piece for piece in pieces if isinstance(piece, TextPiece)]
    told = tuple(one for piece in texts for one in piece.logprobs)
    return "".join(piece.text for piece in texts), sum(piece.tokens for piece in texts), told
