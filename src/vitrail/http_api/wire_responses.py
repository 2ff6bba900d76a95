"""The JSON of a `POST /v1/responses` request.

Items of the input are decoded one by one, since their `type` may be left out. Fields that this server takes but does
not use (`truncation`, `service_tier`, caching) are not here: unknown fields are ignored.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct, field

from vitrail.http_api.wire_chat import (
    DetailName,
    EffortName,
    JsonObject,
    JsonObjectOrNull,
    JsonString,
    Temperature,
    ToolModeName,
    TopPOrZero,
    json_null,
)


class InputText(Struct, tag_field="type", tag="input_text"):
    """A text element of a turn."""

    text: str


class OutputText(Struct, tag_field="type", tag="output_text"):
    """A text element of an earlier answer."""

    text: str


class Refusal(Struct, tag_field="type", tag="refusal"):
    """An earlier answer that declined."""

    refusal: str


class InputImage(Struct, tag_field="type", tag="input_image"):
    """An image element of a user's turn: a data URI or an http(s) URL of a JPEG or PNG."""

    image_url: JsonString = field(default_factory=json_null)
    detail: DetailName | None = None
    file_id: str | None = None


InputPart = InputText | OutputText | Refusal | InputImage
_URL_IF_IMAGE = {
    "allOf": [
        {"items": {"if": {"properties": {"type": {"const": "input_image"}}}, "then": {"required": ["image_url"]}}}
    ]
}


class ItemType(Struct):
    """What an item of the input is."""

    type: str = "message"


class InputMessage(Struct):
    """A turn."""

    role: Annotated[str, Meta(extra_json_schema={"enum": ["user", "assistant", "system", "developer"]})]
    content: str | Annotated[list[InputPart], Meta(extra_json_schema=_URL_IF_IMAGE)]
    type: Literal["message"] = "message"


class FunctionCallItem(Struct, tag_field="type", tag="function_call"):
    """A function call of an earlier answer."""

    call_id: str
    name: str
    arguments: str


class FunctionCallOutput(Struct, tag_field="type", tag="function_call_output"):
    """What a called function gave."""

    call_id: str
    output: str | Annotated[list[InputText | InputImage], Meta(extra_json_schema=_URL_IF_IMAGE)]


class EarlierReasoning(Struct, tag_field="type", tag="reasoning"):
    """Earlier reasoning: taken, and not shown to the model again."""


INPUT_ITEMS = (InputMessage, FunctionCallItem, FunctionCallOutput, EarlierReasoning)
_ITEM_SHAPES = [{"$ref": f"#/components/schemas/{item.__name__}"} for item in INPUT_ITEMS]
_ITEMS = {"type": "array", "minItems": 1, "items": {"anyOf": _ITEM_SHAPES}}
ResponseInput = Annotated[
    Raw,
    Meta(description="One text of the user, or items.", extra_json_schema={"anyOf": [{"type": "string"}, _ITEMS]}),
]


class FunctionTool(Struct):
    """A function that the model may call; tools that a server would run itself are refused."""

    type: str
    name: str | None = None
    description: str | None = None
    parameters: JsonObjectOrNull = field(default_factory=json_null)


_NAMED_IF_FUNCTION = {
    "if": {"properties": {"type": {"const": "function"}}},
    "then": {"required": ["name"], "properties": {"name": {"type": "string", "minLength": 1}}},
}
DescribedTool = Annotated[FunctionTool, Meta(extra_json_schema=_NAMED_IF_FUNCTION)]


class NamedFunctionTool(Struct):
    """The one function that the model has to call."""

    type: Literal["function"]
    name: str


class PlainFormat(Struct, tag_field="type", tag="text"):
    """The answer is plain text."""


class AnyObjectFormat(Struct, tag_field="type", tag="json_object"):
    """The answer is some JSON object."""


class SchemaFormat(Struct, tag_field="type", tag="json_schema"):
    """The answer is JSON of this schema."""

    schema: JsonObject
    name: str | None = None
    strict: bool | None = None


class TextConfig(Struct):
    """The shape wanted of the answer."""

    format: PlainFormat | AnyObjectFormat | SchemaFormat | None = None


class ReasoningConfig(Struct):
    """How much reasoning goes into the answer."""

    effort: EffortName | None = None


class ResponsesRequest(Struct):
    """The body of `POST /v1/responses`. Optional fields may be null; unknown fields are ignored."""

    model: str
    input: ResponseInput
    instructions: str | None = None
    previous_response_id: str | None = None
    store: Annotated[bool, Meta(description="True if not sent: the response is kept for 30 days.")] | None = None
    stream: bool | None = None
    max_output_tokens: Annotated[int, Meta(extra_json_schema={"minimum": 1})] | None = None
    temperature: Temperature | None = None
    top_p: TopPOrZero | None = None
    text: TextConfig | None = None
    reasoning: ReasoningConfig | None = None
    tools: Annotated[list[DescribedTool], Meta(extra_json_schema={"maxItems": 128})] | None = None
    tool_choice: ToolModeName | NamedFunctionTool | None = None
    parallel_tool_calls: bool | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    background: Annotated[bool, Meta(description="Refused when true.")] | None = None
    conversation: Annotated[Raw, Meta(description="Refused: send previous_response_id.")] = field(
        default_factory=json_null
    )
    prompt: Annotated[Raw, Meta(description="Refused: there are no stored prompts.")] = field(default_factory=json_null)
