"""The small parts below the engines: markers, event streams, file headers, made-up instances, words, pictures."""

from __future__ import annotations

import base64
import io
import json

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vitrail.domain.chat import Role, Sampling, TextPart, Tool, ToolCall
from vitrail.domain.errors import InvalidArgument
from vitrail.domain.pictures import Picture
from vitrail.engines.base import Prompt, PromptMessage
from vitrail.engines.llama.gguf_header import Vocabulary, read_header, read_vocabulary
from vitrail.engines.llama.markers import WORD_JOINER, Neutraliser
from vitrail.engines.openai_errors import parse_retry_after
from vitrail.engines.openai_wire import Rendering, render_chat
from vitrail.engines.picture_format import PictureFormat
from vitrail.engines.pictures import render_data_uri
from vitrail.engines.registry import FACTORIES, engine_names, factory, make_engine
from vitrail.engines.schema_example import render_example
from vitrail.engines.scripted import ScriptedEngine
from vitrail.engines.sse import EventSplitter
from vitrail.engines.words import count_words, tokenize_words

CONTROL_TOKENS = ("<|im_start|>", "<|im_end|>", "<s>", "</s>", "<bos>", "[INST]", "<start_of_turn>")


@given(st.lists(st.sampled_from([*CONTROL_TOKENS, "<|x|>", "<", "|", "a", " ", "im_end", ">", "<|<s>", "[IMG]"])))
def test_j17_no_marker_survives(words):
    """J17 however markers are put together, none is left, and taking the joiners out gives the text back."""
    text = "".join(words)
    plain = Neutraliser(CONTROL_TOKENS)(text)
    assert not any(marker in plain for marker in (*CONTROL_TOKENS, "<|x|>", "[IMG]"))
    assert plain.replace(WORD_JOINER, "") == text


GEMMA_TOKENS = (*(f"<unused{i}>" for i in range(6242)), "<pad>", "<bos>", "<mask>", "[multimodal]", "<x" * 20)
PLAIN_GEMMA = Neutraliser(GEMMA_TOKENS)


@given(
    st.lists(st.sampled_from(["<", "<unused", "624", "1", ">", "<unused6241>", "<bos", "[", "multimodal]", "<x" * 20]))
)
def test_j17_markers_that_begin_alike_are_all_found(words):
    """J17 a joiner follows the first character of each marker, and stands nowhere else."""
    text = "".join(words)
    marker_at = [any(text.startswith(marker, at) for marker in GEMMA_TOKENS) for at in range(len(text))]
    expected = "".join(char + WORD_JOINER * is_begin for char, is_begin in zip(text, marker_at, strict=True))
    assert PLAIN_GEMMA(text) == expected


def test_j17_of_a_very_long_marker_the_beginning_counts():
    """J17 it is broken where it begins, and a text of thousands of characters needs no pattern as long."""
    marker = "<" + "x" * 5000
    assert Neutraliser([marker])(f"a {marker}") == f"a <{WORD_JOINER}{marker[1:]}"


def test_j17_every_text_of_a_request_is_made_plain():
    """J17 names, history, calls and tools go through the same place as the messages."""
    evil = "<|im_end|>"
    call = ToolCall("1", "f", json.dumps({"a": evil}))
    message = PromptMessage(Role.USER, (TextPart(evil), TextPart(evil)), name=evil, tool_calls=(call,))
    tool = Tool("f", evil, json.dumps({"type": "object", "description": evil}))
    rendering = Rendering(image_url=lambda image: "", plain=Neutraliser(CONTROL_TOKENS))
    body = render_chat(Prompt((message,), tools=(tool,)), Sampling(), rendering)
    assert evil not in json.dumps(body, ensure_ascii=False)


@pytest.mark.parametrize(
    "text", ["", "plain", "a < b | c > d", "f <| x |> g", "<div class='x'>[1, 2]</div>", "x" * 9999]
)
def test_other_text_is_left_alone(text):
    """Signs that make no marker stay as they are."""
    assert Neutraliser(CONTROL_TOKENS)(text) == text


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))), st.data())
def test_events_are_whole_however_they_are_cut(datas, data):
    """Any cutting of the bytes gives the same events; comments and empty events give none."""
    stream = b": hello\n\n" + b"".join(b"data: " + d.encode() + b"\n: ping\n\n" for d in datas)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    splitter = EventSplitter()
    events = [e for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True) for e in splitter.push(stream[a:b])]
    assert events + list(splitter.flush()) == [d.encode() for d in datas]


def test_lines_of_one_event_are_joined():
    """Several data lines are one event."""
    assert list(EventSplitter().push(b"event: x\ndata: a\ndata:b\r\n\r\n")) == [b"a\nb"]


def test_a_model_file_tells_its_control_tokens(tiny_vlm):
    """The vocabulary's control tokens are read, user-defined ones are not among them."""
    expected = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>")
    assert read_vocabulary(tiny_vlm.gguf).control_tokens == expected
    assert read_vocabulary(tiny_vlm.mmproj) == Vocabulary((), 0)
    assert read_header(tiny_vlm.gguf)["general.architecture"] == b"llama"


@pytest.mark.parametrize("keep_bytes", [0, 3, 4, 20, 100, 2000])
def test_m26_a_cut_header_is_refused(tiny_vlm, tmp_path, keep_bytes):
    """M26 a file that ends inside its header is no model."""
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(tiny_vlm.gguf.read_bytes()[:keep_bytes])
    with pytest.raises(ValueError):
        read_header(cut)


@given(st.binary(max_size=300))
def test_m26_noise_is_no_model(tmp_path_factory, noise):
    """M26 bytes that only begin like a model end in ValueError and nothing else."""
    path = tmp_path_factory.getbasetemp() / "noise.gguf"
    path.write_bytes(b"GGUF" + noise)
    try:
        read_vocabulary(path)
    except ValueError:
        pass


SCHEMAS = [
    {},
    {"type": "object"},
    {"type": ["string", "null"], "minLength": 7},
    {"type": "string", "maxLength": 2},
    {"type": "string", "format": "date-time"},
    {"type": "integer", "minimum": 3},
    {"type": "integer", "exclusiveMinimum": 3, "multipleOf": 2},
    {"type": "number", "maximum": -1.5},
    {"type": "number", "exclusiveMaximum": 0},
    {"type": "number", "exclusiveMinimum": 0},
    {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 2},
    {"type": "array", "prefixItems": [{"const": 1}, {"type": "boolean"}], "items": False, "minItems": 2},
    {"const": {"a": [1]}},
    {"enum": [None, 1]},
    {
        "anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}],
        "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}, "required": ["next"]}},
    },
    {"oneOf": [{"type": "string"}, {"type": "integer"}]},
    {"allOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}, {"required": ["b"]}], "type": "object"},
    {
        "type": "object",
        "properties": {"next": {"$ref": "#"}, "items": {"type": "array", "items": {"$ref": "#/$defs/line"}}},
        "required": ["items"],
        "$defs": {"line": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}},
    },
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_made_up_instances_are_valid(schema):
    """The smallest instance obeys its schema, and is the same each time."""
    text = render_example(json.dumps(schema))
    jsonschema.validate(json.loads(text), schema)
    assert text == render_example(json.dumps(schema))


@pytest.mark.parametrize(
    "schema",
    [
        "5",
        "[",
        '{"type": "x"}',
        '{"$ref": "#"}',
        '{"$ref": "http://a/"}',
        "false",
        '{"type": "string", "pattern": "^z$"}',
    ],
)
def test_what_cannot_be_made_up_is_refused(schema):
    """A schema without an end, of another document or with a pattern asks for a scripted answer instead."""
    with pytest.raises(InvalidArgument, match="make up"):
        render_example(schema)


@given(st.text())
def test_words_add_up(text):
    """The words of any text are the text, and are counted alike."""
    tokens = tokenize_words(text)
    assert "".join(token.text for token in tokens) == text and count_words(text) == len(tokens)


@pytest.mark.parametrize("format", PictureFormat)
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (5, 7), (64, 48)])
def test_pictures_travel_unchanged(format, size):
    """Every format gives the pixels back, JPEG about."""
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, :, 0] = np.linspace(0, 255, width, dtype=np.uint8)
    pixels[:, :, 2] = np.linspace(255, 0, height, dtype=np.uint8)[:, None]
    head, data = render_data_uri(Picture(width, height, pixels.tobytes()), format).split(",", 1)
    assert head == f"data:image/{format.value};base64"
    back = np.asarray(Image.open(io.BytesIO(base64.b64decode(data, validate=True))).convert("RGB")).astype(int)
    allowed = 12 if format is PictureFormat.JPEG else 0
    assert np.abs(back - pixels).max() <= allowed


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("5", 5), ("0.5", 0.5), (None, 1), ("", 1), ("Wed, 21 Oct 2026", 1), ("-3", 0), ("nan", 1), ("1e9", 3600)],
)
def test_retry_after_is_read_with_care(header, seconds):
    """Nonsense counts as the default, huge values are bounded."""
    assert parse_retry_after(header) == seconds


def test_engines_are_made_by_name():
    """The registry imports on demand and names what there is."""
    assert set(engine_names()) == {"facts", "llama", "upstream", "scripted"} == set(FACTORIES)
    assert isinstance(make_engine("scripted", None, model="m"), ScriptedEngine)
    with pytest.raises(ValueError, match="no engine 'vlm'; there are facts, llama"):
        factory("vlm")
