"""The xAI SDK against Vitrail: XAI_API_KEY and GRPC_HOST say where, the first argument is a JPEG."""

import asyncio
import base64
import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import grpc
from pydantic import BaseModel
from xai_sdk import AsyncClient, Client
from xai_sdk.chat import image, tool, user

MODEL = "grok-2-vision-latest"
HOST = os.environ["GRPC_HOST"]
URL = "data:image/jpeg;base64," + base64.b64encode(Path(sys.argv[1]).read_bytes()).decode()


class Shape(BaseModel):
    """What is drawn."""

    shape: Literal["square"]
    colour: str


def refusal(client: Client, model: str = MODEL, url: str = URL) -> dict[str, Any]:
    """Return what the error of a refused question says."""
    try:
        client.chat.create(model, messages=[user("What is this?", image(url))]).sample()
    except grpc.RpcError as error:
        return {"code": error.code().name, "details": error.details()}
    raise AssertionError("the question was answered")


def main() -> dict[str, Any]:
    """Ask, stream, parse, call, defer, be refused."""
    client = Client(api_host=HOST)
    asked = {"model": MODEL, "messages": [user("What is this?", image(URL, detail="high"))]}
    answer = client.chat.create(**asked).sample()
    streamed = [(chunk.content, sofar.usage.total_tokens) for sofar, chunk in client.chat.create(**asked).stream()]
    _, shape = client.chat.create(MODEL, messages=[user("The shape as JSON", image(URL))]).parse(Shape)
    weather = tool("find_weather", "Finds weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
    call = client.chat.create(MODEL, messages=[user("The weather in Oslo?")], tools=[weather]).sample().tool_calls[0]
    deferred = client.chat.create(**asked).defer(timeout=timedelta(seconds=20), interval=timedelta(seconds=0.1))
    return {
        "answer": answer.content,
        "image_tokens": answer.usage.prompt_image_tokens,
        "total_tokens": answer.usage.total_tokens,
        "streamed": streamed,
        "shape": shape.model_dump(),
        "call": [call.function.name, call.function.arguments],
        "deferred": deferred.content,
        "models": [model.name for model in client.models.list_language_models()],
        "key": client.auth.get_api_key_info().name,
        "tokens": len(client.tokenize.tokenize_text(text="What is this?", model=MODEL)),
        "unknown_model": refusal(client, model="no-such-model"),
        "wrong_key": refusal(Client(api_key="invalid-key", api_host=HOST)),
        "bad_image": refusal(client, url="data:image/jpeg;base64,AAAA"),
        "no_picture_there": refusal(client, url=os.environ["IMAGE_HOST"] + "/page"),
        "async": asyncio.run(ask_again(asked)),
    }


async def ask_again(asked: dict[str, Any]) -> list[str]:
    """Ask with the asynchronous client, whole and streamed."""
    async with AsyncClient(api_host=HOST) as client:
        whole = await client.chat.create(**asked).sample()
        async for sofar, _ in client.chat.create(**asked).stream():
            streamed = sofar
        return [whole.content, streamed.content]


print(json.dumps(main()))
