"""Deferred completions over HTTP: an id at once, 202 while pending, 200 once and whole, then 404."""

from __future__ import annotations

import asyncio
import socket
import struct
import uuid
from dataclasses import replace

import pytest

from vitrail.domain.completion import FinishReason
from vitrail.domain.errors import InvalidArgument
from vitrail.engines.base import FinishPiece, TextPiece
from vitrail.http_api.deferred import HandOver
from vitrail.http_api.disconnect import ClientGone

PATH = "/v1/chat/deferred-completion/"


async def accept(surface, **fields) -> str:
    """Send a deferred request and return its id."""
    answer = await surface.chat(deferred=True, **fields)
    assert answer.status_code == 200, answer.text
    return answer.json()["request_id"]


async def fetch(surface, request_id: str, **headers: str):
    """Ask for a deferred completion with a good key."""
    return await surface.client.get(PATH + request_id, headers=surface.key | headers)


async def test_f02_f03_a_deferred_completion_is_202_then_200_then_404(surface):
    """F02, F03: the id alone at first; an empty 202 while pending; the whole completion once."""
    answer = await surface.chat(deferred=True)
    assert list(answer.json()) == ["request_id"] and uuid.UUID(answer.json()["request_id"])
    request_id = answer.json()["request_id"]
    pending = await fetch(surface, request_id)
    assert (pending.status_code, pending.content) == (202, b"")
    await surface.run_jobs()
    done = await fetch(surface, request_id)
    assert done.status_code == 200 and done.headers["content-type"] == "application/json"
    assert list(done.json()) == ["id", "object", "created", "model", "choices", "usage", "system_fingerprint"]
    assert done.json()["choices"][0]["message"] == {"role": "assistant", "content": "Hello world", "refusal": None}
    assert (await fetch(surface, request_id)).status_code == 404


async def test_f01_what_cannot_be_fetched_has_one_answer(surface):
    """F01: unknown, malformed, consumed and another team's ids are 404 with the same body."""
    request_id, foreign = await accept(surface), await accept(surface)
    await surface.run_jobs()
    await fetch(surface, request_id)
    ids = [request_id, str(uuid.uuid4()), "x", "", "a/b", "%00", "..%2F..", "é"]
    answers = [await fetch(surface, each) for each in ids]
    stranger = surface.keyring.create(name="stranger", team=str(uuid.uuid4())).secret
    answers.append(await fetch(surface, foreign, authorization=f"Bearer {stranger}"))
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert (await fetch(surface, foreign)).status_code == 200


async def test_t08_the_route_needs_a_key(surface):
    """T08: an id alone opens nothing."""
    request_id = await accept(surface)
    await surface.run_jobs()
    assert (await surface.client.get(PATH + request_id)).status_code == 401
    assert (await fetch(surface, request_id)).status_code == 200


async def test_f04_of_two_requests_at_one_moment_one_is_answered(surface):
    """F04: exactly one 200, the other 404."""
    request_id = await accept(surface)
    await surface.run_jobs()
    async with surface.serve() as address:
        statuses = await asyncio.gather(*(fetch_status(surface, address, request_id) for _ in range(8)))
    assert sorted(statuses) == [200] + [404] * 7


async def test_f06_a_client_that_hangs_up_in_the_middle_may_come_again(surface):
    """F06: an answer of which a part stayed behind is not consumed; the next request gets it whole."""
    text = "word " * 4_000_000
    surface.engine.script = [TextPiece(text), FinishPiece(FinishReason.STOP)]
    request_id = await accept(surface)
    await surface.run_jobs()
    async with surface.serve() as address:
        reader, writer = await request(surface, address, request_id)
        await reader.readuntil(b"\r\n\r\n")
        hang_up(writer)
        async with asyncio.timeout(5):
            while len(surface.observed) < 2:  # noqa: ASYNC110 - the server tells nobody that it has noticed
                await asyncio.sleep(0.01)
    assert surface.observed == [("/v1/chat/completions", 200), (PATH + "{request_id:path}", 499)]
    again = await fetch(surface, request_id)
    assert again.status_code == 200 and again.json()["choices"][0]["message"]["content"] == text
    assert (await fetch(surface, request_id)).status_code == 404


async def test_f06_asking_for_the_head_consumes_nothing(surface):
    """F06: HEAD hands no body over, so the completion stays."""
    request_id = await accept(surface)
    await surface.run_jobs()
    assert (await surface.client.head(PATH + request_id, headers=surface.key)).status_code == 200
    assert (await fetch(surface, request_id)).status_code == 200


async def test_f06_a_client_that_reads_too_slowly_is_cut_off_and_may_come_again(surface):
    """F06: the time for handing over is bounded; what was not taken in it stays."""
    request_id = await accept(surface)
    await surface.run_jobs()
    grant = await surface.services.admission.admit(
        secret=surface.secret, endpoint="chat", request_id="r", client_ip=None
    )
    delivery = await surface.services.deferred.take(request_id, grant)

    async def never(_message=None):
        await asyncio.Event().wait()

    with pytest.raises(ClientGone):
        await HandOver(replace(delivery, limit_seconds=0.01))({"type": "http", "method": "GET"}, never, never)
    assert (await fetch(surface, request_id)).status_code == 200


async def test_text_that_utf8_cannot_hold_gets_the_status_that_it_always_gets(surface):
    """A lone surrogate in a prompt is judged alike, deferred or not."""
    statuses = []
    for deferred in (b"true", b"false"):
        body = b'{"model":"fake-vision-1","deferred":%s,"messages":[{"role":"user","content":"\\ud800"}]}' % deferred
        statuses.append((await surface.post_raw(body)).status_code)
    await surface.run_jobs()
    assert statuses[0] == statuses[1] < 500


async def test_f07_a_failed_job_answers_with_its_failure_once(surface):
    """F07: status and body of the failure, then 404."""
    surface.engine.script = [InvalidArgument("This cannot be answered.")]
    request_id = await accept(surface)
    await surface.run_jobs()
    failed = await fetch(surface, request_id)
    assert (failed.status_code, failed.json()) == (
        400,
        {"code": "Client specified an invalid argument", "error": "This cannot be answered."},
    )
    assert (await fetch(surface, request_id)).status_code == 404


async def test_f08_deferred_wins_over_stream(surface):
    """F08: with both, the answer is an id in JSON and no stream."""
    answer = await surface.chat(deferred=True, stream=True)
    assert answer.headers["content-type"] == "application/json" and list(answer.json()) == ["request_id"]
    await surface.run_jobs()


async def test_f09_a_team_with_too_many_jobs_is_429(surface):
    """F09: the quota is refused with Retry-After; this surface takes three."""
    surface.secret = surface.keyring.create(name="own", team=str(uuid.uuid4())).secret
    for _ in range(3):
        await accept(surface)
    refused = await surface.chat(deferred=True)
    assert refused.status_code == 429 and int(refused.headers["retry-after"]) > 0
    await surface.run_jobs()
    assert (await surface.chat(deferred=True)).status_code == 200
    await surface.run_jobs()


async def test_a_deferred_image_is_answered_like_any_other(surface, png):
    """Pictures wait with the request, and cost what they always cost."""
    content = [{"type": "image_url", "image_url": {"url": png}}, {"type": "text", "text": "What is this?"}]
    request_id = await accept(surface, messages=[{"role": "user", "content": content}])
    await surface.run_jobs()
    usage = (await fetch(surface, request_id)).json()["usage"]
    assert usage["prompt_tokens_details"]["image_tokens"] == 768


@pytest.mark.parametrize(
    ("fields", "status"),
    [({"model": "grok-99"}, 404), ({"temperature": 9}, 400), ({"messages": []}, 400), ({"messages": 1}, 422)],
)
async def test_what_can_be_refused_is_refused_at_once(surface, fields, status):
    """A bad request gets its status instead of an id."""
    assert (await surface.chat(deferred=True, **fields)).status_code == status


async def test_the_documentation_shows_both_ends(surface):
    """OpenAPI names the id that a deferred request gets, and 202 and 404 of the route that fetches."""
    paths = (await surface.client.get("/openapi.json")).json()["paths"]
    results = paths["/v1/chat/completions"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert {"$ref": "#/components/schemas/DeferredAccepted"} in results["anyOf"]
    fetching = paths[PATH + "{request_id}"]["get"]["responses"]
    assert "content" not in fetching["202"] and "404" in fetching


async def request(surface, address: str, request_id: str):
    """Send a GET on a connection of its own with a small buffer, and return both its ends."""
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    key = surface.secret.encode()
    writer.write(
        b"GET %s%s HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %s\r\n\r\n" % (PATH.encode(), request_id.encode(), key)
    )
    return reader, writer


async def fetch_status(surface, address: str, request_id: str) -> int:
    """Return the status of a GET on a connection of its own."""
    reader, writer = await request(surface, address, request_id)
    status = int((await reader.readline()).split()[1])
    writer.close()
    await writer.wait_closed()
    return status


def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close a connection at once, with what was not read yet left behind."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
