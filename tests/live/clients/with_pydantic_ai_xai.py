"""Pydantic AI over the xAI SDK: XAI_API_KEY and GRPC_HOST say where, the first argument is a JPEG."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, NativeOutput
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.xai import XaiModel
from pydantic_ai.providers.xai import XaiProvider
from pydantic_ai.usage import RunUsage


class Shape(BaseModel):
    """What is drawn."""

    shape: Literal["square"]
    colour: str


def make_model(name: str = "grok-2-vision-latest", key: str = os.environ["XAI_API_KEY"]) -> XaiModel:
    """Return a model of the server."""
    return XaiModel(name, provider=XaiProvider(api_key=key, api_host=os.environ["GRPC_HOST"]))


def ask(text: str) -> list[Any]:
    """Return the picture with a question about it."""
    return [BinaryContent(Path(sys.argv[1]).read_bytes(), media_type="image/jpeg"), text]


def count(usage: RunUsage) -> dict[str, int]:
    """Return the tokens in and out."""
    return {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}


async def refusal(model: XaiModel) -> dict[str, Any]:
    """Return what the error of a refused question says."""
    try:
        await Agent(model).run("Hello?")
    except ModelHTTPError as error:
        return {"status": error.status_code, "body": error.body}
    raise AssertionError("the question was answered")


async def main() -> None:
    """Ask, stream, get an object, be refused."""
    agent = Agent(make_model())
    answer = await agent.run(ask("What is this?"))
    async with agent.run_stream(ask("What is this?")) as stream:
        streamed = [text async for text in stream.stream_text(delta=True, debounce_by=None)]
        streamed_usage = stream.usage
    by_tool = await Agent(make_model(), output_type=Shape).run(ask("The shape as JSON"))
    by_format = await Agent(make_model(), output_type=NativeOutput(Shape)).run(ask("The shape as JSON"))
    said = {
        "answer": answer.output,
        "usage": count(answer.usage),
        "streamed": streamed,
        "streamed_usage": count(streamed_usage),
        "shapes": {"tool": by_tool.output.model_dump(), "native": by_format.output.model_dump()},
        "unknown_model": await refusal(make_model("no-such-model")),
        "wrong_key": await refusal(make_model(key="invalid-key")),
    }
    print(json.dumps(said))


asyncio.run(main())
