"""Models, key, tokens and health: the small routes."""

from __future__ import annotations


async def test_models_are_listed_in_the_openai_form(surface):
    """A list wrapper around rows of four fields."""
    answer = await surface.client.get("/v1/models", headers=surface.key)
    row = {"id": "fake-vision-1", "created": 1_740_000_000, "object": "model", "owned_by": "vitrail"}
    assert answer.json() == {"object": "list", "data": [row]}


async def test_a_model_is_shown_by_alias_also_with_a_slash(surface):
    """An id may have a slash, percent-encoded or not, and an alias gives the model's own row."""
    for name in ("fake-vision-1", "grok-2-vision-latest", "team/vision", "team%2Fvision"):
        answer = await surface.client.get(f"/v1/models/{name}", headers=surface.key)
        assert answer.json()["id"] == "fake-vision-1"


async def test_an_unknown_model_is_404(surface):
    """Both forms of the route refuse a model that is not there."""
    for path in ("/v1/models/x", "/v1/language-models/x"):
        assert (await surface.client.get(path, headers=surface.key)).status_code == 404


async def test_language_models_have_prices_and_no_list_wrapper(surface):
    """`{"models": [...]}` with modalities, aliases and integer prices."""
    answer = await surface.client.get("/v1/language-models", headers=surface.key)
    (row,) = answer.json()["models"]
    assert row == (await surface.client.get("/v1/language-models/fake-vision-1", headers=surface.key)).json()
    assert row.pop("fingerprint").startswith("fp_")
    assert row == {
        "id": "fake-vision-1",
        "created": 1_740_000_000,
        "object": "model",
        "owned_by": "vitrail",
        "version": "1.0.0",
        "input_modalities": ["text", "image"],
        "output_modalities": ["text"],
        "prompt_text_token_price": 20000,
        "cached_prompt_text_token_price": 5000,
        "prompt_image_token_price": 20000,
        "completion_text_token_price": 100000,
        "search_price": 0,
        "aliases": ["grok-2-vision-latest", "team/vision"],
    }


async def test_a_key_shows_itself_without_its_secret(surface):
    """Every field of the schema is there, times in UTC, and the secret is not."""
    answer = await surface.client.get("/v1/api-key", headers=surface.key)
    shown = answer.json()
    assert set(shown) == {
        "redacted_api_key",
        "user_id",
        "name",
        "create_time",
        "modify_time",
        "modified_by",
        "team_id",
        "acls",
        "api_key_id",
        "team_blocked",
        "api_key_blocked",
        "api_key_disabled",
    }
    assert shown["acls"] == ["api-key:model:*", "api-key:endpoint:*"]
    assert shown["create_time"].endswith("Z") and surface.secret not in answer.text


async def test_a_text_is_cut_into_tokens(surface):
    """Ids, strings and bytes of each token."""
    body = {"model": "fake-vision-1", "text": "a été"}
    answer = await surface.client.post("/v1/tokenize-text", json=body, headers=surface.key)
    assert answer.json()["token_ids"][1] == {
        "token_id": 1,
        "string_token": "été",
        "token_bytes": [195, 169, 116, 195, 169],
    }


async def test_a_text_over_the_tokenize_limit_is_413(open_surface):
    """A text for the tokenizer may be less long than a chat with images."""
    surface = open_surface(tokenize_body_bytes=100)
    body = {"model": "fake-vision-1", "text": "a" * 100}
    assert (await surface.client.post("/v1/tokenize-text", json=body, headers=surface.key)).status_code == 413


async def test_image_tokens_are_counted_without_an_answer(surface, png):
    """The tile plan of each image and the sum; the engine is not asked."""
    content = [{"type": "image_url", "image_url": {"url": png}}] * 2
    body = {"model": "fake-vision-1", "messages": [{"role": "user", "content": content}]}
    answer = (await surface.client.post("/v1/image-tokens", json=body, headers=surface.key)).json()
    assert answer["image_tokens"] == 1536
    assert answer["data"][1] == {
        "where": "messages[0].content[1].image_url.url",
        "width": 640,
        "height": 420,
        "orientation": 1,
        "format": "png",
        "columns": 2,
        "rows": 1,
        "tiles": 2,
        "fitted_width": 640,
        "fitted_height": 420,
        "image_tokens": 768,
    }
    assert surface.engine.prompts == []


async def test_readiness_is_503_with_reasons_while_an_engine_is_not_ready(surface):
    """An operator sees which part is not ready; liveness stays green."""
    assert (await surface.client.get("/readyz")).json()["ready"] is True
    surface.engine.is_ready = False
    answer = await surface.client.get("/readyz")
    assert answer.status_code == 503 and answer.json()["parts"]["engine of fake-vision-1"] == "not ready"
    assert (await surface.client.get("/livez")).status_code == 200


async def test_metrics_can_be_turned_off(surface, open_surface):
    """The page is there without a key, unless the operator says no."""
    assert "vitrail_requests" in (await surface.client.get("/metrics")).text
    assert (await open_surface(metrics=False).client.get("/metrics")).status_code == 404


async def test_image_generation_is_refused_in_words(surface):
    """A client of the real API learns that this server makes no images, not only that a path is unknown."""
    answer = await surface.client.post("/v1/images/generations", json={"prompt": "A cat"}, headers=surface.key)
    assert answer.status_code == 404
    said = answer.json()["error"]
    assert said.startswith("This server generates no images")
    assert '`engine = "upstream"` and `output = ["image"]`: see docs/models.md' in said
    assert (await surface.client.get("/v1/image-generation-models", headers=surface.key)).json() == {"models": []}
