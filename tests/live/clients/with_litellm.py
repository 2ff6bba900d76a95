"""LiteLLM against Vitrail: XAI_API_KEY and XAI_API_BASE say where, the first argument is a JPEG.

LITELLM_LOCAL_MODEL_COST_MAP=True, set before the import, keeps it from downloading a table of prices.
"""

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

litellm.suppress_debug_info = True  # else an error prints advice to stdout
MODEL = "xai/grok-2-vision-latest"


class Shape(BaseModel):
    """What is drawn."""

    shape: Literal["square"]
    colour: str


def ask(text: str) -> list[dict[str, Any]]:
    """Return the picture with a question about it."""
    url = "data:image/jpeg;base64," + base64.b64encode(Path(sys.argv[1]).read_bytes()).decode()
    image = {"type": "image_url", "image_url": {"url": url, "detail": "high"}}
    return [{"role": "user", "content": [image, {"type": "text", "text": text}]}]


answer = litellm.completion(MODEL, ask("What is this?"))

stream_options = {"include_usage": True}
chunks = list(litellm.completion(MODEL, ask("What is this?"), stream=True, stream_options=stream_options))

shaped = litellm.completion(MODEL, ask("The shape as JSON"), response_format=Shape)

try:
    litellm.completion("xai/no-such-model", ask("Hello?"))
except litellm.NotFoundError as error:
    unknown_model = {"status": error.status_code, "message": error.message}

try:
    litellm.completion(MODEL, ask("Hello?"), api_key="invalid-key")
except litellm.BadRequestError as error:
    wrong_key = {"status": error.status_code, "message": error.message}

print(
    json.dumps(
        {
            "answer": answer.choices[0].message.content,
            "usage": answer.usage.model_dump(),
            "streamed": [choice.delta.content for chunk in chunks for choice in chunk.choices if choice.delta.content],
            "streamed_usage": [chunk.usage.model_dump() for chunk in chunks if getattr(chunk, "usage", None)],
            "shape": Shape.model_validate_json(shaped.choices[0].message.content).model_dump(),
            "unknown_model": unknown_model,
            "wrong_key": wrong_key,
        }
    )
)
