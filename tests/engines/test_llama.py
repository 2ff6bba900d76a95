"""The llama engine with the tiny model in a real child process: pictures, markers, limits and refusals."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fixtures.waiting import comes_within_a_second
from vitrail.domain.chat import JsonFormat, Role, Sampling, TextPart, Tool
from vitrail.domain.errors import ContextTooLong, InvalidArgument, Unavailable
from vitrail.engines.base import Prompt, PromptMessage, ReasoningPiece, TextPiece
from vitrail.engines.llama import engine as engine_module
from vitrail.engines.llama.engine import LlamaEngine
from vitrail.engines.llama.process import start_child

VIEW_TOKENS = 256 + 2  # one 448 px view and the two marks around every image
MARKERS = [
    "<__media__>",
    "<image>",
    "<img>",
    "</img>",
    "<IMG_CONTEXT>",
    "<|image_pad|>",
    "<|vision_start|>",
    "<start_of_image>",
    "<ov_genai_image_0>",
    "[IMG]",
    "<|im_start|>system",
    "<|im_end|>",
    "<|endoftext|>",
    "![](http://127.0.0.1:1/a.png)",
]


async def count_engine_image_tokens(engine, prompt):
    """What the prompt costs in the engine beyond its text."""
    pieces = [piece async for piece in engine.generate(prompt, Sampling(max_tokens=1))]
    return pieces[-1].engine_prompt_tokens - await engine.count_text_tokens(prompt)


@pytest.mark.parametrize(
    ("width_px", "height_px", "views"),
    [(1, 1, 1), (448, 448, 1), (896, 448, 3), (896, 896, 5), (1344, 896, 7), (37, 211, 1)],
)
async def test_sees_a_picture_in_tiles(llama, ask, draw, width_px, height_px, views):
    """A picture costs 256 tokens for each view of 448 px, and two more."""
    assert await count_engine_image_tokens(llama, ask("What?", draw(width_px, height_px))) == 256 * views + 2


async def test_sees_every_picture(llama, ask, draw):
    """Several pictures in several messages are all seen."""
    turn = PromptMessage(Role.USER, (draw(), TextPart("and"), draw(rgb=b"\x00\x00\xff")))
    prompt = Prompt((turn, PromptMessage(Role.ASSISTANT, (TextPart("Yes."),)), turn))
    assert await count_engine_image_tokens(llama, prompt) == 4 * VIEW_TOKENS


async def test_tells_pictures_apart(llama, ask, draw):
    """Red and blue give different log probabilities; red twice gives the same."""

    async def first_logprob(rgb):
        sampling = Sampling(max_tokens=1, temperature=0, logprobs=True, top_logprobs=1)
        pieces = [piece async for piece in llama.generate(ask("What?", draw(rgb=rgb)), sampling)]
        return next((p.logprobs[0].top for p in pieces if isinstance(p, TextPiece) and p.logprobs), None)

    red, blue, red_again = [await first_logprob(rgb) for rgb in (b"\xff\x00\x00", b"\x00\x00\xff", b"\xff\x00\x00")]
    assert red == red_again != blue


@pytest.fixture
def ask_small_llama(tiny_vlm, llama_options):
    """Ask a llama engine with so many memory files, and return the log probabilities of its answer."""

    async def ask_it(prompt, *, memory_files):
        engine = LlamaEngine(llama_options, tiny_vlm.gguf, tiny_vlm.mmproj, memory_files=memory_files)
        await engine.start()
        sampling = Sampling(max_tokens=4, temperature=0, logprobs=True, top_logprobs=1)
        pieces = [piece async for piece in engine.generate(prompt, sampling)]
        await engine.close()
        return [piece.logprobs for piece in pieces if isinstance(piece, TextPiece)]

    return ask_it


async def test_sees_the_same_however_a_picture_travels(ask_small_llama, ask, draw):
    """In memory files, in the request or both ways: the log probabilities are the same to the last digit."""
    prompt = ask("What?", draw(700, 500), draw(31, 7, rgb=b"\x00\xff\x00"), draw(448, 448))
    seen = [await ask_small_llama(prompt, memory_files=files) for files in (0, 1, 3)]
    assert seen[0] == seen[1] == seen[2] and all(seen[0])


async def test_a_system_without_memory_files_gets_pictures_in_the_request(monkeypatch, ask_small_llama, ask, draw):
    """Where memory files are forbidden, the answer is the same."""

    def forbid(*_):
        raise PermissionError

    prompt = ask("What?", draw(700, 500))
    seen = await ask_small_llama(prompt, memory_files=3)
    monkeypatch.setattr("os.memfd_create", forbid)
    assert await ask_small_llama(prompt, memory_files=3) == seen


async def test_a_child_that_cannot_read_memory_files_says_so(tiny_vlm, llama_options):
    """A hardened system may keep processes from each other's files; the child finds out before the first picture."""
    spec = llama_options.plan_child(tiny_vlm.gguf, tiny_vlm.mmproj, memory_file="/proc/1/fd/nothing")
    child = await start_child(spec, deadline_seconds=60)
    child.kill()
    await child.wait()
    assert not child.reads_memory_files


async def test_pictures_are_gone_from_memory_after_the_answer(llama, ask_for_long, ask, draw, collect):
    """No file with a picture in it is left once an answer has ended, or its client has left."""

    def read_sizes():
        links = [link for link in Path("/proc/self/fd").iterdir() if "vitrail-picture" in os.path.realpath(link)]
        return [link.stat().st_size for link in links]

    await collect(llama, ask("What?", draw(), draw()), Sampling(max_tokens=1))
    assert read_sizes() == [0, 0]
    stream = llama.generate(
        replace(ask_for_long, messages=ask("What?", draw(20, 10)).messages), Sampling(max_tokens=4000)
    )
    await anext(stream)
    assert sorted(read_sizes()) == [0, len(b"P6\n20 10\n255\n") + 3 * 20 * 10]
    await stream.aclose()
    assert read_sizes() == [0, 0]


@pytest.mark.parametrize("marker", MARKERS)
async def test_j17_markers_are_plain_text(llama, ask, draw, marker):
    """J17 a marker in a user's text adds no picture and no control token, with and without a picture beside it."""
    assert await count_engine_image_tokens(llama, ask(f"a {marker} b")) == 0
    assert await count_engine_image_tokens(llama, ask(f"a {marker} b", draw())) == VIEW_TOKENS
    added = await llama.count_text_tokens(ask(f"a {marker} b")) - await llama.count_text_tokens(ask("a  b"))
    assert added >= len(marker)  # one token for each byte: nothing was read as one special token


async def test_counts_what_the_engine_counts(llama, ask):
    """The counted text tokens are those that the engine really uses."""
    assert await count_engine_image_tokens(llama, ask("Grüße, 🦊!", "second part", "third")) == 0


async def test_counts_text_alike_with_and_without_a_picture(llama, ask, draw):
    """A picture adds nothing to the tokens of the text, which are counted in another way beside one."""
    texts = ("Grüße, 🦊!", "<__media__> second part")
    counted = await llama.count_text_tokens(ask(*texts))
    assert counted == await llama.count_text_tokens(ask(*texts, draw())) > len("Grüße, 🦊! second part")


async def test_i31_refuses_pictures_for_a_text_model(tiny_vlm, llama_options, ask, draw, collect):
    """I31 without a projector a picture is refused before anything is sent."""
    engine = LlamaEngine(llama_options, tiny_vlm.gguf)
    await engine.start()
    try:
        assert not engine.capabilities.images
        with pytest.raises(InvalidArgument, match="text only"):
            await collect(engine, ask("What?", draw()))
    finally:
        await engine.close()


async def test_m06_a_prompt_over_the_window_is_refused(llama, ask, collect):
    """M06 the engine's own error about the context window becomes ours, with its numbers."""
    with pytest.raises(ContextTooLong, match=r"maximum prompt length is \d+ but the request contains 50\d\d tokens"):
        await collect(llama, ask("x" * 5000))


async def test_m06_a_text_that_is_surely_too_long_is_not_counted(llama, ask, monkeypatch):
    """M06 no token has so many characters that megabytes would fit; one call to the child less, which takes seconds."""

    async def call(*_):
        pytest.fail("asked the child")

    monkeypatch.setattr(llama, "_call", call)
    with pytest.raises(ContextTooLong, match="more than"):
        await llama.count_text_tokens(ask("x" * 5_000_000))


@pytest.mark.parametrize("schema", ['{"type": "nonsense"}', '{"$ref": "#/nowhere"}', '{"type": 5}'])
async def test_m06_a_broken_schema_is_refused_in_our_words(llama, ask, collect, schema):
    """M06 a schema that makes no grammar is an invalid argument, and nothing of the engine's text is shown."""
    with pytest.raises(InvalidArgument) as caught:
        await collect(llama, ask("What?", response_format=JsonFormat(schema)))
    assert caught.value.message == "The model cannot follow the JSON schema of the request."
    assert (await llama.health()).ready


async def test_tools_cost_prompt_tokens(llama, ask):
    """What the model is told of its functions is counted as text."""
    told = ask("What?", tools=(Tool("paint", "Paints.", '{"type": "object"}'),))
    assert await llama.count_text_tokens(told) > await llama.count_text_tokens(ask("What?")) + 20


async def test_all_alternatives_of_a_token_are_given(llama, ask, collect):
    """With eight top log probabilities each token has eight, the likeliest first."""
    sampling = Sampling(max_tokens=4, temperature=0, logprobs=True, top_logprobs=8)
    given = [entry for piece in (await collect(llama, ask("Hi"), sampling))[:-1] for entry in piece.logprobs]
    for entry in given:
        values = [logprob for _, logprob in entry.top]
        assert len(values) == 8 and values == sorted(values, reverse=True) and values[0] == entry.logprob


async def test_thoughts_of_a_reasoning_template_are_reasoning(thinking_llama, ask, collect):
    """A template that opens every answer with a thought makes reasoning of it, counted apart."""
    pieces = await collect(thinking_llama, ask("Hi"), Sampling(max_tokens=6, temperature=0))
    assert {type(piece) for piece in pieces[:-1]} == {ReasoningPiece}
    assert (pieces[-1].completion_tokens, pieces[-1].reasoning_tokens) == (0, 6)


async def test_any_json_object_can_be_asked_for(llama, ask, collect):
    """Without a schema, JSON mode opens with a brace and holds to JSON as far as it got."""
    pieces = await collect(llama, ask("What?", response_format=JsonFormat(None)), Sampling(max_tokens=30, seed=1))
    assert "".join(p.text for p in pieces if isinstance(p, TextPiece)).lstrip().startswith("{")


async def test_stops_at_a_stop_sequence(llama, ask, collect):
    """The answer ends before the stop sequence."""
    whole = await collect(llama, ask("Hello"), Sampling(max_tokens=40, temperature=0))
    text = "".join(p.text for p in whole if isinstance(p, TextPiece))
    stop = next(c for c in text if c.isascii())
    cut = await collect(llama, ask("Hello"), Sampling(max_tokens=40, temperature=0, stop=(stop,)))
    assert stop not in "".join(p.text for p in cut if isinstance(p, TextPiece))
    assert (cut[-1].reason, cut[-1].stop_sequence) == ("stop", stop)
    ended = await collect(llama, ask("Hello"), Sampling(max_tokens=4000, temperature=0, stop=("no such text",)))
    assert ended[-1].stop_sequence is None


@pytest.mark.parametrize("seed", [0, -1, 2**31, 2**32 - 1, 2**63])
async def test_any_seed_repeats(llama, ask, collect, seed):
    """Every whole number is a seed, also the one that llama.cpp takes as "choose one"."""
    sampling = Sampling(max_tokens=12, temperature=1.5, seed=seed)
    assert await collect(llama, ask("Hello"), sampling) == await collect(llama, ask("Hello"), sampling)


async def test_m07_partial_characters_are_held_back(llama, ask, collect):
    """M07 the noise of the tiny model, bytes of any kind, comes out as whole characters."""
    pieces = await collect(llama, ask("Hello"), Sampling(max_tokens=300, temperature=2.0, seed=5))
    for piece in pieces[:-1]:
        piece.text.encode("utf-8")


async def test_m03_leaving_frees_the_native_slot(llama, ask_for_long):
    """M03 a client that leaves mid-stream ends the native generation within a second."""

    async def are_slots_free():
        return not any(slot["is_processing"] for slot in await llama.fetch_slots())

    stream = llama.generate(ask_for_long, Sampling(max_tokens=4000))
    await anext(stream)
    assert not await are_slots_free()
    await stream.aclose()
    assert await comes_within_a_second(are_slots_free)


async def test_fingerprint_changes_with_what_changes_answers(tiny_vlm, llama_options, llama):
    """Another context window or size of pictures gives another fingerprint; other threads do not."""

    def fingerprint(**changed):
        return LlamaEngine(llama_options.model_copy(update=changed), tiny_vlm.gguf, tiny_vlm.mmproj)

    same, *others = (
        fingerprint(threads=2, idle_seconds=7.0),
        fingerprint(context_tokens=2048),
        fingerprint(image_max_tokens=256),
    )
    for engine in (same, *others):
        await engine.start()
        await engine.close()
    assert same.fingerprint == llama.fingerprint
    assert llama.fingerprint not in {other.fingerprint for other in others}


async def test_m26_a_missing_model_file_is_named_at_start(tmp_path, llama_options):
    """M26 a model file that does not exist stops the start with its path."""
    with pytest.raises(Unavailable, match=r"nothing\.gguf does not exist"):
        await LlamaEngine(llama_options, tmp_path / "nothing.gguf").start()


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF\x03\x00\x00\x00" + b"\xff" * 40, b"PK\x03\x04" * 20])
async def test_m26_a_file_that_is_no_model_is_refused(tmp_path, llama_options, content):
    """M26 a damaged or foreign file is refused at start."""
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(content)
    with pytest.raises(Unavailable, match="cannot be used"):
        await LlamaEngine(llama_options, broken).start()


async def test_m26_a_cut_model_file_is_refused(tmp_path, tiny_vlm, llama_options):
    """M26 a model file that ends early does not load, and no process is left."""
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(tiny_vlm.gguf.read_bytes()[:200_000])
    engine = LlamaEngine(llama_options, cut)
    with pytest.raises(Unavailable):
        await engine.start()
    assert engine.pid is None


async def test_answers_do_not_depend_on_the_order_of_requests(llama, ask, collect):
    """With the prompt cache off, a question is answered alike before and after another one."""
    first = await collect(llama, ask("Hello"))
    await collect(llama, ask("Something else"))
    assert await collect(llama, ask("Hello")) == first


async def test_tokens_of_a_cut_character_keep_their_bytes(llama):
    """A character that spans several tokens is given byte by byte."""
    assert [token.raw for token in await llama.tokenize("é")] == [b"\xc3", b"\xa9"]


async def test_tokens_are_parsed_beside_the_event_loop(llama, monkeypatch):
    """A megabyte may be a million of them, which held everybody up for seconds."""
    parse, threads = engine_module._parse_token, set()

    def note_thread(item):
        threads.add(threading.get_ident())
        return parse(item)

    monkeypatch.setattr(engine_module, "_parse_token", note_thread)
    assert len(await llama.tokenize("x" * 1000)) == 1000
    assert threads and threading.get_ident() not in threads


async def test_requests_before_the_start_are_refused(tiny_vlm, llama_options, ask, collect):
    """An engine that was not started says that it is unavailable."""
    engine = LlamaEngine(llama_options, tiny_vlm.gguf, tiny_vlm.mmproj)
    with pytest.raises(Unavailable):
        await collect(engine, ask("Hello"))
    assert not (await engine.health()).ready


async def test_body_is_json_whatever_the_text(llama, ask, collect):
    """J05 lone surrogates, which JSON lets through, do not break the request."""
    prompt = ask(json.loads('"a\\ud83d b"'))
    assert (await collect(llama, dataclasses.replace(prompt)))[-1].engine_prompt_tokens > 0


@pytest.mark.parametrize("parallel", [1, 2])
async def test_a_follow_up_finds_its_picture_in_the_cache(tiny_vlm, llama_options, ask, draw, collect, parallel):
    """The next turn of a conversation has its beginning computed, picture included, with others in between."""
    cached = llama_options.model_copy(update={"prompt_cache": True, "prompt_cache_mib": 64, "parallel": parallel})
    engine = LlamaEngine(cached, tiny_vlm.gguf, tiny_vlm.mmproj)
    await engine.start()
    try:
        first = ask(draw(), "What is in this picture?")
        assert (await collect(engine, first))[-1].cached_tokens < VIEW_TOKENS
        for colour in (b"\x00\x00\xff", b"\x00\xff\x00"):
            await collect(engine, ask(draw(rgb=colour), "What is in this picture?"))
        turns = (PromptMessage(Role.ASSISTANT, (TextPart("Red."),)), PromptMessage(Role.USER, (TextPart("Sure?"),)))
        follow_up = await collect(engine, Prompt((*first.messages, *turns)))
        assert follow_up[-1].cached_tokens > VIEW_TOKENS
    finally:
        await engine.close()
