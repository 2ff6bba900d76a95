"""The gRPC surface beside the REST surface, over the same services; its client is the xAI SDK."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
import xai_sdk
from xai_sdk.proto import chat_pb2

from tests.http_api.conftest import MODEL, Surface, database, open_images, open_surface, png, surface
from vitrail.grpc_api.options import GrpcOptions
from vitrail.grpc_api.serving import GrpcServer, serve_grpc

__all__ = ["database", "open_images", "open_surface", "png", "surface"]


@dataclass
class Rpc:
    """A served gRPC surface; `sdk` is a client with a good key that does not retry."""

    surface: Surface
    running: GrpcServer
    sdk: xai_sdk.AsyncClient
    clients: list[xai_sdk.AsyncClient]

    def client(self, *, api_key: str | None = None, retries: bool = False, **options: Any) -> xai_sdk.AsyncClient:
        """Return another client."""
        channel = options.pop("channel_options", []) + ([] if retries else [("grpc.enable_retries", 0)])
        host = f"localhost:{self.running.port}"
        key = api_key or self.surface.secret
        client = xai_sdk.AsyncClient(api_key=key, api_host=host, channel_options=channel, **options)
        self.clients.append(client)
        return client

    def ask(self, *content: Any, client: xai_sdk.AsyncClient | None = None, **options: Any) -> Any:
        """Return a chat with one user message."""
        options = {"model": MODEL.id, **options}
        return (client or self.sdk).chat.create(messages=[xai_sdk.chat.user(*content or ("Hi there",))], **options)

    @contextlib.asynccontextmanager
    async def channel(self) -> AsyncIterator[Any]:
        """Yield a bare channel, for messages that the SDK would not send."""
        size = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        async with grpc.aio.insecure_channel(f"localhost:{self.running.port}", options=size) as channel:
            yield channel

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the metadata of a good key, for a bare channel."""
        return (("authorization", f"Bearer {self.surface.secret}"),)


@pytest.fixture
async def open_rpc(surface: Surface) -> AsyncIterator[Callable[..., Any]]:
    """Return a maker of gRPC surfaces over `surface`, or over another one; options are those of GrpcOptions."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_rpc(over: Surface | None = None, **options: Any) -> Rpc:
            over = over or surface
            options = GrpcOptions(port=0, **options)
            running = await stack.enter_async_context(serve_grpc(over.services, options, over.options))
            rpc = Rpc(over, running, None, [])  # type: ignore[arg-type]
            rpc.sdk = rpc.client()
            stack.push_async_callback(_close, rpc.clients)
            return rpc

        yield open_rpc


async def _close(clients: list[xai_sdk.AsyncClient]) -> None:
    for client in clients:
        await client.close()


@pytest.fixture
async def rpc(open_rpc: Callable[..., Any]) -> Rpc:
    """Return a gRPC surface with the default options."""
    opened: Rpc = await open_rpc()
    return opened


@pytest.fixture
def request_of() -> Callable[..., Any]:
    """Return a maker of request messages with one user message."""

    def make(text: str = "Hi there", **fields: Any) -> Any:
        message = chat_pb2.Message(role=chat_pb2.ROLE_USER, content=[chat_pb2.Content(text=text)])
        return chat_pb2.GetCompletionsRequest(**{"model": MODEL.id, "messages": [message], **fields})

    return make
