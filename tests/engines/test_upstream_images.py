"""The engine of image models against a server that says what the test wants."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from tests.fixtures.image_maker import ImageMaker, image_file, row
from tests.fixtures.waiting import comes_within_a_second
from vitrail.domain.errors import ContextTooLong, Failure, InvalidArgument, RateLimited, Unavailable
from vitrail.engines.image_base import DrawnImage
from vitrail.engines.image_slots import ImageSlots
from vitrail.engines.openai_errors import KeyRefused, NotServed
from vitrail.engines.slots import SlotsOptions
from vitrail.engines.upstream_images import UpstreamImages
from vitrail.engines.upstream_options import UpstreamOptions

SECRET = "sk-secret-of-the-operator"
INSIDE = "image worker 10.0.0.7: traceback in /srv/models/private"


@pytest.fixture
async def maker():
    """A running image server."""
    maker = ImageMaker()
    await maker.start()
    yield maker
    await maker.close()


@pytest.fixture
async def open_images(maker):
    """Return a maker of started engines that ask that server; the options are those of UpstreamOptions."""
    opened = []

    async def open_images(**options):
        chosen = UpstreamOptions(**{"image_seconds": 30, **options})
        engine = UpstreamImages(chosen, base_url=maker.url, model="big-painter", key=SECRET)
        await engine.start()
        opened.append(engine)
        return engine

    yield open_images
    for engine in opened:
        await engine.close()


async def test_asks_for_base64_and_returns_the_files(maker, open_images):
    """Model, prompt, number and the key travel; the files come back as they were, each with its prompt."""
    files = (image_file("PNG"), image_file("JPEG"))
    maker.answers = [{"data": [row(files[0], revised_prompt="A cat, sitting."), row(files[1])]}]
    images = await (await open_images()).draw("A cat", n=2)
    assert images == (DrawnImage(files[0], "A cat, sitting."), DrawnImage(files[1]))
    assert maker.bodies == [{"model": "big-painter", "prompt": "A cat", "n": 2, "response_format": "b64_json"}]
    assert maker.headers[0]["Authorization"] == f"Bearer {SECRET}"


async def test_a_data_uri_where_base64_is_due_is_read(maker, open_images):
    """The guide of the real API shows base64 with the head of a data URI before it."""
    file = image_file("PNG")
    written = row(file)
    maker.answers = [{"data": [{"b64_json": f"data:image/png;base64,{written['b64_json']}"}]}]
    assert await (await open_images()).draw("A cat", n=1) == (DrawnImage(file),)


async def test_more_images_than_asked_for_are_left_out(maker, open_images):
    """Nobody is billed for what was not asked for."""
    maker.answers = [{"data": [row(image_file())] * 3}]
    assert len(await (await open_images()).draw("A cat", n=2)) == 2


@pytest.mark.parametrize(
    ("status", "document", "failure"),
    [
        (400, {"error": {"message": f"your image prompt was rejected {INSIDE}"}}, InvalidArgument),
        (400, {"error": {"message": f"maximum context length is 77 {INSIDE}"}}, ContextTooLong),
        (422, {"detail": [INSIDE]}, InvalidArgument),
        (401, {"error": {"message": f"wrong key {SECRET}"}}, KeyRefused),
        (404, {"error": {"message": "no model big-painter"}}, NotServed),
        (429, {"error": INSIDE}, RateLimited),
        (500, {"error": {"message": INSIDE}}, Unavailable),
    ],
)
async def test_m06_errors_are_translated_and_never_leaked(maker, open_images, status, document, failure):
    """M06 an error of the other server becomes one of ours, in our words, and is asked for once."""
    maker.answers = [web.json_response(document, status=status)]
    with capture_logs() as lines, pytest.raises(failure) as caught:
        await (await open_images()).draw("A cat", n=1)
    assert lines and all((line["model"], line["base_url"]) == ("big-painter", maker.url) for line in lines)
    assert type(caught.value) is failure
    said = str(caught.value)
    assert not any(word in said for word in (INSIDE, SECRET, "big-painter", "of the request."))
    assert len(maker.bodies) == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"data": []},
        {"data": [{"url": "http://10.0.0.7/private.png"}]},
        {"data": [{"b64_json": "no base64!"}]},
        {"data": "of another shape"},
        {"error": {"message": INSIDE}},
        web.Response(text="<html>Bad Gateway</html>", content_type="text/html"),
        web.Response(body=b"[" * 100_000, content_type="application/json"),
    ],
    ids=["none", "url", "base64", "shape", "error", "html", "deep"],
)
async def test_m25_a_strange_answer_is_unavailable(maker, open_images, answer):
    """M25 no image, a URL where base64 was asked for, or no JSON: one clean failure."""
    maker.answers = [answer]
    with pytest.raises(Unavailable) as caught:
        await (await open_images()).draw("A cat", n=1)
    assert caught.value.message == "The service is currently unavailable."


async def test_a_redirect_is_not_followed(maker, open_images):
    """The prompt does not travel to an address that nobody configured."""
    maker.answers = [web.Response(status=307, headers={"Location": "/elsewhere"}), {"data": [row(image_file())]}]
    with pytest.raises(Unavailable):
        await (await open_images()).draw("A cat", n=1)
    assert len(maker.bodies) == 1


async def test_an_answer_over_the_limit_is_given_up(maker, open_images):
    """The bytes that are held for an answer are bounded, whatever its length header says; one at the limit passes."""
    document = {"data": [row(image_file())]}
    size = len(json.dumps(document))
    maker.answers = [document]
    assert len(await (await open_images(image_answer_bytes=size)).draw("A cat", n=1)) == 1
    with pytest.raises(Unavailable):
        await (await open_images(image_answer_bytes=size - 1)).draw("A cat", n=1)


async def test_m05_silence_ends_the_request_once(maker, open_images):
    """M05 a server that does not answer in time is left, and not asked again."""
    maker.answers = [asyncio.Event()]
    with pytest.raises(Unavailable):
        await (await open_images(image_seconds=1)).draw("A cat", n=1)
    assert await comes_within_a_second(maker.left.is_set)
    assert len(maker.bodies) == 1


async def test_m03_cancelling_drops_the_connection(maker, open_images):
    """M03 the other server sees at once that nobody waits any more."""
    maker.answers = [asyncio.Event()]
    drawing = asyncio.create_task((await open_images()).draw("A cat", n=1))
    await maker.asked.wait()
    drawing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await drawing
    assert await comes_within_a_second(maker.left.is_set)


async def test_health_follows_the_other_server(maker, open_images):
    """Ready while the models can be listed, not ready once the server is gone."""
    engine = await open_images()
    assert (await engine.health()).ready
    await maker.close()
    assert not (await engine.health()).ready


async def test_slots_bound_what_is_asked_at_once(maker, open_images):
    """One runs, one waits, a third is refused at once; a slot is free again when its images have come."""
    go = asyncio.Event()
    maker.answers = [go]
    slots = ImageSlots(await open_images(), SlotsOptions(generations=1, queue=1, wait_seconds=30))
    first, second = (asyncio.create_task(slots.draw("A cat", n=1)) for _ in range(2))
    await maker.asked.wait()
    assert (slots.running, slots.waiting) == (1, 1)
    with pytest.raises(Unavailable):
        await slots.draw("A cat", n=1)
    go.set()
    assert [len(images) for images in await asyncio.gather(first, second)] == [1, 1]
    assert (slots.running, slots.waiting, len(maker.bodies)) == (0, 0, 2)


async def test_closing_slots_refuses_and_is_not_healthy(maker, open_images):
    """A server that stops draws nothing more."""
    slots = ImageSlots(await open_images(), SlotsOptions(generations=1, drain_seconds=0))
    assert (await slots.health()).ready
    await slots.close()
    assert not (await slots.health()).ready
    with pytest.raises(Failure):
        await slots.draw("A cat", n=1)
    assert maker.bodies == []
