"""`vitrail ask`: one question about pictures, answered here by the configured engine, or by a server with `--url`."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import msgspec
import typer
import uvloop
from rich.console import Console

from vitrail.app import Runtime, open_runtime
from vitrail.app_engines import pull_weights
from vitrail.cli.options import AsJson, ConfigFile, DataDir, load
from vitrail.cli.pictures import image_url, is_image_name
from vitrail.domain.completion import Completion
from vitrail.domain.errors import Failure, InvalidArgument, Unavailable
from vitrail.domain.keys import Grant
from vitrail.domain.pictures import Detail
from vitrail.engines.weights_progress import ConsoleProgress
from vitrail.http_api.parse_chat import parse_chat
from vitrail.http_api.render_chat import render_completion
from vitrail.settings import Settings
from vitrail.telemetry import configure_logging

_ANSWER_SECONDS = 600.0


def ask(
    words: Annotated[list[str], typer.Argument(metavar="IMAGE... QUESTION", help="Files or URLs, then the question.")],
    model: Annotated[str | None, typer.Option("--model", help="Model name (the first configured).")] = None,
    detail: Annotated[Detail, typer.Option("--detail", help="How closely to look.")] = Detail.AUTO,
    system: Annotated[str | None, typer.Option("--system", help="System prompt.")] = None,
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", min=1, help="Longest answer.")] = None,
    schema: Annotated[Path | None, typer.Option("--schema", help="JSON Schema file the answer has to follow.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="Base URL of a running server, /v1 included.")] = None,
    api_key: Annotated[str | None, typer.Option("--api-key", envvar="XAI_API_KEY", help="Key for --url.")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Ask about images without a running server: `vitrail ask receipt.jpg "What is the total?"`."""
    *images, question = words  # Typer lets no empty list through
    if not question.strip() or is_image_name(question):
        raise typer.BadParameter("the question is missing; it comes last, after the images", param_hint="QUESTION")
    settings = load(data_dir=data_dir, config=config)
    body: dict[str, Any] = {
        "model": model or _first_language(settings),
        "messages": _messages([image_url(name) for name in images], question, detail=detail, system=system),
    }
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    if schema is not None:
        wanted = {"name": schema.stem, "schema": msgspec.json.decode(schema.read_bytes())}
        body["response_format"] = {"type": "json_schema", "json_schema": wanted}
    work = _ask_server(url, api_key or "", body) if url else _ask_here(settings, body, show=not as_json)
    answer = uvloop.run(work)
    if as_json:
        sys.stdout.buffer.write(answer + b"\n")
    elif url:
        print(msgspec.json.decode(answer)["choices"][0]["message"]["content"])


def _first_language(settings: Settings) -> str:
    """Return the first model that answers in text, or else the first one, which then says what it is."""
    return next((entry.id for entry in settings.models if not entry.makes_images), settings.models[0].id)


def _messages(urls: list[str], question: str, *, detail: Detail, system: str | None) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": url, "detail": detail.value}} for url in urls
    ]
    head = [{"role": "system", "content": system}] if system else []
    return [*head, {"role": "user", "content": [*parts, {"type": "text", "text": question}]}]


async def _ask_here(settings: Settings, body: dict[str, Any], *, show: bool) -> bytes:
    """Answer with an engine of our own; with `show`, print the text as it comes and the usage after it."""
    configure_logging(settings.log.model_copy(update={"level": "error"}))
    console = Console(stderr=True, highlight=False)
    with ConsoleProgress(console) as progress:
        await asyncio.to_thread(pull_weights, settings, progress)
    with console.status("Starting ...") as status:
        async with _local_runtime(settings, tell=status.update) as (runtime, grant):
            status.update("Looking ...")
            request, _ = parse_chat(msgspec.json.encode(body), settings.http)
            opened = await runtime.completions.open(request, grant)
            status.stop()
            completion = await opened.fold(on_text=_print_text if show else None)
    if show:
        print()
        console.print(_usage_line(completion), style="dim")
    return render_completion(completion)


def _print_text(text: str) -> None:
    print(text, end="", flush=True)


def _usage_line(completion: Completion) -> str:
    usage = completion.usage
    return (
        f"{completion.head.model}: {usage.prompt_tokens} prompt tokens ({usage.text_tokens} text, "
        f"{usage.image_tokens} image), {usage.completion_tokens} completion tokens"
    )


@asynccontextmanager
async def _local_runtime(settings: Settings, *, tell: Any) -> AsyncIterator[tuple[Runtime, Grant]]:
    """Start the engines over a database that lives for this question only, with a key of its own."""
    with tempfile.TemporaryDirectory(prefix="vitrail-") as folder:
        database = settings.database.model_copy(update={"url": f"sqlite:///{folder}/ask.db"})
        async with open_runtime(settings.model_copy(update={"database": database}), tell=tell) as runtime:
            key = runtime.keyring.create(name="vitrail ask").key
            yield runtime, Grant(key=key, endpoint="chat", request_id=runtime.services.new_id())


def _reason(error: OSError) -> str:
    """Return what the system calls the error; asyncio's own text repeats the address as Python writes it."""
    return (os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror) or str(error)


async def _ask_server(url: str, api_key: str, body: dict[str, Any]) -> bytes:
    timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
    headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            session.post(f"{url.rstrip('/')}/chat/completions", data=BytesIO(msgspec.json.encode(body))) as response,
        ):
            answer = await response.read()
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise InvalidArgument(f"{url} is no base URL; write http://HOST:PORT/v1.") from error
    except aiohttp.ClientConnectorError as error:
        raise Unavailable(f"The server at {url} cannot be reached: {_reason(error.os_error)}.") from error
    except TimeoutError as error:
        raise Unavailable(f"The server at {url} did not answer within {_ANSWER_SECONDS:g} s.") from error
    except aiohttp.ClientError as error:
        raise Unavailable(f"The server at {url} did not answer: {error}.") from error
    if response.status != 200:
        raise Failure(f"The server answered {response.status}: {answer.decode('utf-8', 'replace')[:2000]}")
    return answer
