"""Where gRPC listens, with what protection, and how it ends."""

from __future__ import annotations

import asyncio
import builtins
import socket
import sys
from pathlib import Path

import grpc
import pytest
import xai_sdk
from pydantic import ValidationError
from xai_sdk.chat import user
from xai_sdk.proto import chat_pb2_grpc

from vitrail.app import open_grpc
from vitrail.domain.completion import FinishReason
from vitrail.engines.base import FinishPiece, TextPiece
from vitrail.grpc_api.options import GrpcOptions
from vitrail.grpc_api.serving import GrpcNotServed, serve_grpc
from vitrail.settings import SettingsError, load_settings

CERTIFICATE = Path(__file__).parents[1] / "ingest" / "tls" / "img.example.pem"  # signs itself; its key is in the file
PROGRAM = """
import sys, xai_sdk
name = [("grpc.ssl_target_name_override", "img.example")]
print(xai_sdk.Client(sys.argv[1], api_host=sys.argv[2], channel_options=name).auth.get_api_key_info().name)
"""


async def test_tls_protects_another_host_than_localhost(open_rpc):
    """`127.0.0.1:PORT` makes the SDK speak TLS; with a certificate that its machine trusts it is answered."""
    served = await open_rpc(tls_certificate=CERTIFICATE, tls_key=CERTIFICATE)
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, served.surface.secret, f"127.0.0.1:{served.running.port}"),
        env={"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(CERTIFICATE)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, complaints = await run.communicate()
    assert (run.returncode, out.decode().strip()) == (0, "test"), complaints.decode()


async def test_plain_text_over_an_insecure_channel(rpc):
    """`use_insecure_channel` is the SDK's way to plain text at another name than localhost."""
    host = f"127.0.0.1:{rpc.running.port}"
    client = xai_sdk.AsyncClient(api_key=rpc.surface.secret, api_host=host, use_insecure_channel=True)
    assert (await client.auth.get_api_key_info()).name == "test"
    await client.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "example.com", "::"])
def test_keys_are_not_sent_in_clear_by_mistake(host):
    """An address that others reach needs TLS, or to be told that plain text is meant."""
    with pytest.raises(ValidationError, match="without TLS, keys would be sent"):
        GrpcOptions(port=1, host=host)
    assert GrpcOptions(port=1, host=host, plaintext=True).host == host
    assert GrpcOptions(host=host).port is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_loopback_may_be_plain(host):
    """Nobody else hears it there."""
    assert not GrpcOptions(port=1, host=host).has_tls


def test_a_certificate_needs_its_key():
    """One without the other is a mistake."""
    with pytest.raises(ValidationError, match="belong together"):
        GrpcOptions(port=1, tls_certificate="cert.pem")


async def test_a_taken_port_is_told(surface):
    """The message names the port and the flag."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        options = GrpcOptions(port=taken.getsockname()[1])
        with pytest.raises(GrpcNotServed, match=r"Port \d+ on 127.0.0.1 cannot be used for gRPC.*--grpc-port"):
            async with serve_grpc(surface.services, options, surface.options):
                pass


async def test_a_certificate_that_is_not_there_is_told(surface, tmp_path):
    """The message names the file."""
    missing = tmp_path / "cert.pem"
    options = GrpcOptions(port=0, tls_certificate=missing, tls_key=missing)
    with pytest.raises(GrpcNotServed, match=r"cert\.pem: No such file"):
        async with serve_grpc(surface.services, options, surface.options):
            pass


async def test_without_a_port_there_is_no_grpc(surface):
    """It is off by default."""
    async with open_grpc(load_settings(environment={}), surface.services) as server:
        assert server is None


async def test_without_its_packages_the_extra_is_named(surface, monkeypatch):
    """A server without the extra says what to install."""
    real = builtins.__import__

    def without_grpc(name, *rest):
        if name.startswith("grpc") or name == "vitrail.grpc_api.serving":
            raise ImportError(f"No module named {name!r}", name="grpc")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_grpc)
    settings = load_settings(overrides={"grpc": {"port": 0}}, environment={})
    with pytest.raises(SettingsError, match=r"pip install 'vitrail\[grpc\]'"):
        async with open_grpc(settings, surface.services):
            pass


async def test_a_stop_lets_running_answers_end(rpc, request_of):
    """New calls are refused at once; what has begun is finished."""
    goes_on = asyncio.Event()
    rpc.surface.engine.script = [TextPiece("Hello"), goes_on, TextPiece(" world"), FinishPiece(FinishReason.STOP)]
    async with rpc.channel() as channel:
        stream = chat_pb2_grpc.ChatStub(channel).GetCompletionChunk(request_of(), metadata=rpc.metadata)
        assert (await stream.read()).outputs[0].delta.content == "Hello"
        stopping = asyncio.create_task(rpc.running.stop(drain_seconds=20))
        await asyncio.sleep(0.05)
        goes_on.set()
        rest = [(await stream.read()).outputs[0].delta.content for _ in range(2)]
        assert rest == [" world", ""] and await stream.code() is grpc.StatusCode.OK
        await asyncio.wait_for(stopping, 5)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            chat = rpc.sdk.chat.create("fake-vision-1", messages=[user("Hi")])
            await chat.sample()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("hurry", [True, False])
async def test_a_stop_cuts_what_does_not_end(rpc, request_of, hurry):
    """At the deadline, or at once when told to hurry, answers are cut, and their engines' work ends."""
    rpc.surface.engine.script = [TextPiece("Hello"), asyncio.Event()]
    async with rpc.channel() as channel:
        stream = chat_pb2_grpc.ChatStub(channel).GetCompletionChunk(request_of(), metadata=rpc.metadata)
        await stream.read()
        stopping = rpc.running.stop(drain_seconds=60 if hurry else 0.05, hurry=lambda: hurry)
        await asyncio.wait_for(stopping, 5)
        await asyncio.wait_for(rpc.surface.engine.ended.wait(), 5)
        assert await stream.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


async def test_a_client_that_does_not_read_is_cut_off(open_rpc, request_of):
    """An answer that nobody reads does not hold its slot for ever."""
    rpc = await open_rpc(send_seconds=0.2)
    rpc.surface.engine.script = [TextPiece("x" * 1_000_000)] * 40
    async with rpc.channel() as channel:
        stream = chat_pb2_grpc.ChatStub(channel).GetCompletionChunk(request_of(), metadata=rpc.metadata)
        await asyncio.wait_for(rpc.surface.engine.ended.wait(), 10)
        stream.cancel()
