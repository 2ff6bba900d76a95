"""What a key may do over gRPC: its ACL, its limits, its team's money, in the words of REST."""

from __future__ import annotations

import grpc
import pytest

from vitrail.domain.keys import ALLOW_ALL_ENDPOINTS, ALLOW_ALL_MODELS
from vitrail.domain.limits import Limits

CHAT = "/v1/chat/completions"


async def refusals(rpc, client, secret):
    """Return how gRPC and REST refuse the same question with the same key."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rpc.ask("Hi", client=client).sample()
    body = {"model": "fake-vision-1", "messages": [{"role": "user", "content": "Hi"}]}
    rest = await rpc.surface.client.post(CHAT, json=body, headers={"authorization": f"Bearer {secret}"})
    return caught.value, rest


async def test_an_acl_names_the_endpoint(rpc):
    """A key for the list of models answers no question, and lists the models."""
    secret = rpc.surface.keyring.create(name="lister", acls=(ALLOW_ALL_MODELS, "api-key:endpoint:models")).secret
    client = rpc.client(api_key=secret)
    refused, rest = await refusals(rpc, client, secret)
    assert (refused.code(), rest.status_code) == (grpc.StatusCode.PERMISSION_DENIED, 403)
    assert refused.details() == rest.json()["error"]
    assert len(await client.models.list_language_models()) == 1


async def test_an_acl_names_the_model(rpc):
    """A model that the key may not use answers nothing, and is not listed."""
    secret = rpc.surface.keyring.create(name="other", acls=("api-key:model:other", ALLOW_ALL_ENDPOINTS)).secret
    client = rpc.client(api_key=secret)
    refused, rest = await refusals(rpc, client, secret)
    assert (refused.code(), rest.status_code) == (grpc.StatusCode.PERMISSION_DENIED, 403)
    assert refused.details() == rest.json()["error"]
    assert len(await client.models.list_language_models()) == 0


async def test_limits_are_counted_over_both_surfaces(rpc):
    """What is left stands in the trailing metadata; over the limit both refuse, with the same sentence and headers."""
    secret = rpc.surface.keyring.create(name="slow", limits=Limits(requests_per_minute=2)).secret
    client = rpc.client(api_key=secret)
    async with rpc.channel() as channel:
        call = channel.unary_unary("/xai_api.Auth/get_api_key_info")(
            b"", metadata=(("authorization", f"Bearer {secret}"),)
        )
        await call
    answered = rpc.ask("Hi", client=client)
    assert (await answered.sample()).content == "Hello world"
    refused, rest = await refusals(rpc, client, secret)
    assert (refused.code(), rest.status_code) == (grpc.StatusCode.RESOURCE_EXHAUSTED, 429)
    assert refused.details() == rest.json()["error"]
    trailers = dict(refused.trailing_metadata())
    assert trailers["x-ratelimit-remaining-requests"] == rest.headers["x-ratelimit-remaining-requests"] == "0"
    assert int(trailers["retry-after"]) > 0


async def test_what_is_left_of_limits_comes_with_the_answer(rpc, request_of):
    """The numbers that REST has in its headers."""
    secret = rpc.surface.keyring.create(name="counted", limits=Limits(requests_per_minute=5)).secret
    async with rpc.channel() as channel:
        call = channel.unary_unary("/xai_api.Chat/GetCompletion")(
            request_of().SerializeToString(), metadata=(("authorization", f"Bearer {secret}"),)
        )
        await call
        trailers = dict(await call.trailing_metadata())
    assert trailers["x-ratelimit-limit-requests"] == "5" and trailers["x-ratelimit-remaining-requests"] == "4"
    assert trailers["x-request-id"].startswith("00000000-")


async def test_a_team_without_credits_is_refused(open_surface, open_rpc):
    """RESOURCE_EXHAUSTED, with the sentence that REST has."""
    rpc = await open_rpc(open_surface(charge=True))
    secret = rpc.surface.keyring.create(name="poor", team="without money").secret
    refused, rest = await refusals(rpc, rpc.client(api_key=secret), secret)
    assert (refused.code(), rest.status_code) == (grpc.StatusCode.RESOURCE_EXHAUSTED, 429)
    assert refused.details() == rest.json()["error"] and "credits" in refused.details()
