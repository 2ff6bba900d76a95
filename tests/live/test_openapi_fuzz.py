"""What the server answers to made-up requests is what its OpenAPI document says; schemathesis makes them up and judges.

Requests are as the document wants them, and spoilt in one place. A server of its own takes them, since some of them
change what its models say, its keys and its money.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from jsonschema import Draft202012Validator
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi import checks

from tests.fixtures.image_maker import ImageMaker, image_file
from vitrail.http_api.console import read_console
from vitrail.http_api.management_routes import MANAGEMENT_ROUTES
from vitrail.http_api.openapi import build_openapi
from vitrail.http_api.routes import KEYED_ROUTES, OPEN_ROUTES, SCRIPTED_ROUTES
from vitrail.testing.server import start_server

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

MODEL, PAINTER = "grok-2-vision-1212", "grok-2-image-1212"
CLOSED = "127.0.0.1:9"  # nothing listens there, and the server fetches from nowhere else
JPEG = b64encode(image_file()).decode()
URLS = [f"data:image/jpeg;base64,{JPEG}", f"http://{CLOSED}/a.jpg", "https://example.com/a.jpg", "data:,"]
TIMES = ["2100-01-31T00:00:00Z", "2100-01-31", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
AMOUNTS = [{"val": "1"}, {"val": None, "ticks": 10**17}, {"ticks": "0"}, {"val": 10**17}, {"val": "-1"}, {}]
RANGES = [
    {"startTime": f"{start} 00:00:00", "endTime": f"{end} 00:00:00", "timezone": zone}
    for start, end in (("2026-01-30", "2026-02-02"), ("0001-01-01", "0001-01-03"), ("9999-12-29", "9999-12-31"))
    for zone in ("", "Asia/Tokyo", "America/Lima", "../UTC")
]
USAGE = {"timeUnit": "TIME_UNIT_DAY", "values": [{"name": "usd"}], "groupBy": ["model"], "filters": ["NOT model:x"]}
ACLS = ["api-key:model:*", "api-key:endpoint:chat"]
BODIES_WITH_MODEL = (
    "ChatCompletionRequest",
    "MessagesRequest",
    "CountedMessages",
    "ResponsesRequest",
    "TextCompletionRequest",
    "CompleteRequest",
    "Tokenize",
)
KNOWN: dict[str, list[Any]] = {  # all that is tried, by schema and property: chance would not find it
    **{f"{body}.model": [MODEL] for body in BODIES_WITH_MODEL},
    "ImagesRequest.model": [PAINTER],
    "ImageUrl.url": URLS,
    "UrlSource.url": URLS,
    "InputImage.image_url": URLS,
    "Base64Source.data": [JPEG, JPEG[:80], ""],
    "Base64Source.media_type": ["image/jpeg", "image/png"],
}
MORE: dict[str, list[Any]] = {  # what is tried beside what chance finds
    "CreateApiKey.expireTime": [None, *TIMES],
    "ApiKeyFields.expireTime": [None, *TIMES],
    "GiveCredits.expireTime": [None, *TIMES],
    "UpdateApiKey.fieldMask": ["name", "acls,disabled", "qps,qpm,tpm", "expireTime", "name,nothing"],
    "UpdateTeam.fieldMask": ["blocked", "name"],
    "SetRateLimits.model": ["*", MODEL],
    "TopUp.amount": AMOUNTS,
    "GiveCredits.amount": AMOUNTS,
    "UsageAsked.analyticsRequest": [{**USAGE, "timeRange": span} for span in RANGES],
    "AnalyticsRequest.timeRange": RANGES,
}
DOCUMENT = json.loads(build_openapi((*KEYED_ROUTES, *MANAGEMENT_ROUTES, *SCRIPTED_ROUTES, *OPEN_ROUTES)))
COMMON = {"messages": [{"role": "user", "content": "Hello"}], "model": MODEL}


def _narrowed(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with `KNOWN` and `MORE` values, and with ids that `Target.make_real` replaces.

    It asks for no key, so that every request has the right one: what others open is tested elsewhere.
    """
    narrow = deepcopy(document)
    schemas = narrow["components"]["schemas"]
    for place, values in KNOWN.items():
        name, field = place.split(".")
        schemas[name]["properties"][field] = {"enum": values}
    for place, values in MORE.items():
        name, field = place.split(".")
        schemas[name]["properties"][field] = {"anyOf": [{"enum": values}, schemas[name]["properties"][field]]}
    for name in ("CreateApiKey", "ApiKeyFields"):
        schemas[name]["properties"]["acls"]["items"] = {"enum": ACLS}
    for methods in narrow["paths"].values():
        for operation in methods.values():
            del operation["security"]
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path":
                    is_file = parameter["name"] == "file"
                    parameter["schema"] = {"enum": list(read_console()) if is_file else [f"new-{parameter['name']}"]}
    return narrow


CONFIG = {
    "checks": {
        # 422 would be drift: the document has to say of each shape whether it is taken. Not all values fit together.
        "positive_data_acceptance": {"expected-statuses": ["2xx", "3xx", "400", "404", "412"]},
        "negative_data_rejection": {"expected-statuses": ["400", "401", "404", "405", "412", "413", "415", "422"]},
    }
}
schema = schemathesis.openapi.from_dict(_narrowed(DOCUMENT), config=SchemathesisConfig.from_dict(CONFIG))
schema = schema.exclude(method="POST", path="/v1/perception")  # takes a chat body; scripted models perceive nothing


@schema.hook
def map_body(context: Any, body: Any) -> Any:
    """Write whole numbers without a fraction: `1.0` is an integer to JSON Schema, not to the servers of this API."""
    if isinstance(body, dict):
        return {name: map_body(context, value) for name, value in body.items()}
    if isinstance(body, list):
        return [map_body(context, value) for value in body]
    return int(body) if isinstance(body, float) and body.is_integer() else body


@dataclass
class Target:
    """A running server, a key for each of its surfaces, and a team that may lose all it has."""

    url: str
    session: requests.Session
    api_key: str
    management_key: str
    team_id: str = ""

    def headers(self, path: str) -> dict[str, str]:
        """Return what opens a path."""
        return {"Authorization": f"Bearer {self.management_key if path.startswith('/management') else self.api_key}"}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return the JSON of an answer that has to be a good one."""
        answer = self.session.request(method, self.url + path, json=body, headers=self.headers(path), timeout=10)
        assert answer.ok, answer.text
        return answer.json()

    def make_real(self, case: schemathesis.Case) -> None:
        """Put the id of something new where the path has a stand-in."""
        for name, value in case.path_parameters.items():
            if value == f"new-{name}":
                case.path_parameters[name] = self._make(name, case.operation.path)

    def _make(self, name: str, path: str) -> str:
        match name:
            case "model_id":
                return PAINTER if "image" in path else MODEL
            case "team_id":
                return self.team_id
            case "api_key_id":
                made = self.ask("POST", f"/management/auth/teams/{self.team_id}/api-keys", {"name": "short-lived"})
                return str(made["apiKeyId"])
            case "response_id":
                return str(self.ask("POST", "/v1/responses", {"model": MODEL, "input": "Hello"})["id"])
            case "request_id":
                return str(self.ask("POST", "/v1/chat/completions", {**COMMON, "deferred": True})["request_id"])
        raise AssertionError(f"what is a {name}?")


@pytest.fixture(scope="module")
def painter_url() -> Iterator[str]:
    """An image model's server, on a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    maker = ImageMaker()
    asyncio.run_coroutine_threadsafe(maker.start(), loop).result(10)
    yield maker.url
    asyncio.run_coroutine_threadsafe(maker.close(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory, painter_url: str) -> Iterator[Target]:
    """The server under test."""
    folder = tmp_path_factory.mktemp("fuzzed")
    (folder / "vitrail.toml").write_text(
        f'[[models]]\nid = "{MODEL}"\nengine = "scripted"\n'
        f'[[models]]\nid = "{PAINTER}"\nengine = "upstream"\nbase_url = "{painter_url}"\noutput = ["image"]\n'
        f'[fetch]\nallow_hosts = ["{CLOSED}"]\nonly_hosts = ["127.0.0.1"]\n[decode]\nworkers = 1\n'
    )
    with start_server(folder, config=folder / "vitrail.toml") as server, requests.Session() as session:
        session.trust_env = False
        target = Target(server.url, session, server.api_key, _make_management_key(folder))
        target.team_id = target.ask("POST", "/management/auth/teams", {"name": "spendthrifts"})["teamId"]
        assert target.ask("GET", "/openapi.json") == DOCUMENT
        yield target


def _make_management_key(folder: Path) -> str:
    command = [sys.executable, "-m", "vitrail", "keys", "create", "--name", "operator", "--management", "--json"]
    done = subprocess.run([*command, "--data-dir", str(folder)], capture_output=True, check=True)
    return str(json.loads(done.stdout)["api_key"])


@pytest.fixture
def tally() -> Iterator[Counter[str]]:
    """Counts the answers to an operation; there has to be a good one, or else only refusals were tried."""
    answers: Counter[str] = Counter()
    yield answers
    is_unpaid = any("/refunds" in answer for answer in answers)  # nothing is: money is for tests that know sums
    assert is_unpaid or any(answer[0] in "23" for answer in answers), answers


@schema.parametrize()
@settings(max_examples=20, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_answers_are_as_documented(case: schemathesis.Case, target: Target, tally: Counter[str]) -> None:
    """No 5xx, no status, media type or shape that is not documented; what the document allows is never misshapen."""
    target.make_real(case)
    headers = target.headers(case.operation.path)
    answer = case.call(target.url, target.session, headers, allow_redirects=False)
    tally[f"{answer.status_code} {case.operation.label}"] += 1
    is_stream = answer.headers["content-type"][0].startswith("text/event-stream") if answer.content else False
    if is_stream:
        _check_events(answer.text, case.operation.path)
    case.validate_response(
        answer,
        headers=headers,
        excluded_checks=[checks.response_schema_conformance] if is_stream else [],
        transport_kwargs={"base_url": target.url, "session": target.session, "headers": headers},
    )


def _check_events(text: str, path: str) -> None:
    """Check what each event says: as is usual, the document shows one event's JSON as the schema of the stream."""
    shape = DOCUMENT["paths"][path]["post"]["responses"]["200"]["content"]["text/event-stream"]["schema"]
    judge = Draft202012Validator({**shape, "components": DOCUMENT["components"]})
    said = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    events = [json.loads(data) for data in said if data != "[DONE]"]
    assert events
    for event in events:
        judge.validate(event)
