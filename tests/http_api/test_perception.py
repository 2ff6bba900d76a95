"""`/v1/perception`: which models tell what they perceive, and what that is."""

from __future__ import annotations


def asking(png: str, *, model: str = "fake-vision-1") -> dict[str, object]:
    """Return a chat body with a text and an image."""
    content = [{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": png}}]
    return {"model": model, "messages": [{"role": "user", "content": content}]}


async def test_the_models_that_tell_are_listed(surface):
    """By their ids, for the key that asks."""
    answer = await surface.client.get("/v1/perception", headers=surface.key)
    assert answer.json() == {"models": ["fake-vision-1"]}


async def test_what_is_perceived_is_shown_for_each_image(surface, png):
    """Facts in order with kind, confidence and box; the engine is asked for no answer, and learns who asks."""
    answer = await surface.client.post("/v1/perception", json=asking(png), headers=surface.key)
    assert answer.status_code == 200
    (row,) = answer.json()["data"]
    text, colour = row.pop("facts")
    assert row == {"where": "messages[0].content[1].image_url.url", "width": 640, "height": 420, "medium": "graphic"}
    assert text == {"kind": "text", "text": "EXIT", "confidence": 0.988, "box": [1.0, 2.0, 30.0, 12.0]}
    asker = (await surface.client.get("/v1/api-key", headers=surface.key)).json()["api_key_id"]
    assert (colour["text"], colour["box"]) == (asker, None)
    assert surface.engine.prompts == []


async def test_a_bad_image_is_refused_as_on_the_chat_route(surface):
    """The same checks stand before an engine sees pixels."""
    body = asking("data:image/png;base64,AAAA")
    assert (await surface.client.post("/v1/perception", json=body, headers=surface.key)).status_code == 400


async def test_a_model_without_perception_is_refused_in_words(surface, png):
    """400, and which models could be asked."""
    surface.services.perceptions._engines.clear()
    answer = await surface.client.post("/v1/perception", json=asking(png), headers=surface.key)
    assert answer.status_code == 400
    assert "fake-vision-1 does not tell what it perceives" in answer.json()["error"]
