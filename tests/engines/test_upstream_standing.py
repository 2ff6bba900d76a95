"""A key that the other server refuses and a model that it does not have: what clients, health and the log are told."""

from __future__ import annotations

import time

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from tests.engines.other_server import FINE
from vitrail.domain.errors import Unavailable
from vitrail.engines.base import TextPiece
from vitrail.engines.server_kind import ServerKind
from vitrail.engines.upstream import UpstreamEngine, UpstreamOptions

KEY = "sk-secret-of-the-operator"
INSIDE = "traceback in /srv/models/private at 10.0.0.7"


@pytest.fixture
async def engine_of(server):
    """Makes a started engine of a kind that takes retries as they are set by default."""
    engines = []

    async def start(kind=ServerKind.OPENAI, *, url=server.url, key=KEY, monotonic=time.monotonic, **options):
        engine = UpstreamEngine(
            UpstreamOptions(retry_pause_seconds=0, **options),
            base_url=url,
            model="big-vlm",
            name="our-vlm",
            key=key,
            kind=kind,
            monotonic=monotonic,
        )
        engines.append(engine)
        await engine.start()
        return engine

    yield start
    for engine in engines:
        await engine.close()


@pytest.fixture
def fail(ask, collect):
    """Returns what a client reads of a request that fails, and the log lines of it."""

    async def ask_in_vain(engine):
        with capture_logs() as lines, pytest.raises(Unavailable) as caught:
            await collect(engine, ask("Hi"))
        return caught.value.sentence, lines

    return ask_in_vain


def errors(lines):
    """The log lines that call for an operator."""
    return [line for line in lines if line["log_level"] == "error"]


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_is_told_to_the_operator_alone(server, engine_of, fail, status):
    """The client's own key is fine: it reads 503, while the log says whose key which server refused; nothing leaks."""
    engine = await engine_of()
    server.answers = [web.json_response({"error": {"message": f"{INSIDE} {KEY}"}}, status=status)]
    message, lines = await fail(engine)
    assert message == "The service is currently unavailable."
    (line,) = errors(lines)
    assert (line["event"], line["model"]) == ("the other server refuses the key", "our-vlm")
    assert line["base_url"] == server.url and "api_key" in line["hint"]
    assert INSIDE not in repr(lines) and KEY not in repr(lines)
    assert len(server.bodies) == 1  # the same key again would change nothing


async def test_health_tells_of_a_refused_key(server, engine_of):
    """Before any request came; the line is written once, and once more after it was well in between."""
    engine = await engine_of()
    server.models_status = 401
    with capture_logs() as lines:
        assert not (await engine.health()).ready
        assert not (await engine.health()).ready
        server.models_status = 200
        assert (await engine.health()).ready
        server.models_status = 401
        assert not (await engine.health()).ready
    assert [line["model"] for line in errors(lines)] == ["our-vlm", "our-vlm"]


async def test_a_mistyped_model_is_named_with_those_that_are_there(server, engine_of, fail, ask, collect):
    """It is asked for once; the log says what is served, health is not ready, until the model is there."""
    engine = await engine_of()
    server.models = ["small-vlm", "x" * 500]
    server.answers = [web.json_response({"error": {"message": INSIDE}}, status=404) for _ in range(2)]
    message, lines = await fail(engine)
    (line,) = errors(lines)
    assert line["event"] == "the other server does not have the model"
    assert (line["model"], line["upstream_model"], line["served"]) == ("our-vlm", "big-vlm", ["small-vlm", "x" * 100])
    assert INSIDE not in message + repr(lines) and len(server.bodies) == 1
    assert errors((await fail(engine))[1]) == []
    health = await engine.health()
    assert (health.ready, "does not have the model" in health.detail) == (False, True)
    server.models.append("big-vlm:latest")
    assert (await engine.health()).ready
    server.answers = [FINE]
    assert (await collect(engine, ask("Hi")))[0] == TextPiece("Hello")


async def test_a_refusal_holds_for_a_minute_where_the_list_cannot_tell(server, engine_of, fail):
    """A server may answer to names that it does not list: a balancer that trusts `/readyz` tries again after that."""
    now = [1000.0]
    engine = await engine_of(monotonic=lambda: now[0])
    server.models = ["small-vlm"]
    server.answers = [web.Response(status=404), web.Response(status=404)]
    for _ in range(2):
        assert len(errors((await fail(engine))[1])) == 1
        assert not (await engine.health()).ready
        now[0] += 61
        assert (await engine.health()).ready


async def test_an_answer_shows_that_the_model_is_there(server, engine_of, fail, ask, collect):
    """Some servers answer to names that they do not list."""
    engine = await engine_of()
    server.models = ["small-vlm"]
    server.answers = [web.Response(status=404), FINE]
    await fail(engine)
    assert not (await engine.health()).ready
    await collect(engine, ask("Hi"))
    assert (await engine.health()).ready


@pytest.mark.parametrize("kind", ServerKind)
async def test_a_model_that_is_not_listed_is_missed_before_any_request(server, engine_of, kind):
    """vLLM and LMDeploy list every model that they answer for; others may know names that they do not list."""
    engine = await engine_of(kind)
    server.models = ["small-vlm"]
    with capture_logs() as lines:
        assert (await engine.health()).ready is (kind not in (ServerKind.VLLM, ServerKind.LMDEPLOY))
    assert [line["served"] for line in errors(lines)] == [["small-vlm"]] * (not (await engine.health()).ready)


async def test_lines_of_failures_name_the_model_and_no_secret(server, engine_of, fail, ask, collect):
    """A refusal, a broken connection, and the breaker when it opens and closes; a password in the URL stays out."""
    url = server.url.replace("http://", "http://user:hidden@")
    now = [0.0]
    engine = await engine_of(url=url, key=None, monotonic=lambda: now[0], retries=0, breaker_failures=1)
    server.answers = [web.Response(status=503), ["cut"], FINE]
    with capture_logs() as lines:
        for _ in range(2):
            with pytest.raises(Unavailable):
                await collect(engine, ask("Hi"))
        now[0] = 10.0
        await collect(engine, ask("Hi"))
    assert [line["event"] for line in lines] == [
        "engine refused a request",
        "engine connection failed",
        "the other server does not answer",
        "the other server answers again",
    ]
    assert all((line["model"], line["base_url"]) == ("our-vlm", server.url) for line in lines)
    assert "hidden" not in repr(lines) and "hidden" not in (await engine.health()).detail
