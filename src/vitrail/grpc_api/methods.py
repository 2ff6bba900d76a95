"""The gRPC surface: every method that is offered on one screen; what the SDK knows besides is refused in a sentence.

Shapes come from the descriptors in the xAI SDK. Called by serving.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import grpc
import xai_sdk.proto
from google.protobuf.message_factory import GetMessageClass

from vitrail.grpc_api import auth, chat, images, models, tokens
from vitrail.grpc_api.call import Context, Message, Run, Surface, serve_call
from vitrail.grpc_api.errors import NotOffered, render_details, status_of


@dataclass(frozen=True, slots=True)
class Method:
    """A method that answers a grant; the key's ACL has to name the endpoint `acl`. `writes`: it sends its messages."""

    name: str
    run: Run
    acl: str
    writes: bool = False


# fmt: off
METHODS = (
    Method("xai_api.Chat.GetCompletion", chat.complete, "chat"),
    Method("xai_api.Chat.GetCompletionChunk", chat.stream, "chat", writes=True),
    Method("xai_api.Chat.StartDeferredCompletion", chat.defer, "chat"),
    Method("xai_api.Chat.GetDeferredCompletion", chat.hand_over, "chat", writes=True),
    Method("xai_api.Chat.GetStoredCompletion", chat.show_stored, "chat"),
    Method("xai_api.Chat.DeleteStoredCompletion", chat.delete_stored, "chat"),
    Method("xai_api.Models.ListLanguageModels", models.list_language, "models"),
    Method("xai_api.Models.GetLanguageModel", models.show_language, "models"),
    Method("xai_api.Models.ListEmbeddingModels", models.list_embedding, "models"),
    Method("xai_api.Models.GetEmbeddingModel", models.show_embedding, "models"),
    Method("xai_api.Models.ListImageGenerationModels", models.list_image, "models"),
    Method("xai_api.Models.GetImageGenerationModel", models.show_image, "models"),
    Method("xai_api.Auth.get_api_key_info", auth.show_api_key, "api-key"),
    Method("xai_api.Tokenize.TokenizeText", tokens.tokenize, "tokenize"),
    Method("xai_api.Image.GenerateImage", images.generate, "image"),
)
# fmt: on
_INSTEAD = {
    "xai_api.Chat.CompactContext": "Send the whole conversation; this server keeps no compacted context.",
    "xai_api.Sample": "Use xai_api.Chat: a prompt is a user message.",
    "xai_api.Embedder": "None of its models gives embeddings.",
    "xai_api.Files": "Send pictures in the messages of xai_api.Chat, as data URIs or URLs.",
    "xai_api.BatchMgmt": "Use xai_api.Chat.StartDeferredCompletion for each request.",
}


def list_services() -> Iterator[Any]:
    """Yield the descriptor of every service that the SDK knows."""
    for module in vars(xai_sdk.proto).values():
        if isinstance(module, ModuleType) and module.__name__.endswith("_pb2"):
            yield from module.DESCRIPTOR.services_by_name.values()


def make_handlers(surface: Surface) -> Iterator[grpc.GenericRpcHandler]:
    """Yield the handlers of every service: offered methods answer, the others say that they are not offered."""
    offered = {method.name: method for method in METHODS}
    for service in list_services():
        handlers = {
            method.name: _handler(surface, offered[method.full_name], method)
            if method.full_name in offered
            else _refusing(method)
            for method in service.methods
        }
        yield grpc.method_handlers_generic_handler(service.full_name, handlers)


def _handler(surface: Surface, method: Method, descriptor: Any) -> grpc.RpcMethodHandler:
    """Return a handler that gets its request as a stream, so that the key is judged before the message is read.

    On the wire a stream of one message and a single one are the same.
    """
    path = f"/{descriptor.containing_service.full_name}/{descriptor.name}"
    shape = GetMessageClass(descriptor.input_type)
    serve = partial(serve_call, surface, method.run, path=path, acl=method.acl, shape=shape)
    make = grpc.stream_stream_rpc_method_handler if method.writes else grpc.stream_unary_rpc_method_handler

    async def answer(messages: AsyncIterator[bytes], context: Context) -> Message | None:
        return await serve(messages, context)

    return make(answer, response_serializer=GetMessageClass(descriptor.output_type).SerializeToString)


def _refusing(descriptor: Any) -> grpc.RpcMethodHandler:
    name, service = descriptor.full_name, descriptor.containing_service.full_name
    failure = NotOffered(f"This server does not offer {name}.", hint=_INSTEAD.get(name) or _INSTEAD.get(service))

    async def refuse(messages: AsyncIterator[bytes], context: Context) -> None:
        await context.abort(status_of(failure), render_details(failure))

    return grpc.stream_unary_rpc_method_handler(refuse)
