"""The image-understanding guide's programs, with the official OpenAI client, against a running server."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

pytestmark = pytest.mark.live


@pytest.fixture
def client(server: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=server.api_key, base_url=server.base_url, max_retries=0) as client:
        yield client


def _image(url: str, detail: str = "high") -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, "detail": detail}}


def _data_uri(picture: Path) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(picture.read_bytes()).decode()


def _ask(client: openai.OpenAI, *parts: dict[str, Any], **options: Any) -> Any:
    return client.chat.completions.create(
        model="grok-2-vision-latest", messages=[{"role": "user", "content": list(parts)}], **options
    )


def test_image_by_web_url(client: openai.OpenAI, image_host: str) -> None:
    """The guide's first program: an image by its address, and a question after it."""
    completion = _ask(
        client, _image(f"{image_host}/square.jpg"), {"type": "text", "text": "What's in this image?"}, temperature=0.01
    )
    assert completion.choices[0].message.content == "A red square on a white background."
    assert completion.model == "grok-2-vision-1212"
    assert completion.usage.prompt_tokens_details.image_tokens == 1280
    assert completion.usage.prompt_tokens == completion.usage.prompt_tokens_details.text_tokens + 1280


def test_image_in_base64(client: openai.OpenAI, picture: Path) -> None:
    """The guide's second program: the same image inside the request."""
    completion = _ask(client, _image(_data_uri(picture)), {"type": "text", "text": "What's in this image?"})
    assert completion.choices[0].message.content == "A red square on a white background."
    assert completion.choices[0].message.refusal is None
    assert completion.system_fingerprint.startswith("fp_")
    assert len(completion.system_fingerprint) == 13


def test_several_images_with_text_between(client: openai.OpenAI, picture: Path, image_host: str) -> None:
    """Text and images in any order; tokens of the images add up."""
    completion = _ask(
        client,
        {"type": "text", "text": "Here is one:"},
        _image(_data_uri(picture)),
        {"type": "text", "text": "and another:"},
        _image(f"{image_host}/square.jpg", detail="low"),
        {"type": "text", "text": "Which is smaller, image 1 or image 2?"},
    )
    assert completion.choices[0].message.content == "Image 2."
    assert completion.usage.prompt_tokens_details.image_tokens == 1280 + 256


def test_first_chunk_has_the_usage(client: openai.OpenAI, picture: Path) -> None:
    """The guide reads `next(stream).usage.prompt_tokens_details.image_tokens` without any stream options."""
    stream = _ask(client, _image(_data_uri(picture)), {"type": "text", "text": "What is it?"}, stream=True)
    first = next(stream)
    rest = list(stream)
    assert first.usage.prompt_tokens_details.image_tokens == 1280
    text = "".join(chunk.choices[0].delta.content or "" for chunk in [first, *rest])
    assert text == "A red square on a white background."
    assert rest[-1].choices[0].finish_reason == "stop"


def test_include_usage_gives_one_last_chunk(client: openai.OpenAI, picture: Path) -> None:
    """With `include_usage` only the last chunk has usage, and it has no choices."""
    stream = _ask(
        client,
        _image(_data_uri(picture)),
        {"type": "text", "text": "What is it?"},
        stream=True,
        stream_options={"include_usage": True},
    )
    *chunks, last = list(stream)
    assert all(chunk.usage is None for chunk in chunks)
    assert last.choices == []
    assert last.usage.prompt_tokens_details.image_tokens == 1280


def test_wrong_key_is_400_with_the_masked_key(server: Any) -> None:
    """A key that does not exist is a bad request, as recorded of the real API."""
    with (
        openai.OpenAI(api_key="invalid-key", base_url=server.base_url, max_retries=0) as stranger,
        pytest.raises(openai.BadRequestError) as caught,
    ):
        stranger.models.list()
    assert str(caught.value.body).startswith("Incorrect API key provided: in***ey.")


def test_page_instead_of_an_image_is_412(client: openai.OpenAI, image_host: str) -> None:
    """An address that gives a web page is refused with the recorded sentence."""
    with pytest.raises(openai.APIStatusError) as caught:
        _ask(client, _image(f"{image_host}/index.html"), {"type": "text", "text": "What is it?"})
    assert caught.value.status_code == 412
    assert str(caught.value.body).startswith("Downloaded response does not contain a valid JPG or PNG image.")


def test_private_address_is_refused(client: openai.OpenAI) -> None:
    """An address inside the network is refused, although the test host's own is allowed."""
    with pytest.raises(openai.BadRequestError) as caught:
        _ask(client, _image("http://169.254.169.254/latest/meta-data/"), {"type": "text", "text": "What is it?"})
    assert "messages[0].content[0].image_url.url" in str(caught.value.body)


def test_models_are_listed(client: openai.OpenAI) -> None:
    """The model list has the resolved name."""
    assert [model.id for model in client.models.list()] == ["grok-2-vision-1212"]


def test_plain_text_needs_no_image(client: openai.OpenAI) -> None:
    """A request without images costs no image tokens."""
    completion = client.chat.completions.create(model="grok-2-vision", messages=[{"role": "user", "content": "Hello?"}])
    assert completion.choices[0].message.content == "Hello from the script."
    assert completion.usage.prompt_tokens_details.image_tokens == 0
