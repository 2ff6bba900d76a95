"""langchain-xai against Vitrail: XAI_API_KEY and XAI_API_BASE say where, the first argument is a JPEG."""

import base64
import json
import sys
from pathlib import Path
from typing import Literal

import openai
from langchain_core.messages import HumanMessage
from langchain_xai import ChatXAI
from pydantic import BaseModel

MODEL = "grok-2-vision-latest"


class Shape(BaseModel):
    """What is drawn."""

    shape: Literal["square"]
    colour: str


def ask(text: str) -> list[HumanMessage]:
    """Return the picture with a question about it."""
    url = "data:image/jpeg;base64," + base64.b64encode(Path(sys.argv[1]).read_bytes()).decode()
    image = {"type": "image_url", "image_url": {"url": url, "detail": "high"}}
    return [HumanMessage([image, {"type": "text", "text": text}])]


chat = ChatXAI(model=MODEL, max_retries=0)
answer = chat.invoke(ask("What is this?"))

pieces = list(chat.stream(ask("What is this?")))
whole = pieces[0]
for piece in pieces[1:]:
    whole += piece

shapes = {
    method: chat.with_structured_output(Shape, method=method).invoke(ask("The shape as JSON"))
    for method in ("function_calling", "json_schema")
}

try:
    ChatXAI(model="no-such-model", max_retries=0).invoke("Hello?")
except openai.NotFoundError as error:
    unknown_model = error.body

try:
    ChatXAI(model=MODEL, xai_api_key="invalid-key", max_retries=0).invoke("Hello?")
except openai.BadRequestError as error:
    wrong_key = error.body

print(
    json.dumps(
        {
            "answer": answer.content,
            "usage": answer.response_metadata["token_usage"],
            "streamed": [piece.content for piece in pieces if piece.content],
            "streamed_usage": whole.usage_metadata,
            "shapes": {method: shape.model_dump() for method, shape in shapes.items()},
            "unknown_model": unknown_model,
            "wrong_key": wrong_key,
        }
    )
)
