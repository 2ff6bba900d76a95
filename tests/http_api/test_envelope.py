"""What is around every answer: request ids, CORS, unknown routes, wrong methods and our own faults."""

from __future__ import annotations

import uuid


async def test_every_answer_has_its_own_request_id(surface):
    """Good answers and refusals carry an id of ours."""
    answers = [await surface.client.get(path) for path in ("/livez", "/nowhere", "/v1/models")]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 3 and all(uuid.UUID(id_) for id_ in ids)


async def test_j22_a_clients_request_id_is_only_a_note_in_the_log(surface):
    """J22: two requests with the same X-Request-Id have different ids; theirs is logged beside ours, cut short."""
    sent = {"x-request-id": "same" * 100}
    answers = [await surface.client.get("/livez", headers=sent) for _ in range(2)]
    assert answers[0].headers["x-request-id"] != answers[1].headers["x-request-id"]
    fields = surface.log.events[0][1]
    assert fields["client_request_id"] == ("same" * 100)[:128] != fields["request_id"]


async def test_cors_headers_are_on_every_answer(surface):
    """A page of any origin may read answers, refusals included."""
    for path in ("/livez", "/v1/models"):
        headers = (await surface.client.get(path)).headers
        assert headers["access-control-allow-origin"] == headers["access-control-expose-headers"] == "*"
        assert headers["vary"] == "origin, access-control-request-method, access-control-request-headers"


async def test_a_preflight_is_answered_without_a_key(surface):
    """Browsers ask first, without the key, for the headers that they want to send."""
    asked = {
        "origin": "http://page.test",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,x-stainless-lang",
    }
    answer = await surface.client.request("OPTIONS", "/v1/chat/completions", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-headers"] == "authorization,x-stainless-lang"
    assert "POST" in answer.headers["access-control-allow-methods"]


async def test_an_unknown_route_is_404_as_recorded(surface):
    """The first sentences are the recorded ones."""
    answer = await surface.client.get("/v1/nothing")
    assert answer.status_code == 404
    assert answer.json()["code"] == "Some requested entity was not found"
    assert answer.json()["error"].startswith("No handler found on route. Please double check your URL and consult ")


async def test_a_wrong_method_is_405_with_allow(surface):
    """405 names the methods of the route, with or without a key."""
    answer = await surface.client.get("/v1/chat/completions")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_m28_an_unexpected_exception_is_500_without_internals(surface, monkeypatch):
    """M28: the client sees a request id and nothing of the inside; the stack is in the log."""
    monkeypatch.setattr(type(surface.services.catalog), "visible", lambda *_: 1 / 0)
    answer = await surface.client.get("/v1/models", headers=surface.key)
    assert answer.status_code == 500
    assert answer.json() == {
        "code": "Internal error",
        "error": f"Internal error. Tell the operator of this server the request id {answer.headers['x-request-id']}.",
    }
    assert isinstance(surface.log.events[0][1]["exc_info"], ZeroDivisionError)


async def test_each_request_is_observed_by_its_route_and_status(surface):
    """Metrics know templates, not paths, so that nobody can grow them."""
    await surface.client.get("/v1/models/fake-vision-1", headers=surface.key)
    await surface.client.get("/anything")
    assert surface.observed == [("/v1/models/{model_id:path}", 200), ("unmatched", 404)]


async def test_the_log_has_neither_key_nor_prompt(surface):
    """A request's log line says who, what and how long, never the contents."""
    await surface.chat(messages=[{"role": "user", "content": "my secret question"}])
    assert surface.secret not in repr(surface.log.events)
    assert "secret question" not in repr(surface.log.events)


async def test_head_is_get_without_a_body(surface):
    """HEAD works wherever GET does."""
    async with surface.serve() as address:
        answer = await surface.client.head(f"http://{address}/livez")
    assert answer.status_code == 200
