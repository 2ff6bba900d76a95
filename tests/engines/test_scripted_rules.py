"""The scripted engine: conditions, pauses, faults, strictness, and the log of what it was asked."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from vitrail.domain.chat import JsonFormat, Role, Sampling, TextPart, Tool
from vitrail.domain.errors import InvalidArgument, RateLimited, Unavailable
from vitrail.domain.faults import PlayedFault, TransportFault
from vitrail.domain.pictures import SentImage
from vitrail.domain.request_log import LoggedImage, Outcome
from vitrail.engines.base import Prompt, PromptMessage, TextPiece
from vitrail.engines.request_log import REQUESTS_KEPT, RequestLog
from vitrail.engines.script_asked import digest_prompt
from vitrail.engines.script_file import parse_script
from vitrail.engines.scripted import ScriptedEngine
from vitrail.engines.yaml_reading import BadDocument

SHA256 = "3f7a9c1b" + "0" * 56


@pytest.fixture
def play():
    """Makes an engine that plays a script; `slept` are its pauses."""

    def start(text, *, slept=None, log=None):
        async def sleep(seconds):
            slept.append(seconds)

        engine = ScriptedEngine(model="m", log=log, sleep=asyncio.sleep if slept is None else sleep)
        engine.play(text)
        return engine

    return start


@pytest.fixture
def say(ask, collect):
    """Returns the text that an engine answers."""

    async def answer(engine, *parts, prompt=None):
        pieces = await collect(engine, prompt or ask(*parts), Sampling())
        return "".join(piece.text for piece in pieces if isinstance(piece, TextPiece))

    return answer


@pytest.fixture
def photo(draw):
    """An image that a client sent as a file of 4000 x 3000 px."""
    return replace(draw(), sent=SentImage(SHA256, 4000, 3000))


async def test_an_image_is_told_by_the_hash_of_its_file(play, say, draw, photo):
    """The whole SHA-256 or its first eight digits, in any case; sizes have to be those of the same image."""
    engine = play("""
        rules:
          - {when: {sha256: 3F7A9C1B, width_px: 20}, text: never}
          - {when: {sha256: 3F7A9C1B}, text: the photo}
          - text: another
    """)
    assert await say(engine, draw(20, 20), photo) == "the photo"
    assert await say(engine, draw(20, 20)) == "another"


async def test_system_prompt_and_last_role_are_conditions(play, say):
    """Rules may look at the texts of system and developer, and at who spoke last."""
    engine = play("""
        rules:
          - {when: {last_role: tool}, text: after the tool}
          - {when: {system: CASHIER}, text: at the till}
          - text: else
    """)

    def turns(*messages):
        return Prompt(tuple(PromptMessage(role, (TextPart(text),)) for role, text in messages))

    assert await say(engine, prompt=turns((Role.DEVELOPER, "Be a cashier."), (Role.USER, "x"))) == "at the till"
    assert await say(engine, prompt=turns((Role.USER, "x"), (Role.TOOL, "12"))) == "after the tool"
    assert await say(engine, prompt=turns((Role.USER, "cashier"))) == "else"


async def test_the_nth_call_is_a_condition(play, say):
    """`call` counts how often the rest of the rule held."""
    engine = play("""
        rules:
          - {when: {text: total, call: {min: 2, max: 3}}, text: again}
          - {when: {call: 1}, text: first of others}
          - text: "{question}"
    """)
    assert [await say(engine, text) for text in ("hi", "total", "total", "total", "total")] == [
        "first of others",
        "total",
        "again",
        "again",
        "total",
    ]


async def test_the_first_pause_may_be_another(play, ask, collect):
    """`first_delay_seconds` comes before anything, an error too; the other chunks keep their own."""
    slept = []
    engine = play(
        "rules: [{when: {text: fail}, first_delay_seconds: 3, error: {kind: Unavailable}},"
        " {first_delay_seconds: 2, delay_seconds: 0.5, chunks: [a, b]}]",
        slept=slept,
    )
    await collect(engine, ask("x"))
    with pytest.raises(Unavailable):
        await collect(engine, ask("fail"))
    assert slept == [2, 0.5, 3]


async def test_an_error_carries_its_headers(play, ask, collect):
    """What a recorded 429 had beside its text goes with the failure."""
    engine = play("rules: [{error: {kind: RateLimited, headers: {x-ratelimit-remaining-requests: 0}}}]")
    with pytest.raises(RateLimited) as caught:
        await collect(engine, ask("x"))
    assert caught.value.headers == {"x-ratelimit-remaining-requests": "0"}
    assert RateLimited().headers == {}


@pytest.mark.parametrize("kind", list(TransportFault))
async def test_faults_are_raised_for_the_surface_to_play(play, ask, kind):
    """After so many chunks a fault of that kind is raised; nobody who does not know it sees more than Unavailable."""
    engine = play(f"rules: [{{chunks: [a, b], fault: {{kind: {kind.value}, after_chunks: 1}}}}]")
    seen = []
    with pytest.raises(Unavailable) as caught:
        async for piece in engine.generate(ask("x"), Sampling()):
            seen.append(piece.text)
    assert isinstance(caught.value, PlayedFault) and caught.value.fault is kind
    assert "".join(seen) == "a"


async def test_silence_waits_until_the_client_leaves(play, ask):
    """A silent answer says what comes before, and then nothing; leaving ends it."""
    log = RequestLog()
    engine = play("rules: [{chunks: [a, b], fault: {kind: silence, after_chunks: 1}}]", log=log)
    pieces = engine.generate(ask("x"), Sampling())
    assert (await anext(pieces)).text == "a"
    rest = asyncio.ensure_future(anext(pieces))
    await asyncio.sleep(0)
    assert not rest.done()
    rest.cancel()
    await asyncio.wait((rest,))
    assert [(r.outcome, r.answer) for r in log.requests] == [(Outcome.CANCELLED, "a")]


async def test_a_strict_script_refuses_what_it_does_not_know(play, ask, collect, say, photo):
    """The refusal tells all that a rule could be written for."""
    engine = play("{strict: true, rules: [{when: {text: known}, text: yes}]}")
    assert await say(engine, "known") == "yes"
    with pytest.raises(InvalidArgument, match=f"to m: 'what', 448x448 px sha256 {SHA256}"):
        await collect(engine, ask("what", photo))


async def test_a_verbatim_answer_is_not_touched(play, ask, collect):
    """No placeholder is filled in, and neither max_tokens nor stop cut it."""
    engine = play("rules: [{text: 'I see {images}. STOP', verbatim: true}]")
    pieces = await collect(engine, ask("x"), Sampling(max_tokens=2, stop=("STOP",)))
    assert "".join(p.text for p in pieces[:-1]) == "I see {images}. STOP"


async def test_the_log_holds_what_was_asked_and_answered(play, ask, collect, photo):
    """Texts, images by hash and size, the rule by its number, the answer or the failure; no pixel."""
    log = RequestLog(clock=lambda: 5.0)
    engine = play("rules: [{when: {text: bad}, error: {kind: RateLimited}}, {text: good}]", log=log)
    await collect(engine, ask("hello", photo), Sampling(max_tokens=7))
    with pytest.raises(RateLimited):
        await collect(engine, ask("bad"))
    first, second = log.requests
    assert (first.number, first.at, first.model, first.text, first.rule) == (1, 5.0, "m", "hello", 1)
    assert (first.outcome, first.answer, first.sampling.max_tokens) == (Outcome.ANSWERED, "good", 7)
    assert first.images == (LoggedImage(SHA256, 4000, 3000, 448, 448),)
    assert (second.rule, second.outcome, second.error) == (0, Outcome.FAILED, "RateLimited")


async def test_the_log_is_bounded(play, ask, collect):
    """Only the last requests are kept, and of a long one only its last characters of text."""
    log = RequestLog()
    engine = play("rules: [{text: a}]", log=log)
    for _ in range(REQUESTS_KEPT + 2):
        await collect(engine, ask("x"))
    assert [log.requests[0].number, len(log.requests)] == [3, REQUESTS_KEPT]
    assert log.clear() == REQUESTS_KEPT
    await collect(engine, ask("x" * 100_000))
    assert len(log.requests[0].text) == 65_536


def test_a_digest_tells_requests_apart(ask, photo, draw):
    """Texts, images and what shapes an answer count; how it is drawn does not."""
    prompts = [ask("a"), ask("b"), ask("a", photo), ask("a", draw()), ask("a", reasoning_effort="low")]
    digests = {digest_prompt(p, Sampling()) for p in prompts} | {digest_prompt(ask("a"), Sampling(max_tokens=1))}
    assert len(digests) == 6
    assert digest_prompt(ask("a"), Sampling(temperature=1, seed=3)) in digests


async def test_another_script_may_be_played_and_taken_back(tmp_path, say):
    """`play` replaces the file's script and counts anew; `rewind` reads the file again; a bad one changes nothing."""
    path = tmp_path / "s.yaml"
    path.write_text("rules: [{text: 'file {call}'}]")
    engine = ScriptedEngine(path)
    await engine.start()
    assert await say(engine, "x") == "file 1"
    engine.play("rules: [{text: other}]")
    with pytest.raises(InvalidArgument, match="line 1: rulez"):
        engine.play("rulez: 1")
    assert await say(engine, "x") == "other"
    await engine.rewind()
    assert await say(engine, "x") == "file 1"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("rules: [{when: {sha256: 12ab}}]", "expected 8 to 64 hex digits"),
        ("rules: [{when: {last_role: boss}}]", "expected one of system, developer, user, assistant, tool, saw 'boss'"),
        ("rules: [{fault: boom}]", "expected one of silence, drop, truncate, invalid_json, saw 'boom'"),
        ("rules: [{fault: {after_chunks: 1}}]", "expected the key `kind`, one of silence, drop"),
        ("rules: [{fault: drop, error: {kind: Unavailable}}]", "give either `error` or `fault`"),
        ("rules: [{error: {kind: Unavailable, headers: {'a b': 1}}}]", "this is not an HTTP header: a b: '1'"),
        ('rules: [{error: {kind: Unavailable, headers: {a: "x\\r\\ny: z"}}}]', "this is not an HTTP header"),
        ("rules: [{error: {kind: Unavailable, headers: [a]}}]", "expected a mapping, saw a list"),
        ("[" * 5000, "this is nested too deep"),
        ("strict: perhaps", "expected true or false"),
    ],
)
def test_bad_conditions_and_faults_are_refused(text, complaint):
    """The complaint says what is allowed."""
    with pytest.raises(BadDocument, match=complaint):
        parse_script(text)


async def test_a_rule_asks_what_the_request_wants(play, say, ask):
    """The functions that it offers, and whether its answer has to be JSON."""
    engine = play("""
        rules:
          - {when: {tool: draw}, text: I draw.}
          - {when: {structured: true}, text: '{"a": 1}'}
          - {when: {structured: false}, text: Plain.}
    """)
    plain = ask("Hello")
    drawing = replace(plain, tools=(Tool("paint", "", "{}"), Tool("draw", "", "{}")))
    assert await say(engine, prompt=drawing) == "I draw."
    assert await say(engine, prompt=replace(plain, response_format=JsonFormat(schema=None))) == '{"a": 1}'
    assert await say(engine, prompt=plain) == "Plain."
