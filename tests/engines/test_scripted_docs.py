"""The examples of docs/scripted.md and of the module's docstring are scripts that play as they say."""

from __future__ import annotations

import re
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from vitrail.domain.chat import Role, Sampling, TextPart
from vitrail.domain.errors import RateLimited, Unavailable
from vitrail.domain.faults import PlayedFault, TransportFault
from vitrail.domain.pictures import SentImage
from vitrail.engines import scripted as scripted_module
from vitrail.engines.base import Prompt, PromptMessage, TextPiece, ToolCallPiece
from vitrail.engines.script import Answer, When
from vitrail.engines.script_file import ANSWER_KEYS, FAULTS, SCRIPT_KEYS, parse_script
from vitrail.engines.scripted import ScriptedEngine

PAGE = (Path(__file__).parents[2] / "docs" / "scripted.md").read_text(encoding="utf-8")


@pytest.fixture
async def documented(tmp_path):
    """An engine that plays the page's whole example; pauses are not slept."""
    path = tmp_path / "answers.yaml"
    path.write_text(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0], encoding="utf-8")

    async def sleep(seconds):
        pass

    engine = ScriptedEngine(path, model="grok-2-vision-1212", sleep=sleep)
    await engine.start()
    return engine


@pytest.fixture
def say(documented, ask, collect):
    """The text of one answer."""

    async def answer(*parts):
        pieces = await collect(documented, ask(*parts), Sampling())
        return "".join(piece.text for piece in pieces if isinstance(piece, TextPiece))

    return answer


async def test_the_example_answers_as_it_says(say, draw):
    """Each rule of the page's example gives its answer."""
    assert await say("The INVOICE, please", draw()) == "The total is 18.20 EUR."
    assert await say("What are the colors?") == "Red, and a little blue."
    assert await say(draw(), draw(20, 10)) == "You sent 2 images (448x448, 20x10 px). The sizes are 448x448, 20x10."
    assert await say(draw(20, 10)) == "This image is too small to see anything."
    assert await say("think") == "There are twelve."
    assert await say("who?") == "I am grok-2-vision-1212."
    assert await say("Good day") == "I see no image. You said: Good day"


async def test_the_example_calls_and_fails_as_it_says(documented, say, ask, collect):
    """Calls, sequences of errors and cut streams come as the page says."""
    calls = [p.call for p in await collect(documented, ask("weather")) if isinstance(p, ToolCallPiece)]
    assert (calls[0].name, calls[0].arguments) == ("find_weather", '{"city": "Oslo", "days": 2}')
    for failure in (Unavailable, RateLimited):
        with pytest.raises(failure):
            await say("busy")
    assert await say("busy") == "It works now, at call 3."
    with pytest.raises(Unavailable):
        await say("cut")
    assert (await collect(documented, ask("long story"), Sampling()))[-1].reason == "length"


async def test_the_example_breaks_as_it_says(documented, ask, collect, draw):
    """The 429 has its headers, the socket drops after a chunk, a file is told by its hash, calls are counted."""
    with pytest.raises(RateLimited) as rate:
        await collect(documented, ask("rate"), Sampling())
    assert rate.value.headers == {"x-ratelimit-limit-requests": "1", "x-ratelimit-remaining-requests": "0"}
    with pytest.raises(PlayedFault) as drop:
        await collect(documented, ask("socket"), Sampling())
    assert drop.value.fault is TransportFault.DROP
    photo = replace(draw(), sent=SentImage("0f3a9c55d1" + "0" * 54, 4000, 3000))
    assert (await collect(documented, ask(photo), Sampling()))[0].text == "The"
    till = PromptMessage(Role.SYSTEM, (TextPart("You are a cashier."),))
    prompt = Prompt((till, *ask("So?").messages))
    assert [(await collect(documented, prompt, Sampling()))[0].text for _ in range(2)] == ["I", "Anythi"]


def test_every_fault_and_role_is_on_the_page():
    """The tables name whatever a rule may say."""
    assert not {name for name in (*FAULTS, *Role) if f"`{name}`" not in PAGE}


def test_every_yaml_block_is_a_script():
    """All examples of page and docstring can be read."""
    docstring = scripted_module.__doc__ or ""
    example = textwrap.dedent(docstring[docstring.index("    rules:") : docstring.index("\n\nAn answer may")])
    for text in (*re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL), example):
        parse_script(text)


def test_every_key_is_on_the_page():
    """No condition and no part of an answer is missing from the page's tables."""
    keys = {*ANSWER_KEYS, *SCRIPT_KEYS, *When.__dataclass_fields__, "answers", "note"}
    assert not {key for key in keys if f"`{key}`" not in PAGE}
    assert set(ANSWER_KEYS) == set(Answer.__dataclass_fields__)
