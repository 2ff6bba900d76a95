"""Errors of OpenAI-style servers, in the words that each of them uses, to our failures."""

from __future__ import annotations

import pytest

from vitrail.domain.errors import ContextTooLong, InvalidArgument, Unavailable
from vitrail.engines.openai_errors import KeyRefused, NotServed, parse_failure

NUMBERS = "This model's maximum prompt length is 8192 but the request contains 9001 tokens."
UNTOLD = "The prompt is longer than the model's context window."

XAI = {
    "code": "Client specified an invalid argument",
    "error": "This model's maximum prompt length is 8192 but the request contains 9001 tokens.",
}
OPENAI = {
    "error": {
        "message": "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens."
        " Please reduce the length of the messages.",
        "type": "invalid_request_error",
        "code": "context_length_exceeded",
    }
}
VLLM = {
    "error": {
        "message": "The decoder prompt (length 9001) is longer than the maximum model length of 8192.",
        "type": "BadRequestError",
        "code": 400,
    }
}
VLLM_COUNTED = {
    "error": {
        "message": "You passed 9001 input tokens and requested 5 output tokens. However, the model's context length is"
        " only 8192 tokens, resulting in a maximum input length of 8187 tokens.",
        "code": 400,
    }
}
VLLM_EARLY = {"error": {"message": "Input length (9001) exceeds model's maximum context length (8192).", "code": 400}}
SGLANG = {"message": "The input (9001 tokens) is longer than the model's context length (8192 tokens).", "code": 400}
LLAMA_SERVER = {
    "error": {
        "message": "request (9001 tokens) exceeds the available context size (8192 tokens), try increasing it",
        "type": "exceed_context_size_error",
        "code": 400,
    }
}
GOOGLE = {"error": {"message": "The input token count (9001) exceeds the maximum number of tokens allowed (8192)."}}
ANTHROPIC = {"error": {"type": "invalid_request_error", "message": "prompt is too long: 9001 tokens > 8192 maximum"}}
OLLAMA = {"error": {"message": "prompt too long; exceeded max context length by 809 tokens"}}
INFERENCE = {"error": "`inputs` tokens + `max_new_tokens` must be <= 8192. Given: 9001 `inputs` tokens"}
FASTAPI = {"detail": "This model's maximum context length is 8192 tokens, not 9001 tokens."}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (XAI, NUMBERS),
        (OPENAI, NUMBERS),
        (VLLM, NUMBERS),
        (VLLM_COUNTED, NUMBERS),
        (VLLM_EARLY, NUMBERS),
        (SGLANG, NUMBERS),
        (LLAMA_SERVER, NUMBERS),
        (FASTAPI, NUMBERS),
        (GOOGLE, UNTOLD),
        (ANTHROPIC, UNTOLD),
        (OLLAMA, UNTOLD),
        (INFERENCE, UNTOLD),
        ({"error": None, "message": "maximum context length is 9 tokens at 10.0.0.7"}, UNTOLD),
    ],
)
@pytest.mark.parametrize("status", [400, 500])
def test_a_prompt_that_is_too_long_is_told_as_that(document, message, status):
    """Every server has its words for it; the client reads ours, with the numbers where both are there."""
    failure = parse_failure(document, status=status)
    assert type(failure) is ContextTooLong
    assert failure.message == message


@pytest.mark.parametrize(
    ("document", "status", "kind"),
    [
        ({"error": {"message": "At most 1 image(s) may be provided"}}, 400, InvalidArgument),
        (
            {"error": {"message": "multimodal data: image not found for the model, role not found"}},
            400,
            InvalidArgument,
        ),
        ({"error": {"message": "CUDA out of memory, tried to allocate 9001 MiB"}}, 500, Unavailable),
        ({"error": {"message": "context length of 8192 tokens is being set up"}}, 503, Unavailable),
    ],
)
def test_other_errors_are_not_taken_for_it(document, status, kind):
    """What is no refusal of the prompt's length stays what it is."""
    assert type(parse_failure(document, status=status)) is kind


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Incorrect API key provided: sk-1***9. You can obtain an API key from https://console.x.ai.", KeyRefused),
        ("API key not valid. Please pass a valid API key.", KeyRefused),
        ("Invalid model name passed in model=big-vlm. Call `/v1/models` to view available models.", NotServed),
        ("The model `big-vlm` does not exist.", NotServed),
    ],
)
def test_a_refusal_that_is_the_operators_is_not_the_clients(said, kind):
    """Some servers answer 400 to a wrong key or model, which the client has not sent."""
    failure = parse_failure({"error": said}, status=400)
    assert type(failure) is kind and failure.message == "The service is currently unavailable."


@pytest.mark.parametrize("code", [400, "400"])
def test_the_code_in_an_error_counts_as_number_and_as_text(code):
    """Within a stream the HTTP status is 200 long since; LiteLLM writes its codes as text."""
    assert type(parse_failure({"error": {"message": "no", "code": code}}, status=500)) is InvalidArgument
    assert type(parse_failure({"error": {"message": "no", "code": "model_busy"}}, status=503)) is Unavailable
