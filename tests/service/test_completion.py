"""The path of a completion: usage, order, refusals, and that it is settled exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from structlog.testing import capture_logs

from vitrail.domain.chat import ChatRequest, JsonFormat, Sampling
from vitrail.domain.completion import FinishReason
from vitrail.domain.errors import ContextTooLong, InvalidArgument, Unavailable, UnknownModel
from vitrail.engines.base import Capabilities, FinishPiece, TextPiece

Ask = Callable[..., ChatRequest]
DONE = FinishPiece(FinishReason.STOP)


async def test_usage_counts_text_and_tiles(bench: Any, ask: Ask, data_uri: Callable[..., str]) -> None:
    """A 1280 x 720 picture costs (6 + 1) x 256 tokens beside the words of the text."""
    opened = await bench.completions.open(ask("what is it", data_uri(1280, 720)), bench.grant)
    completion = await opened.fold()
    assert (completion.usage.text_tokens, completion.usage.image_tokens) == (3, 1792)
    assert completion.usage.completion_tokens == 1


async def test_alias_is_answered_by_the_resolved_name(bench: Any, ask: Ask) -> None:
    """The answer names the model, not the alias that was sent."""
    opened = await bench.completions.open(ask(), bench.grant)
    assert (await opened.fold()).head.model == "facts-1"


async def test_images_reach_the_engine_in_order(bench: Any, ask: Ask, data_uri: Callable[..., str]) -> None:
    """Pictures stand in the prompt where the client put them, although they are prepared side by side."""
    sizes = [(40, 30), (20, 10), (50, 50)]
    opened = await bench.completions.open(ask("x", *(data_uri(*size) for size in sizes)), bench.grant)
    await opened.fold()
    prompt, _ = bench.engine.prompts[0]
    assert [(i.picture.width_px, i.picture.height_px) for i in prompt.images] == sizes


async def test_finished_completion_is_settled_once_before_its_last_chunk(bench: Any, ask: Ask) -> None:
    """Whoever has the last chunk knows that the usage is on record."""
    opened = await bench.completions.open(ask(), bench.grant)
    async with aclosing(opened.chunks) as chunks:
        async for chunk in chunks:
            if chunk.finish_reason:
                assert len(bench.rows()) == 1
    (row,) = bench.rows()
    assert (row.status, row.text_tokens, row.completion_tokens) == ("finished", 3, 1)
    assert row.cost_ticks == 3 * 1 + 1 * 100


async def test_usage_tells_the_cost_that_is_settled(bench: Any, ask: Ask, data_uri: Callable[..., str]) -> None:
    """Text at 1, image tokens at 10, completion at 100 ticks each: the client sees what the ledger gets."""
    opened = await bench.completions.open(ask("what is it", data_uri(448, 448)), bench.grant)
    assert opened.prompt_usage.cost_ticks == 3 * 1 + 512 * 10
    completion = await opened.fold()
    assert completion.usage.cost_ticks == 3 * 1 + 512 * 10 + 1 * 100 == bench.rows()[0].cost_ticks


async def test_what_the_engine_used_is_logged_beside_what_is_billed(
    bench: Any, ask: Ask, data_uri: Callable[..., str]
) -> None:
    """The client pays for two tiles; the log says that the engine took 261 tokens, 200 of them from its cache."""
    finish = FinishPiece(FinishReason.STOP, engine_prompt_tokens=261, cached_tokens=200)
    bench.engine.pieces = [TextPiece("red"), finish]
    with capture_logs() as events:
        opened = await bench.completions.open(ask("what is it", data_uri(448, 448)), bench.grant)
        completion = await opened.fold()
    (line,) = [event for event in events if event["event"] == "prompt tokens"]
    assert (line["engine"], line["engine_cached"], line["billed_text"], line["billed_image"]) == (261, 200, 3, 512)
    assert line["completion_id"] == completion.head.id and line["request_id"] == bench.grant.request_id


async def test_text_is_billed_by_the_engines_own_count(bench: Any, ask: Ask, data_uri: Callable[..., str]) -> None:
    """The fold and the ledger have it; the picture stays at its plan, and cached text within the text."""
    finish = FinishPiece(FinishReason.STOP, engine_prompt_tokens=270, prompt_text_tokens=12, cached_tokens=200)
    bench.engine.pieces = [TextPiece("red"), finish]
    opened = await bench.completions.open(ask("what is it", data_uri(448, 448)), bench.grant)
    assert opened.prompt_usage.text_tokens == 3
    usage = (await opened.fold()).usage
    (row,) = bench.rows()
    assert (usage.text_tokens, usage.image_tokens, usage.cached_tokens) == (12, 512, 12)
    assert (row.text_tokens, row.image_tokens, row.cost_ticks) == (12, 512, usage.cost_ticks)


async def test_m03_client_that_leaves_is_charged_for_what_it_was_sent(bench: Any, ask: Ask) -> None:
    """Closing the stream after two of five pieces settles two tokens and ends the generation."""
    bench.engine.pieces = [TextPiece(c) for c in "abcde"] + [DONE]
    opened = await bench.completions.open(ask(), bench.grant)
    await anext(opened.chunks)
    await anext(opened.chunks)
    await opened.chunks.aclose()
    (row,) = bench.rows()
    assert (row.status, row.completion_tokens, bench.engine.closed) == ("cancelled", 2, 1)


async def test_client_that_leaves_before_reading_frees_the_engine(bench: Any, ask: Ask) -> None:
    """A stream that was opened and never read is closed and settled all the same."""
    opened = await bench.completions.open(ask(), bench.grant)
    await opened.chunks.aclose()
    assert [row.status for row in bench.rows()] == ["cancelled"]
    assert bench.engine.closed == 1


async def test_m04_failure_in_mid_stream_is_raised_and_settled(bench: Any, ask: Ask) -> None:
    """What was produced before the engine failed is on record as failed."""
    bench.engine.pieces = [TextPiece("a"), Unavailable()]
    opened = await bench.completions.open(ask(), bench.grant)
    with pytest.raises(Unavailable):
        await opened.fold()
    assert [(row.status, row.completion_tokens) for row in bench.rows()] == [("failed", 1)]


async def test_failure_before_the_first_piece_costs_nothing(bench: Any, ask: Ask) -> None:
    """An engine that fails at once raises from `open`, and nothing is billed."""
    bench.engine.pieces = [Unavailable()]
    with pytest.raises(Unavailable):
        await bench.completions.open(ask(), bench.grant)
    assert bench.rows() == []


async def test_cancelled_task_settles(bench: Any, ask: Ask) -> None:
    """A request whose task is cancelled while the engine thinks leaves a settled row and no running generation."""
    waiting = asyncio.Event()

    async def think() -> None:
        waiting.set()
        await asyncio.Event().wait()

    bench.engine.pieces = [TextPiece("a"), think]

    async def read() -> None:
        await (await bench.completions.open(ask(), bench.grant)).fold()

    task = asyncio.create_task(read())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [(row.status, row.completion_tokens) for row in bench.rows()] == [("cancelled", 1)]
    assert bench.engine.closed == 1


async def test_choices_are_drawn_apart(bench: Any, ask: Ask) -> None:
    """`n` choices come from as many generations, each with a seed of its own, and their tokens add up."""
    opened = await bench.completions.open(ask(n=3, sampling=Sampling(seed=7)), bench.grant)
    completion = await opened.fold()
    assert [choice.text for choice in completion.choices] == ["Hi", "Hi", "Hi"]
    assert completion.usage.completion_tokens == 3
    assert sorted(sampling.seed for _, sampling in bench.engine.prompts) == [7, 8, 9]
    assert len(bench.rows()) == 1


async def test_one_failing_choice_ends_all(bench: Any, ask: Ask) -> None:
    """When one of several generations fails, the others are closed too."""
    bench.engine.pieces = [TextPiece("a"), Unavailable()]
    opened = await bench.completions.open(ask(n=2), bench.grant)
    with pytest.raises(Unavailable):
        await opened.fold()
    assert bench.engine.closed == len(bench.engine.prompts) == 2


async def test_unknown_model_is_refused_with_the_known_ones(bench: Any, ask: Ask) -> None:
    """The refusal names the model asked for and those there are."""
    with pytest.raises(UnknownModel, match=r"grok-9 does not exist.*facts-1"):
        await bench.completions.open(ask(model="grok-9"), bench.grant)


async def test_j16_context_is_checked_before_anything_is_decoded(
    bench: Any, ask: Ask, data_uri: Callable[..., str]
) -> None:
    """Three large pictures do not fit 4,096 tokens; the error gives text and image tokens and the limit."""
    picture = data_uri(1344, 896)
    with pytest.raises(ContextTooLong, match=r"4096.*5379 tokens \(3 text, 5376 image\)"):
        await bench.completions.open(ask("what is it", picture, picture, picture), bench.grant)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"sampling": Sampling(logprobs=True)}, "logprobs"),
        ({"response_format": JsonFormat(schema="{}")}, "responseFormat"),
        ({"reasoning_effort": "low"}, "reasoningEffort"),
    ],
)
async def test_what_the_model_cannot_do_is_refused_by_name(
    bench: Any, ask: Ask, fields: dict[str, Any], name: str
) -> None:
    """The argument stands in the error in camelCase, as recorded of the real API."""
    bench.engine.capabilities = Capabilities(images=True)
    with pytest.raises(InvalidArgument, match=f"Argument not supported on this model: {name}"):
        await bench.completions.open(ask(**fields), bench.grant)


async def test_image_to_a_text_model_is_refused_before_it_is_fetched(bench: Any, ask: Ask) -> None:
    """A text-only engine refuses with the recorded sentence; the address is never asked."""
    bench.engine.capabilities = Capabilities(images=False)
    with pytest.raises(InvalidArgument, match="expects a single `text` element per message"):
        await bench.completions.open(ask("x", "http://unreachable.invalid/x.png"), bench.grant)
