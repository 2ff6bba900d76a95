"""`POST /v1/images/generations` and the image models' lists, with a server on loopback that stands for the model."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode

import pytest
from aiohttp import web
from sqlalchemy import select

from tests.fixtures.image_maker import ImageMaker, image_file, row
from vitrail.domain.models import Modality, Model
from vitrail.store.schema import completions

INSIDE = "http://10.0.0.7/private"
CENT_TICKS = 10**8


@pytest.fixture
async def maker():
    """A running image server."""
    maker = ImageMaker()
    await maker.start()
    yield maker
    await maker.close()


@pytest.fixture
async def surface(maker, open_images, open_surface):
    """A surface with a language model, and an image model at 7 cents an image."""
    return open_surface(image_models=await open_images(maker.url))


@pytest.fixture
def settled(database):
    """Return a reader of the rows that were settled for the key of a surface."""

    async def read(surface):
        key = await surface.keyring.find(surface.secret)
        statement = select(completions).where(completions.c.api_key_id == key.id)
        return database.run(lambda connection: list(connection.execute(statement)))

    return read


async def ask(surface, **body):
    """Send a request with a good key."""
    return await surface.client.post("/v1/images/generations", json=body, headers=surface.key)


async def test_an_image_comes_as_a_data_uri_with_its_cost(surface, maker):
    """The URL can be used as it is, and leads to no other host; the revised prompt and the cost stand beside it."""
    file = image_file("PNG")
    maker.answers = [{"data": [row(file, revised_prompt="A black cat.", url=INSIDE)]}]
    answer = await ask(surface, prompt="A cat", model="grok-2-image")
    assert answer.status_code == 200
    document = answer.json()
    url = document["data"][0].pop("url")
    assert url.startswith("data:image/png;base64,") and b64decode(url.partition(",")[2]) == file
    assert document == {
        "data": [{"revised_prompt": "A black cat.", "mime_type": "image/png"}],
        "usage": {"cost_in_usd_ticks": 7 * CENT_TICKS},
    }
    assert INSIDE not in answer.text


async def test_base64_is_bare_and_without_a_revised_prompt_the_prompt_stands(surface, maker):
    """`b64_json` is what a base64 decoder takes, and the only image model need not be named."""
    maker.answers = [{"data": [row(image_file("JPEG"))]}]
    answer = await ask(surface, prompt="A cat", response_format="b64_json", user="u", n=None)
    (image,) = answer.json()["data"]
    assert b64decode(image.pop("b64_json"), validate=True) == image_file("JPEG")
    assert image == {"revised_prompt": "A cat", "mime_type": "image/jpeg"}
    assert maker.bodies == [{"model": "painter", "prompt": "A cat", "n": 1, "response_format": "b64_json"}]


async def test_usage_is_settled_once_by_the_images_that_came(surface, maker, settled):
    """Three asked for, two given: one row, without tokens, at the price of two."""
    maker.answers = [{"data": [row(image_file())] * 2}]
    answer = await ask(surface, prompt="A cat", n=3)
    (entry,) = await settled(surface)
    assert (entry.model, entry.endpoint, entry.status) == ("grok-2-image-1212", "image", "finished")
    assert entry.cost_ticks == answer.json()["usage"]["cost_in_usd_ticks"] == 14 * CENT_TICKS
    assert entry.text_tokens == entry.image_tokens == entry.completion_tokens == 0
    assert entry.request_id == answer.headers["x-request-id"]
    metrics = (await surface.client.get("/metrics")).text
    assert 'vitrail_completions_total{model="grok-2-image-1212",status="finished"} 1.0' in metrics


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 422, "Failed to deserialize the JSON body into the target type: missing field `prompt`"),
        ({"prompt": 1}, 422, "prompt: expected string, got integer"),
        ({"prompt": "A cat", "response_format": "png"}, 422, "expected `url` or `b64_json`, got 'png'"),
        ({"prompt": "A cat", "size": "1024x1024"}, 400, "Argument not supported: size"),
        ({"prompt": "A cat", "quality": "hd"}, 400, "Argument not supported: quality"),
        ({"prompt": "A cat", "style": "vivid"}, 400, "Argument not supported: style"),
        ({"prompt": "A cat", "stream": True}, 400, "Argument not supported: stream"),
        ({"prompt": "A cat", "n": 0}, 400, "`n` must be between 1 and 10, but is 0."),
        ({"prompt": "A cat", "n": 11}, 400, "`n` must be between 1 and 10, but is 11."),
        ({"prompt": " "}, 400, "`prompt` is empty."),
        ({"prompt": "cat" + " cat" * 1024}, 400, "maximum prompt length is 1024 but the request contains 1025 tokens"),
        ({"prompt": "A cat", "model": "flux"}, 404, "The model flux does not exist"),
        (
            {"prompt": "A cat", "model": "fake-vision-1"},
            400,
            "fake-vision-1 is a language model and generates no images",
        ),
    ],
)
async def test_what_cannot_be_is_refused_before_anything_is_drawn(surface, maker, settled, body, status, said):
    """The image server is not asked, and nothing is billed."""
    answer = await ask(surface, **body)
    assert (answer.status_code, said in answer.json()["error"]) == (status, True), answer.text
    assert maker.bodies == [] and await settled(surface) == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}], "deferred": True}),
        ("/v1/responses", {"input": "Hi"}),
        ("/v1/messages", {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}),
        ("/v1/messages/count_tokens", {"messages": [{"role": "user", "content": "Hi"}]}),
        ("/v1/completions", {"prompt": "Hi"}),
        ("/v1/tokenize-text", {"text": "Hi"}),
        ("/v1/image-tokens", {"messages": [{"role": "user", "content": "Hi"}]}),
    ],
)
async def test_an_image_model_writes_nothing(surface, path, body):
    """Every route for language models names the model, says what it is, and where it can be used."""
    answer = await surface.client.post(path, json={"model": "grok-2-image", **body}, headers=surface.key)
    assert answer.status_code == 400
    assert "The model grok-2-image-1212 is an image model and is not available on this route." in answer.text
    assert "Use `POST /v1/images/generations` of this server." in answer.text


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (web.json_response({"error": {"message": INSIDE}}, status=500), 503),
        (web.json_response({"error": {"message": f"unsafe {INSIDE}"}}, status=400), 400),
        ({"data": [row(b"<html>" + INSIDE.encode())]}, 503),
        ({"data": [row(image_file("GIF"))]}, 503),
        ({"data": [row(image_file()), row(image_file()[:40])]}, 503),
        ({"data": [{"url": INSIDE}]}, 503),
    ],
    ids=["500", "400", "html", "gif", "cut", "url"],
)
async def test_m06_a_failure_of_the_image_server_costs_nothing(surface, maker, settled, answer, status):
    """M06 no word of the other side reaches the client, and an answer that is not whole is none."""
    maker.answers = [answer]
    refused = await ask(surface, prompt="A cat", n=2)
    assert refused.status_code == status and INSIDE not in refused.text
    assert await settled(surface) == []


@pytest.mark.parametrize("options", [{"image_seconds": 0.2}, {"image_answer_bytes": 100}], ids=["late", "large"])
async def test_m05_an_answer_that_is_late_or_too_large_is_503(maker, open_images, open_surface, settled, options):
    """M05 both limits hold, and say when to come back."""
    surface = open_surface(image_models=await open_images(maker.url, **options))
    if "image_seconds" in options:
        maker.answers = [asyncio.Event()]
    answer = await ask(surface, prompt="A cat")
    assert (answer.status_code, int(answer.headers["retry-after"]) >= 1) == (503, True)
    assert await settled(surface) == []


async def test_m03_a_client_that_leaves_ends_the_generation(surface, maker, settled):
    """M03 over a real connection: the image server sees it, the slot is free again, and nothing is billed."""
    maker.answers = [asyncio.Event(), {"data": [row(image_file())]}]
    body = json.dumps({"prompt": "A cat"}).encode()
    async with surface.serve() as address:
        host, _, port = address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            f"POST /v1/images/generations HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {surface.secret}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        await maker.asked.wait()
        writer.close()
        await writer.wait_closed()
        async with asyncio.timeout(5):
            await maker.left.wait()
        assert await reader.read() == b""
    assert await settled(surface) == []
    assert (await ask(surface, prompt="A cat")).status_code == 200


async def test_image_models_have_a_list_of_their_own(surface):
    """They stand in `/v1/models` too, and not among the language models."""
    ids = {row["id"] for row in (await surface.client.get("/v1/models", headers=surface.key)).json()["data"]}
    assert ids == {"fake-vision-1", "grok-2-image-1212"}
    (model,) = (await surface.client.get("/v1/image-generation-models", headers=surface.key)).json()["models"]
    fingerprint = model.pop("fingerprint")
    assert fingerprint.startswith("fp_")
    assert model == {
        "id": "grok-2-image-1212",
        "max_prompt_length": 1024,
        "created": 1_740_000_000,
        "object": "model",
        "owned_by": "vitrail",
        "version": "1.0.0",
        "input_modalities": ["text"],
        "output_modalities": ["image"],
        "image_price": 7,
        "aliases": ["grok-2-image"],
    }
    shown = await surface.client.get("/v1/image-generation-models/grok-2-image", headers=surface.key)
    assert shown.json() == {**model, "fingerprint": fingerprint}
    languages = (await surface.client.get("/v1/language-models", headers=surface.key)).json()["models"]
    assert [row["id"] for row in languages] == ["fake-vision-1"]
    for path in ("/v1/language-models/grok-2-image", "/v1/image-generation-models/fake-vision-1"):
        assert (await surface.client.get(path, headers=surface.key)).status_code == 404


async def test_one_of_several_image_models_has_to_be_named(maker, open_images, open_surface):
    """The refusal names them."""
    models = [Model(id=f"painter-{k}", engine="upstream", created=1, output_modalities=(Modality.IMAGE,)) for k in "ab"]
    surface = open_surface(image_models=await open_images(maker.url, *models))
    refused = await ask(surface, prompt="A cat")
    assert refused.status_code == 400 and "They are painter-a, painter-b." in refused.json()["error"]
    assert (await ask(surface, prompt="A cat", model="painter-b")).status_code == 200


async def test_readiness_asks_the_image_server_too(surface, maker):
    """An image model whose server is gone makes this one not ready, by name."""
    assert (await surface.client.get("/readyz")).status_code == 200
    await maker.close()
    answer = await surface.client.get("/readyz")
    assert answer.status_code == 503 and answer.json()["parts"]["engine of grok-2-image-1212"] == "not ready"
