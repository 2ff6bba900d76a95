"""The request log and the scripts that tests put in place, over HTTP; and where these routes are not."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import httpx2
import pytest

from vitrail.domain.request_log import LoggedImage, Outcome
from vitrail.testing.server import ServerGone, start_server


def test_a_picture_is_logged_by_hash_and_size(server, ask, png, data_uri):
    """The hash is that of the file as sent, which `sha256sum` gives too; no byte of it is in the log."""
    digest = hashlib.sha256(png.read_bytes()).hexdigest()
    server.script(rules=[{"when": {"sha256": digest[:12]}, "text": "It is red."}])
    assert ask("What colour?", data_uri(png)).choices[0].message.content == "It is red."
    (request,) = server.requests
    assert request.images == (LoggedImage(digest, 640, 480, 640, 480),)
    assert (request.text, request.model, request.outcome) == ("What colour?", "grok-2-vision-1212", Outcome.ANSWERED)
    raw = httpx2.get(f"{server.base_url}/scripted/requests", headers=bearer(server)).text
    assert server.api_key not in raw and "base64" not in raw


def test_the_system_prompt_and_the_sampling_are_logged(server, client):
    """What the program said around the question can be asserted on."""
    client.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        temperature=0.5,
        max_tokens=20,
        stop=["END"],
    )
    (request,) = server.requests
    assert (request.system, request.sampling.temperature, request.sampling.max_tokens) == ("Be brief.", 0.5, 20)
    assert request.sampling.stop == ("END",)


def test_every_model_is_scripted_by_itself(server, ask):
    """A script may be for one model; the others go on as they were."""
    server.script(rules=[{"text": "I am {model}."}])
    server.script("rules: [{text: other}]", model="gpt-4o")
    assert ask().choices[0].message.content == "I am grok-2-vision-1212."
    assert ask(model="gpt-4o").choices[0].message.content == "other"


def test_the_log_can_be_emptied(server, ask):
    """After `forget` only what came later is there."""
    ask("one")
    server.forget()
    ask("two")
    assert [request.text for request in server.requests] == ["two"]


@pytest.mark.parametrize(
    ("script", "model", "complaint"),
    [
        ("rules: [{txt: x}]", None, "line 1: rules[0].txt: unknown key 'txt'"),
        ("rules: []", "no-such", "The model no-such plays no script"),
    ],
)
def test_a_script_that_cannot_be_played_is_refused(server, ask, script, model, complaint):
    """The complaint reaches the test, and what was played before goes on."""
    server.script(rules=[{"text": "still here"}])
    with pytest.raises(ServerGone) as caught:
        server.script(script, model=model)
    assert complaint in str(caught.value)
    assert ask().choices[0].message.content == "still here"


def test_script_takes_one_thing(server):
    """Neither both a script and rules, nor none; a whole script says itself that it is strict."""
    for wrong in ({}, {"script": "rules: []", "rules": []}, {"script": "rules: []", "strict": True}):
        with pytest.raises(TypeError):
            server.script(**wrong)


def test_the_routes_need_a_key(server):
    """Without one nothing is told."""
    assert httpx2.get(f"{server.base_url}/scripted/requests").status_code == 401
    assert httpx2.delete(f"{server.base_url}/scripted/script").status_code == 401


def test_the_openapi_document_has_the_routes(server):
    """Where a model is scripted, the routes are documented."""
    paths = httpx2.get(f"{server.url}/openapi.json").json()["paths"]
    assert set(paths["/v1/scripted/requests"]) == {"get", "delete"}
    assert set(paths["/v1/scripted/script"]) == {"put", "delete"}


def test_a_server_that_cannot_start_says_why(tmp_path):
    """The child's complaint is in the exception."""
    (tmp_path / "v.toml").write_text('[[models]]\nid = "m"\nengine = "scripted"\nscript = "none.yaml"\n')
    with pytest.raises(ServerGone, match=r"none\.yaml"), start_server(tmp_path, config=tmp_path / "v.toml"):
        pass


def test_the_server_ends_with_whoever_started_it(tmp_path):
    """A test run that is killed leaves no server behind: the child ends when its stdin closes."""
    program = (
        "import sys, os; from pathlib import Path; from vitrail.testing.server import start_server\n"
        f"with start_server(Path({str(tmp_path)!r})) as server: print(server.url, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    url = done.stdout.strip()
    while True:
        try:
            httpx2.get(f"{url}/livez", timeout=1)
        except httpx2.TransportError:
            break


def bearer(server):
    """The header of the server's key."""
    return {"authorization": f"Bearer {server.api_key}"}
