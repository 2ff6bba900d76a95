"""instructor around an OpenAI client: XAI_API_KEY and XAI_API_BASE say where, the first argument is a JPEG."""

import json
import os
import sys
from typing import Any, Literal

import instructor
import openai
from instructor.core import InstructorRetryException
from pydantic import BaseModel

MODEL = "grok-2-vision-latest"


class Shape(BaseModel):
    """What is drawn."""

    shape: Literal["square"]
    colour: str


def ask(text: str) -> list[dict[str, Any]]:
    """Return the picture with a question about it."""
    return [{"role": "user", "content": [instructor.Image.from_path(sys.argv[1]), text]}]


def make_client(mode: instructor.Mode, **options: Any) -> instructor.Instructor:
    """Return a client that gets its objects in this way."""
    client = openai.OpenAI(base_url=os.environ["XAI_API_BASE"], max_retries=0, **options)
    return instructor.from_openai(client, mode=mode)


def refusal(client: instructor.Instructor, model: str) -> dict[str, Any]:
    """Return what the error of a refused question says; instructor wraps the OpenAI client's own."""
    try:
        client.chat.completions.create(model=model, messages=ask("Hello?"), response_model=Shape, max_retries=0)
    except InstructorRetryException as error:
        cause = error.__cause__
        return {"status": cause.status_code, "body": cause.body}
    raise AssertionError("the question was answered")


key = os.environ["XAI_API_KEY"]
answer = make_client(instructor.Mode.TOOLS, api_key=key).chat.completions.create(
    model=MODEL, messages=ask("What is this?"), response_model=None
)
shapes = {}
usages = {}
streamed = {}
for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA):
    completions = make_client(mode, api_key=key).chat.completions
    shape, completion = completions.create_with_completion(
        model=MODEL, messages=ask("The shape as JSON"), response_model=Shape, max_retries=0
    )
    shapes[mode.name] = shape.model_dump()
    usages[mode.name] = completion.usage.model_dump()
    partials = completions.create_partial(model=MODEL, messages=ask("The shape as JSON"), response_model=Shape)
    streamed[mode.name] = [partial.model_dump() for partial in partials]

print(
    json.dumps(
        {
            "answer": answer.choices[0].message.content,
            "shapes": shapes,
            "usages": usages,
            "streamed": streamed,
            "unknown_model": refusal(make_client(instructor.Mode.TOOLS, api_key=key), "no-such-model"),
            "wrong_key": refusal(make_client(instructor.Mode.TOOLS, api_key="invalid-key"), MODEL),
        }
    )
)
