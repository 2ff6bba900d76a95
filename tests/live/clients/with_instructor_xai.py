"""instructor around the xAI SDK, which it gives texts alone: XAI_API_KEY and GRPC_HOST say where."""

import json
import os
from typing import Any, Literal

import grpc
import instructor
from pydantic import BaseModel
from xai_sdk import Client

MODEL = "grok-2-vision-latest"


class Shape(BaseModel):
    """What is drawn."""

    shape: Literal["square"]
    colour: str


def make_client(mode: instructor.Mode, **options: Any) -> instructor.Instructor:
    """Return a client that gets its objects in this way."""
    return instructor.from_xai(Client(api_host=os.environ["GRPC_HOST"], **options), mode=mode)


def refusal(client: instructor.Instructor, model: str) -> str:
    """Return what the error of a refused question says."""
    try:
        client.create(model=model, messages=[{"role": "user", "content": "Hello?"}], response_model=Shape)
    except grpc.RpcError as error:
        return str(error.details())
    raise AssertionError("the question was answered")


asked: list[Any] = [{"role": "user", "content": "The shape as JSON"}]
shapes, streamed = {}, {}
for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA):
    client = make_client(mode)
    shapes[mode.name] = client.create(model=MODEL, messages=asked, response_model=Shape).model_dump()
    partials = client.create_partial(model=MODEL, messages=asked, response_model=Shape)
    streamed[mode.name] = [partial.model_dump() for partial in partials]

print(
    json.dumps(
        {
            "shapes": shapes,
            "streamed": streamed,
            "unknown_model": refusal(make_client(instructor.Mode.TOOLS), "no-such-model"),
            "wrong_key": refusal(make_client(instructor.Mode.TOOLS, api_key="invalid-key"), MODEL),
        }
    )
)
