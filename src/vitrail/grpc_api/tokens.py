"""`xai_api.Tokenize`: a text in the tokens of a model."""

from __future__ import annotations

from xai_sdk.proto import tokenize_pb2

from vitrail.grpc_api.call import AdmittedCall, Message


async def tokenize(call: AdmittedCall) -> Message:
    """Cut a text into tokens."""
    asked = await call.read(limit_bytes=call.limits.tokenize_body_bytes)
    tokens = await call.services.tokens.tokenize(model=asked.model, text=asked.text, grant=call.grant)
    return tokenize_pb2.TokenizeTextResponse(
        model=asked.model,
        tokens=[
            tokenize_pb2.Token(token_id=t.token_id, string_token=t.string_token, token_bytes=bytes(t.token_bytes))
            for t in tokens
        ],
    )
