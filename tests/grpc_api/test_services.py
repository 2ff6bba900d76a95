"""Models, Auth, Tokenize, Image, health and reflection; and what is not offered."""

from __future__ import annotations

import base64

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from xai_sdk.proto import image_pb2, image_pb2_grpc

from tests.fixtures.image_maker import ImageMaker, image_file, row
from tests.http_api.conftest import IMAGE_MODEL, MODEL
from vitrail.grpc_api.methods import METHODS, list_services

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
async def image_rpc(open_rpc, open_surface, open_images):
    """Return a gRPC surface with an image model, and the server behind that."""
    maker = ImageMaker()
    await maker.start()
    yield await open_rpc(open_surface(image_models=await open_images(maker.url))), maker
    await maker.close()


async def test_language_models_are_listed_and_found(rpc):
    """With prices, modalities and aliases, by id or alias, as REST has them."""
    (listed,) = await rpc.sdk.models.list_language_models()
    found = await rpc.sdk.models.get_language_model("grok-2-vision-latest")
    assert listed == found
    assert (found.name, tuple(found.aliases)) == (MODEL.id, MODEL.aliases)
    assert found.prompt_image_token_price == 20000 and found.cached_prompt_token_price == 5000
    assert found.max_prompt_length == MODEL.context_tokens and found.created.seconds == MODEL.created


async def test_there_are_no_embedding_models(rpc):
    """The list is empty, and none is found."""
    assert list(await rpc.sdk.models.list_embedding_models()) == []
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rpc.sdk.models.get_embedding_model("v1")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_image_models_are_listed_apart(image_rpc):
    """An image model is in its own list and no other."""
    rpc, _ = image_rpc
    (listed,) = await rpc.sdk.models.list_image_generation_models()
    assert (listed.name, listed.image_price) == (IMAGE_MODEL.id, 7)
    assert [model.name for model in await rpc.sdk.models.list_language_models()] == [MODEL.id]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rpc.sdk.models.get_language_model(IMAGE_MODEL.id)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_key_sees_itself(rpc):
    """Redacted, with its team, its ACLs and its times."""
    shown = await rpc.sdk.auth.get_api_key_info()
    key = rpc.surface.keyring.list()[-1]
    assert shown.redacted_api_key == key.redacted and rpc.surface.secret not in str(shown)
    assert (shown.api_key_id, shown.team_id, tuple(shown.acls)) == (key.id, key.team_id, key.acls)
    assert abs(shown.create_time.seconds - shown.modify_time.seconds) < 60 and shown.create_time.seconds > 0


async def test_a_text_is_cut_into_tokens(rpc):
    """Ids, texts and bytes, in order."""
    tokens = await rpc.sdk.tokenize.tokenize_text(text="Hello big world", model=MODEL.id)
    assert [(t.token_id, t.string_token, t.token_bytes) for t in tokens][1] == (1, "big", b"big")


async def test_a_text_to_count_has_the_limit_of_rest(rpc):
    """Over it, the sentence is that of REST."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rpc.sdk.tokenize.tokenize_text(text="x" * (2 * 1024 * 1024), model=MODEL.id)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert caught.value.details() == "The request body is larger than 2097152 bytes."


async def test_images_are_generated(image_rpc):
    """The SDK reads the picture's bytes out of the answer; the cost is in it."""
    rpc, maker = image_rpc
    maker.answers = [{"data": [row(image_file("PNG"))]}]
    generated = await rpc.sdk.image.sample("A red square", IMAGE_MODEL.id, image_format="base64")
    assert await generated.image == image_file("PNG")
    assert generated.usage.cost_in_usd_ticks == 7 * 10**8


async def test_several_images_as_urls_are_data_uris(image_rpc):
    """Nothing is stored here, so the URL holds the picture."""
    rpc, maker = image_rpc
    maker.answers = [{"data": [row(image_file("PNG")), row(image_file("JPEG"))]}]
    first, second = await rpc.sdk.image.sample_batch("A red square", IMAGE_MODEL.id, n=2)
    assert first.url == "data:image/png;base64," + base64.b64encode(image_file("PNG")).decode()
    assert second.url.startswith("data:image/jpeg;base64,")


async def test_images_cannot_be_asked_for_what_is_not_drawn(image_rpc):
    """Qualities, shapes, pictures to start from and storage are refused by name, before anything is asked."""
    rpc, maker = image_rpc
    some = image_pb2.ImageUrlContent(image_url="https://example.com/a.png")
    fields = (
        {"quality": image_pb2.IMG_QUALITY_HIGH},
        {"aspect_ratio": image_pb2.IMG_ASPECT_RATIO_1_1},
        {"resolution": image_pb2.IMG_RESOLUTION_2K},
        {"storage_options": image_pb2.StorageOptions(filename="a.png")},
        {"image": some},
        {"images": [some]},
    )
    async with rpc.channel() as channel:
        for field in fields:
            asked = image_pb2.GenerateImageRequest(prompt="A red square", model=IMAGE_MODEL.id, **field)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await image_pb2_grpc.ImageStub(channel).GenerateImage(asked, metadata=rpc.metadata)
            assert caught.value.details() == f"Argument not supported: {next(iter(field))}"
    assert not maker.bodies


async def test_health_is_that_of_readyz(rpc):
    """Without a key, for the server and for each service; an engine that is not ready shows."""
    async with rpc.channel() as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for name in ("", "xai_api.Chat"):
            assert (await stub.Check(health_pb2.HealthCheckRequest(service=name))).status == SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Check(health_pb2.HealthCheckRequest(service="xai_api.Nothing"))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        rpc.surface.engine.is_ready = False
        assert (await watch.read()).status == NOT_SERVING
        watch.cancel()


async def test_so_many_may_watch_the_health(rpc, monkeypatch):
    """Watching needs no key, so the number of those who do is bounded; whoever leaves makes room."""
    monkeypatch.setattr("vitrail.grpc_api.health._MOST_WATCHERS", 1)
    async with rpc.channel() as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        first = stub.Watch(health_pb2.HealthCheckRequest())
        assert (await first.read()).status == SERVING
        second = stub.Watch(health_pb2.HealthCheckRequest())
        assert await second.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        first.cancel()


async def test_the_services_can_be_listed(rpc, open_rpc):
    """By reflection, unless that is off."""
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    async with rpc.channel() as channel:
        call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo()
        await call.write(asked)
        listed = {service.name for service in (await call.read()).list_services_response.service}
        call.cancel()
    assert {"xai_api.Chat", "grpc.health.v1.Health"} <= listed
    silent = await open_rpc(reflection=False)
    async with silent.channel() as channel:
        call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([asked]))
        assert await call.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_every_method_that_the_sdk_knows_is_offered_or_refused_in_a_sentence(rpc):
    """None is left to the words of gRPC itself; the table names no method that does not exist."""
    known = {method.full_name: method for service in list_services() for method in service.methods}
    offered = {method.name for method in METHODS}
    assert offered <= known.keys()
    async with rpc.channel() as channel:
        for name in known.keys() - offered:
            service = known[name].containing_service.full_name
            call = channel.stream_stream(f"/{service}/{known[name].name}")()
            assert await call.code() is grpc.StatusCode.UNIMPLEMENTED
            assert (await call.details()).startswith(f"This server does not offer {name}.")
