"""A scripted engine that records from another engine: here from a second scripted one."""

from __future__ import annotations

import pytest
import yaml

from vitrail.domain.chat import Sampling
from vitrail.domain.errors import RateLimited, Unavailable
from vitrail.engines.base import TextPiece
from vitrail.engines.request_log import RequestLog
from vitrail.engines.script_recording import append_rule, check_appendable
from vitrail.engines.scripted import ScriptedEngine
from vitrail.engines.yaml_reading import BadDocument


@pytest.fixture
def path(tmp_path):
    """Where the script is recorded."""
    return tmp_path / "answers.yaml"


@pytest.fixture
def record(path):
    """Starts an engine that records to `path` what an engine with these rules answers."""

    async def start(rules, *, log=None):
        source = ScriptedEngine()
        engine = ScriptedEngine(path, model="m", log=log, record_from=source)
        await engine.start()
        source.play(rules)
        return engine

    return start


@pytest.fixture
def say(ask, collect):
    """Returns the text of an engine's answer."""

    async def answer(engine, text, sampling=None):
        pieces = await collect(engine, ask(text), sampling or Sampling())
        return "".join(piece.text for piece in pieces if isinstance(piece, TextPiece))

    return answer


async def test_the_last_piece_comes_once_the_answer_is_in_the_file(record, path, ask):
    """What was streamed stays, also when the client leaves right after the end."""
    engine = await record("rules: [{chunks: ['Once ', upon]}]")
    texts = []
    pieces = engine.generate(ask("tell"), Sampling())
    async for piece in pieces:
        if not isinstance(piece, TextPiece):
            break
        texts.append(piece.text)
    await pieces.aclose()
    assert texts == ["Once ", "upon"]
    assert yaml.safe_load(path.read_text())["rules"][0]["text"] == "Once upon"


async def test_failures_are_passed_on_and_not_recorded(record, path, say):
    """A 429 of the other side, and an answer that broke off, are not what later runs should play."""
    engine = await record(
        "rules: [{when: {text: cut}, chunks: [a, b], error: {kind: Unavailable, after_chunks: 1}},"
        " {error: {kind: RateLimited}}]"
    )
    with pytest.raises(RateLimited):
        await say(engine, "x")
    with pytest.raises(Unavailable):
        await say(engine, "cut")
    assert not path.exists()


async def test_what_stands_in_the_script_is_left_as_it_is(record, path, say):
    """Rules written by hand answer first, and comments survive; new rules come after them."""
    by_hand = "# mine\nrules:\n- when: {text: mine}   # a comment\n  text: by hand\n"
    path.write_text(by_hand)
    log = RequestLog()
    engine = await record("rules: [{text: recorded}]", log=log)
    assert await say(engine, "mine") == "by hand"
    assert [await say(engine, "yours"), await say(engine, "yours")] == ["recorded", "recorded"]
    assert path.read_text().startswith(by_hand)
    assert [(r.rule, r.recorded) for r in log.requests] == [(0, False), (None, True), (1, False)]


async def test_two_recorders_of_one_file_keep_each_others_rules(record, path, say):
    """Workers of a parallel test run may record to the same script."""
    rules = "rules: [{text: '{question}'}]"
    one, two = await record(rules), await record(rules)
    assert [await say(one, "a"), await say(two, "b"), await say(two, "a"), await say(one, "b")] == ["a", "b", "a", "b"]
    assert [rule["text"] for rule in yaml.safe_load(path.read_text())["rules"]] == ["a", "b"]


async def test_a_recorded_answer_is_replayed_to_the_letter(record, say):
    """Placeholders, line ends and signs of YAML come back as they were, and a limit cuts nothing a second time."""
    text = "{images}:\n  - 'é ☂' # \"no\"\t\r\n\n true"
    engine = await record(yaml.safe_dump({"rules": [{"text": text, "verbatim": True}]}))
    sampling = Sampling(max_tokens=3)
    assert [await say(engine, "x", sampling), await say(engine, "x", sampling)] == [text, text]


async def test_nothing_is_recorded_while_a_test_plays_its_own_script(record, path, say):
    """The file is for its own script alone."""
    engine = await record("rules: [{text: recorded}]")
    engine.play("rules: []")
    assert await say(engine, "x") == "I see no image. You said: x"
    assert not path.exists()


@pytest.mark.parametrize("text", ["rules: []", "rules: [{text: a}]", "rules:\n  - text: a\nstrict: true\n"])
async def test_a_script_that_cannot_be_appended_to_is_refused_at_the_start(record, path, text):
    """Rather than after an answer was paid for."""
    path.write_text(text)
    with pytest.raises(Unavailable, match="`rules` has to stand last"):
        await record("rules: []")
    with pytest.raises(BadDocument):
        check_appendable(text, source="answers.yaml")


@pytest.mark.parametrize(
    "text", ["", "strict: true", "# only a comment\n", "rules:\n    - text: a", "rules:\n- text: a\n\n"]
)
def test_rules_are_appended_whatever_the_indentation(text):
    """An empty script gets its list; an existing one keeps its column."""
    rule = {"when": {"digest": "12"}, "text": "a\n\n b"}
    longer = append_rule(text, rule, source="s")
    assert longer.startswith(text)
    assert yaml.safe_load(longer)["rules"][-1] == rule
