"""The scripted engine: rules, answers, and what it makes up by itself."""

from __future__ import annotations

import json

import jsonschema
import pytest

from vitrail.domain.chat import JsonFormat, Role, Sampling, TextPart, Tool, ToolChoice, ToolMode
from vitrail.domain.completion import FinishReason
from vitrail.domain.errors import InvalidArgument, RateLimited, Unavailable
from vitrail.engines.base import (
    Capabilities,
    FinishPiece,
    Prompt,
    PromptMessage,
    ReasoningPiece,
    TextPiece,
    ToolCallPiece,
)
from vitrail.engines.scripted import ScriptedEngine

SCHEMA = json.dumps({"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]})


@pytest.fixture
def play(tmp_path):
    """Starts an engine that plays a script; `slept` are its pauses."""

    async def start(text, *, model="", slept=None):
        path = tmp_path / "script.yaml"
        path.write_text(text, encoding="utf-8")

        async def sleep(seconds):
            slept.append(seconds)

        engine = ScriptedEngine(path, model=model, sleep=sleep)
        await engine.start()
        return engine

    return start


@pytest.fixture
def say(ask, collect):
    """Returns the whole text that an engine answers to some parts."""

    async def answer(engine, *parts, sampling=None):
        pieces = await collect(engine, ask(*parts), sampling or Sampling())
        return "".join(piece.text for piece in pieces if isinstance(piece, TextPiece))

    return answer


async def test_without_a_script_it_says_what_it_saw(scripted, say, draw):
    """The echo names the images with their sizes, and the question."""
    assert await say(scripted, "What is this?") == "I see no image. You said: What is this?"
    assert await say(scripted, draw(20, 10), "And?") == "I see 1 image (20x10 px). You said: And?"
    two = await say(scripted, draw(20, 10), draw(30, 40), "Compare")
    assert two == "I see 2 images (20x10, 30x40 px). You said: Compare"


async def test_the_first_rule_that_holds_answers(play, say, draw):
    """Rules are tried in order, on text, expression, model, number and size of images."""
    engine = await play(
        """
        rules:
          - {when: {text: Invoice, images: 1}, text: a}
          - {when: {regex: "colou?r\\\\b"}, text: b}
          - {when: {model: other}, text: never}
          - {when: {images: {min: 2}}, text: c}
          - {when: {images: 1, width_px: {max: 100}, height_px: 50}, text: d}
          - text: e
        """,
        model="this",
    )
    assert [
        await say(engine, "the invoice, please", draw()),
        await say(engine, "the invoice, please"),
        await say(engine, "Which COLOR?"),
        await say(engine, draw(), draw()),
        await say(engine, draw(80, 50)),
        await say(engine, draw(80, 51)),
    ] == ["a", "e", "b", "c", "d", "e"]


async def test_rules_look_at_the_last_user_message(play, collect):
    """Earlier turns and other roles do not count."""
    engine = await play("rules: [{when: {text: old}, text: wrong}, {when: {text: new}, text: right}]")
    turns = [(Role.USER, "old"), (Role.USER, "new"), (Role.ASSISTANT, "old")]
    pieces = await collect(engine, Prompt(tuple(PromptMessage(r, (TextPart(t),)) for r, t in turns)))
    assert pieces[0].text == "right"


async def test_chunks_come_as_written_with_their_pauses(play, ask, collect):
    """Explicit chunks are pieces of their own; only the scripted pauses are slept."""
    slept = []
    engine = await play(
        "rules: [{delay_seconds: 0.25, chunks: ['One, ', {text: 'two, ', delay_seconds: 1}, three]}]", slept=slept
    )
    pieces = await collect(engine, ask("count"), Sampling())
    assert [piece.text for piece in pieces[:-1]] == ["One, ", "two, ", "three"]
    assert slept == [0.25, 1.0, 0.25]


async def test_answers_in_sequence_end_with_the_last_for_ever(play, say):
    """The nth call gets the nth answer, the last one from then on."""
    engine = await play("rules: [{answers: [{text: first}, {text: 'call {call}'}]}]")
    assert [await say(engine, "x") for _ in range(4)] == ["first", "call 2", "call 3", "call 4"]


async def test_errors_are_raised_with_their_kind(play, ask, collect):
    """A scripted error is the failure of that name, with its text and time to retry after."""
    engine = await play("rules: [{error: {kind: RateLimited, text: Slow down., retry_after_seconds: 7}}]")
    with pytest.raises(RateLimited) as caught:
        await collect(engine, ask("x"))
    assert (caught.value.message, caught.value.retry_after_seconds) == ("Slow down.", 7)


async def test_errors_may_come_in_mid_stream(play, ask):
    """`after_chunks` chunks are sent before the failure."""
    engine = await play("rules: [{chunks: [a, b, c], error: {kind: Unavailable, after_chunks: 2}}]")
    seen = []
    with pytest.raises(Unavailable):
        async for piece in engine.generate(ask("x"), Sampling()):
            seen.append(piece.text)
    assert seen == ["a", "b"]


async def test_an_error_then_an_answer(play, ask, collect, say):
    """A sequence can fail first and work later."""
    engine = await play("rules: [{answers: [{error: {kind: Unavailable}}, {text: fine}]}]")
    with pytest.raises(Unavailable):
        await collect(engine, ask("x"))
    assert await say(engine, "x") == "fine"


async def test_usage_and_finish_reason_can_be_set(play, ask, collect):
    """Counts and the reason come as scripted."""
    engine = await play(
        "rules: [{text: hi, finish_reason: length, completion_tokens: 9, reasoning_tokens: 4, cached_tokens: 2,"
        " prompt_tokens: 55}]"
    )
    assert (await collect(engine, ask("x")))[-1] == FinishPiece(FinishReason.LENGTH, 9, 4, 2, 55)


async def test_reasoning_comes_first(play, ask, collect):
    """Reasoning is a piece of its own and counted apart."""
    engine = await play("rules: [{reasoning: Let me see., text: Yes}]")
    pieces = await collect(engine, ask("x"))
    assert pieces[0] == ReasoningPiece("Let me see.", 4)
    assert (pieces[-1].completion_tokens, pieces[-1].reasoning_tokens) == (1, 4)


async def test_tool_calls_are_whole(play, ask, collect):
    """Arguments may be a mapping or text; the reason becomes tool_calls."""
    engine = await play("rules: [{tool_calls: [{name: f, arguments: {city: Oslo}}, {name: g, arguments: '[', id: x}]}]")
    pieces = await collect(engine, ask("x"))
    calls = [piece.call for piece in pieces if isinstance(piece, ToolCallPiece)]
    assert [(c.id, c.name, c.arguments) for c in calls] == [("", "f", '{"city": "Oslo"}'), ("x", "g", "[")]
    assert pieces[-1].reason is FinishReason.TOOL_CALLS


async def test_logprobs_are_the_scripted_ones(play, ask, collect):
    """Every word has the rule's log probability when asked for."""
    engine = await play("rules: [{text: two words, logprob: -0.5}]")
    pieces = await collect(engine, ask("x"), Sampling(logprobs=True, top_logprobs=3))
    given = [logprob for piece in pieces[:-1] for logprob in piece.logprobs]
    assert [(g.token, g.logprob, g.top) for g in given] == [
        ("two", -0.5, (("two", -0.5),)),
        (" words", -0.5, ((" words", -0.5),)),
    ]


async def test_stop_sequences_cut_across_chunks(play, say):
    """A stop sequence ends the answer though it is spread over chunks."""
    engine = await play("rules: [{chunks: ['one ST', 'OP two']}]")
    assert await say(engine, "x", sampling=Sampling(stop=("STOP",))) == "one "


async def test_a_schema_is_followed_when_the_rule_says_nothing(scripted, say, ask, collect):
    """The smallest valid instance is made up; any object without a schema."""
    pieces = await collect(scripted, ask("x", response_format=JsonFormat(SCHEMA)), Sampling())
    jsonschema.validate(json.loads("".join(p.text for p in pieces[:-1])), json.loads(SCHEMA))
    pieces = await collect(scripted, ask("x", response_format=JsonFormat(None)), Sampling())
    assert json.loads("".join(p.text for p in pieces[:-1])) == {}


async def test_a_scripted_text_wins_over_a_schema(play, ask, collect):
    """What the rule says is said, valid or not."""
    engine = await play("rules: [{text: not json}]")
    pieces = await collect(engine, ask("x", response_format=JsonFormat(SCHEMA)), Sampling())
    assert "".join(p.text for p in pieces[:-1]) == "not json"


@pytest.mark.parametrize("choice", [ToolChoice(ToolMode.REQUIRED), ToolChoice(ToolMode.REQUIRED, "g")])
async def test_a_required_tool_is_called(scripted, ask, collect, choice):
    """A request that insists on a tool gets a call with valid arguments."""
    tools = (Tool("f", "", "{}"), Tool("g", "", SCHEMA))
    pieces = await collect(scripted, ask("x", tools=tools, tool_choice=choice), Sampling())
    assert [type(piece) for piece in pieces] == [ToolCallPiece, FinishPiece]
    assert pieces[0].call.name == (choice.name or "f")


async def test_capabilities_can_be_taken_away(play, ask, draw, collect):
    """A script may say that the model takes no images."""
    engine = await play("capabilities: {images: false, tools: false, picture_long_edge_px: 640}")
    assert engine.capabilities == Capabilities(
        images=False, logprobs=True, structured=True, tools=False, reasoning=True, picture_long_edge_px=640
    )
    with pytest.raises(InvalidArgument):
        await collect(engine, ask(draw()))


async def test_placeholders_leave_other_braces_alone(play, say, draw):
    """JSON in a scripted text stays as it is."""
    engine = await play("""rules: [{text: '{"n": {image_count}, "sizes": "{sizes}", "m": "{model}"}'}]""", model="m-1")
    assert json.loads(await say(engine, draw(2, 3))) == {"n": 1, "sizes": "2x3", "m": "m-1"}


async def test_the_fingerprint_follows_the_script(play, scripted):
    """Another script is another fingerprint."""
    one, other = await play("rules: [{text: a}]"), await play("rules: [{text: b}]")
    assert len({one.fingerprint, other.fingerprint, scripted.fingerprint}) == 3


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("rulez: []", "line 1: rulez: unknown key 'rulez'; allowed are capabilities, rules"),
        ("rules:\n  - txt: hi", r"line 2: rules\[0\].txt: unknown key 'txt'; allowed are when, answers, text, chunks"),
        ("rules:\n - when: {imagse: 1}", r"line 2: rules\[0\].when.imagse: unknown key"),
        ("rules: 5", "line 1: rules: expected a list, saw '5'"),
        ("- a", "line 1: expected a mapping with capabilities, rules, strict, saw a list"),
        ("rules:\n- when:\n    regex: '('", r"line 3: rules\[0\].when.regex: this is not a regular expression"),
        ("rules:\n- {text: a, chunks: [b]}", r"line 2: rules\[0\]: give either `text` or `chunks`, saw both"),
        ("rules:\n- {text: a, answers: [{text: b}]}", "either `answers` or an answer of its own"),
        ("rules:\n- answers: []", "at least one answer"),
        ("rules:\n- error: {kind: Nonsense}", "expected one of .*InvalidArgument.*RateLimited.*, saw 'Nonsense'"),
        ("rules:\n- error: {text: x}", "expected the key `kind`"),
        ("rules:\n- when: {images: many}", "expected a whole number of 0 or more, saw 'many'"),
        ("rules:\n- delay_seconds: -1", "expected seconds of 0 or more, saw '-1'"),
        ("rules:\n- logprob: x", "expected a number, saw 'x'"),
        ("rules:\n- finish_reason: done", "expected one of stop, length, tool_calls, saw 'done'"),
        ("capabilities: {images: maybe}", "expected true or false, saw 'maybe'"),
        ("rules:\n- text: {a: b}", "expected text, saw a mapping"),
        ("rules:\n- chunks: [{delay_seconds: 1}]", "expected the key `text`"),
        ("rules:\n- tool_calls: [{arguments: {}}]", "expected the key `name`"),
        ("rules:\n- tool_calls: [{name: f, arguments: {a: 2020-01-01}}]", "this has no form in JSON"),
        ("rules:\n- {text: a, text: b}", "the key stands here twice"),
        ("rules: [", "line 1: this is not YAML"),
        ("rules:\n- text: \x00", "this is not YAML"),
    ],
)
async def test_a_bad_script_is_refused_with_its_line(play, text, complaint):
    """The message names the line, what was seen and what is allowed."""
    with pytest.raises(Unavailable, match=complaint):
        await play(text)


async def test_a_missing_script_is_refused(tmp_path):
    """A path that leads nowhere stops the start."""
    with pytest.raises(Unavailable, match="nothing"):
        await ScriptedEngine(tmp_path / "nothing.yaml").start()


async def test_an_empty_script_echoes(play, say):
    """A file without rules is a script too."""
    assert (await say(await play("# nothing yet"), "hi")).endswith("You said: hi")
