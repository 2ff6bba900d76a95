"""The pytest plugin, run as its users run it: a test project of its own, with OpenAI's client."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
from pathlib import Path

import anthropic
import httpcore2
import openai
import pytest
from PIL import Image

pytest_plugins = ["pytester"]
# Imported once here, not in every run of pytest in this process, which forgets what it imported first: httpx2 would go
# on with the exceptions of an httpcore2 that is gone.
CLIENTS = (openai, anthropic, httpcore2)

PROGRAM = """
    import openai

    def ask(text, model="grok-2-vision"):
        messages = [{"role": "user", "content": text}]
        with openai.OpenAI() as client:
            return client.chat.completions.create(model=model, messages=messages).choices[0].message.content
"""
PLAIN = """
    import json, os, urllib.error, urllib.request

    def ask(content):
        body = {"model": "grok-2-vision", "messages": [{"role": "user", "content": content}]}
        request = urllib.request.Request(
            os.environ["OPENAI_BASE_URL"] + "/chat/completions",
            data=json.dumps(body).encode(),
            headers={"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)["choices"][0]["message"]["content"]
        except urllib.error.HTTPError as error:
            return json.load(error)["error"]
"""
LOOP_SCOPE = "asyncio_default_fixture_loop_scope = function\n"  # else pytest-asyncio warns
CONFTEST = 'import os\nos.environ.pop("OPENAI_API_KEY", None)\nos.environ.pop("OPENAI_BASE_URL", None)\n'


@pytest.fixture
def project(pytester):
    """A project with a program under test and two scripts."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(program=PROGRAM, plain=PLAIN)
    pytester.makeini(f"[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n{LOOP_SCOPE}")
    pytester.path.joinpath("answers.yaml").write_text("rules: [{text: 'From the file, call {call}.'}]")
    return pytester


def test_the_page_of_the_docs_runs_as_it_stands(project):
    """The example of docs/testing.md passes, its retries included."""
    page = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    picture = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(picture, "PNG")
    url = "data:image/png;base64," + base64.b64encode(picture.getvalue()).decode()
    project.makepyfile(f"RED_SQUARE = {url!r}\n{example}")
    project.runpytest_inprocess().assert_outcomes(passed=2)


def test_a_marker_names_the_script(project):
    """File or rules; each test begins with its script at the first call and an empty log; a wrong one is its error."""
    project.makepyfile(
        """
        import pytest
        from program import ask

        @pytest.mark.vitrail(script="answers.yaml")
        @pytest.mark.parametrize("time", [1, 2])
        def test_file(vitrail_server, time):
            assert ask("hello") == "From the file, call 1."
            assert [request.text for request in vitrail_server.requests] == ["hello"]

        @pytest.mark.vitrail(rules=[{"when": {"text": "total"}, "text": "18.20"}], strict=True)
        def test_rules(vitrail_server):
            assert ask("The total?") == "18.20"

        def test_none(vitrail_server):
            assert ask("x") == "I see no image. You said: x"
            assert len(vitrail_server.requests) == 1

        def test_from_python(vitrail_server):
            vitrail_server.script(rules=[{"text": "Set here."}])
            assert ask("x") == "Set here."

        @pytest.mark.vitrail(rules=[{"txt": "x"}])
        def test_wrong(vitrail_server): pass

        @pytest.mark.vitrail(script="none.yaml")
        def test_missing(vitrail_server): pass
        """
    )
    result = project.runpytest_inprocess()
    result.assert_outcomes(passed=5, errors=2)
    result.stdout.fnmatch_lines(["*rules[[]0].txt: unknown key 'txt'*", "*none.yaml*"])


def test_the_ini_file_names_models_and_script(project):
    """The default script and the model names are the project's choice, and SDKs find the server by the environment."""
    project.makeini(f"[pytest]\nvitrail_script = answers.yaml\nvitrail_models = gpt-4o my/model\n{LOOP_SCOPE}")
    project.makepyfile(
        """
        import os
        import anthropic, openai
        from program import ask

        def test_it(vitrail_server):
            assert ask("x", model="gpt-4o") == "From the file, call 1."
            with openai.OpenAI() as client:
                assert sorted(model.id for model in client.models.list()) == ["gpt-4o", "my/model"]
            message = {"role": "user", "content": "x"}
            with anthropic.Anthropic() as client:
                answer = client.messages.create(model="my/model", max_tokens=20, messages=[message])
            assert answer.content[0].text == "From the file, call 1."
            assert os.environ["XAI_API_KEY"] == vitrail_server.api_key

        def test_the_environment_is_given_back():
            assert "OPENAI_API_KEY" not in os.environ
        """
    )
    project.runpytest_inprocess().assert_outcomes(passed=2)


def test_workers_of_xdist_have_a_server_each(project):
    """Logs and scripts of tests that run at the same time do not mix; here the settings are the project's own file."""
    project.makeini(f"[pytest]\nvitrail_config = ci.toml\n{LOOP_SCOPE}")
    project.path.joinpath("ci.toml").write_text(
        '[images]\nmax_images = 0\n[[models]]\nid = "grok-2-vision"\nengine = "scripted"\nscript = "answers.yaml"\n'
    )
    project.makepyfile(
        """
        import pytest
        from plain import ask

        @pytest.mark.parametrize("number", range(8))
        def test_script(vitrail_server, number):
            vitrail_server.script(rules=[{"text": f"number {number}"}])
            assert [ask(str(time)) for time in range(5)] == [f"number {number}"] * 5
            assert len(vitrail_server.requests) == 5

        def test_settings(vitrail_server):
            assert ask("x") == "From the file, call 1."
            part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
            assert "the limit is 0" in ask([part])
        """
    )
    project.runpytest_subprocess("-n", "2").assert_outcomes(passed=9)


def test_the_plugin_costs_other_tests_nothing(tmp_path):
    """Where Vitrail is only installed, pytest starts without importing its server or any library of it."""
    program = (
        "import sys, pytest; before = set(sys.modules); import vitrail.testing.plugin; "
        "print(*sorted(name for name in set(sys.modules) - before if not name.startswith('vitrail')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_server_starts_without_the_libraries_of_engines(tmp_path):
    """A scripted model needs neither numpy nor what perception and llama are made of."""
    heavy = ("numpy", "cv2", "onnxruntime", "rapidocr", "xllamacpp", "pyvips", "PIL")
    program = f"import sys, vitrail.testing.child; print(*(name for name in {heavy} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_grpc_is_served_where_the_ini_file_wants_it(project):
    """The xAI SDK asks the same script as the others, and its questions are in the same log."""
    project.makeini(f"[pytest]\nvitrail_grpc = true\n{LOOP_SCOPE}")
    project.makepyfile(
        """
        import pytest
        from xai_sdk import Client
        from xai_sdk.chat import user

        @pytest.mark.vitrail(rules=[{"text": "A red square."}])
        def test_grpc(vitrail_server):
            with Client(api_host=vitrail_server.grpc_host) as client:
                chat = client.chat.create("grok-2-vision", messages=[user("What is this?")])
                assert chat.sample().content == "A red square."
            assert [request.text for request in vitrail_server.requests] == ["What is this?"]
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=1)
