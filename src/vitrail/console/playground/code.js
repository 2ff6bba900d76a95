// The same request as code to paste: curl, Python with openai and with xai-sdk, JavaScript. Pure.
//
// Pictures from this computer are read from files of their names in the working folder, not written into the code.

import { buildBody } from "./request.js";

const WIDTH = 100;

// Code in place of a value.
class Raw {
  constructor(code) {
    this.code = code;
  }
}

const PYTHON = { true: "True", false: "False", null: "None", key: JSON.stringify, indent: "    ", pad: "" };
const JAVASCRIPT = {
  true: "true",
  false: "false",
  null: "null",
  indent: "  ",
  pad: " ",
  key: (name) => (/^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name)),
};

export const LANGUAGES = [
  { id: "curl", title: "curl", write: writeCurl },
  { id: "openai", title: "Python (openai)", write: writeOpenai },
  { id: "xai", title: "Python (xai-sdk)", write: writeXai },
  { id: "javascript", title: "JavaScript", write: writeJavascript },
];

// Return the pictures that the code reads from files, each once.
export function localPictures(turns) {
  const pictures = turns.flatMap((turn) => turn.parts ?? []).filter((part) => part.kind === "image");
  return [...new Set(pictures.map((part) => part.picture).filter((picture) => picture.file))];
}

function writeCurl({ settings, turns, baseUrl }) {
  const mark = unusedMark(turns, settings);
  const local = localPictures(turns);
  const urlOf = (picture) => (picture.file ? `${mark}${local.indexOf(picture)};` : picture.url);
  let json = JSON.stringify(buildBody(settings, turns, { urlOf }), null, 2);
  if (local.length) json = inHereDocument(json);
  local.forEach((picture, at) => {
    const read = `$(base64 < ${inShell(picture.name)} | tr -d '\\n')`;
    json = json.replaceAll(`${mark}${at};`, () => `data:${picture.mediaType};base64,${read}`);
  });
  return [
    `curl -sS${settings.stream ? "N" : ""} ${inShell(`${baseUrl}/chat/completions`)} \\`,
    '  -H "Authorization: Bearer $XAI_API_KEY" \\',
    '  -H "Content-Type: application/json" \\',
    `  --data-binary @- <<${local.length ? "JSON" : "'JSON'"}`,
    json,
    "JSON",
  ].join("\n");
}

function writeOpenai({ settings, turns, baseUrl }) {
  const local = localPictures(turns);
  const urlOf = (picture) => (picture.file ? pythonPicture(picture) : picture.url);
  const call = `client.chat.completions.create(${pythonArguments(buildBody(settings, turns, { urlOf }))})`;
  const answer = settings.stream
    ? [
        `stream = ${call}`,
        "for chunk in stream:",
        "    for choice in chunk.choices:",
        '        print(choice.delta.content or "", end="", flush=True)',
        "print()",
      ]
    : [`answer = ${call}`, "print(answer.choices[0].message.content)", "print(answer.usage)"];
  return [
    ...(local.length ? ["import base64"] : []),
    "import os",
    "",
    "from openai import OpenAI",
    "",
    `client = OpenAI(api_key=os.environ["XAI_API_KEY"], base_url=${JSON.stringify(baseUrl)})`,
    "",
    ...(local.length ? PYTHON_PICTURE : []),
    ...answer,
  ].join("\n");
}

function writeXai({ settings, turns, grpcHost, grpcIsPlain }) {
  const local = localPictures(turns);
  const hasSchema = settings.format === "json_schema";
  const used = new Set();
  const messages = xaiMessages(settings, turns, used);
  const given = { model: settings.model, messages: new Raw(messages) };
  if (settings.temperature !== null) given.temperature = settings.temperature;
  if (settings.maxTokens !== null) given.max_tokens = settings.maxTokens;
  if (settings.seed !== null) given.seed = settings.seed;
  if (settings.format === "json_object") given.response_format = "json_object";
  if (hasSchema) {
    const lines = ["format_type=chat_pb2.FORMAT_TYPE_JSON_SCHEMA", `schema=json.dumps(${print(settings.schema, PYTHON, 2)})`];
    given.response_format = new Raw(`chat_pb2.ResponseFormat(\n${lines.map((line) => `        ${line},\n`).join("")}    )`);
  }
  const host = JSON.stringify(grpcHost);
  const channel = grpcIsPlain && !grpcHost.startsWith("localhost:") ? ", use_insecure_channel=True" : "";
  const answer = settings.stream
    ? ["for response, chunk in chat.stream():", '    print(chunk.content, end="", flush=True)', "print()"]
    : ["response = chat.sample()", "print(response.content)"];
  return [
    ...(local.length ? ["import base64"] : []),
    ...(hasSchema ? ["import json"] : []),
    "import os",
    "",
    "from xai_sdk import Client",
    `from xai_sdk.chat import ${[...used].sort().join(", ")}`,
    ...(hasSchema ? ["from xai_sdk.proto import chat_pb2"] : []),
    "",
    `client = Client(api_key=os.environ["XAI_API_KEY"], api_host=${host}${channel})`,
    "",
    ...(local.length ? PYTHON_PICTURE : []),
    `chat = client.chat.create(${pythonArguments(given)})`,
    ...answer,
    "print(response.usage)",
  ].join("\n");
}

function xaiMessages(settings, turns, used) {
  const messages = [];
  if (settings.system) {
    used.add("system");
    messages.push(`system(${JSON.stringify(settings.system)})`);
  }
  for (const turn of turns) {
    used.add(turn.role);
    if (turn.role === "assistant") messages.push(`assistant(${JSON.stringify(turn.text)})`);
    else messages.push(`user(\n${turn.parts.map((part) => `            ${xaiPart(part, settings, used)},\n`).join("")}        )`);
  }
  return `[\n${messages.map((one) => `        ${one},\n`).join("")}    ]`;
}

function xaiPart(part, settings, used) {
  if (part.kind === "text") return JSON.stringify(part.text);
  used.add("image");
  const { picture } = part;
  const url = picture.file ? pythonPicture(picture).code : JSON.stringify(picture.url);
  const detail = part.detail ?? settings.detail;
  return `image(${url}${detail === "auto" ? "" : `, detail=${JSON.stringify(detail)}`})`;
}

function writeJavascript({ settings, turns, baseUrl }) {
  const local = localPictures(turns);
  const urlOf = (picture) =>
    picture.file ? new Raw(`await picture(${JSON.stringify(picture.name)}, ${JSON.stringify(picture.mediaType)})`) : picture.url;
  const call = `await client.chat.completions.create(${print(buildBody(settings, turns, { urlOf }), JAVASCRIPT, 0)})`;
  const answer = settings.stream
    ? [
        `const stream = ${call};`,
        'for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta?.content ?? "");',
        "console.log();",
      ]
    : [`const answer = ${call};`, "console.log(answer.choices[0].message.content);", "console.log(answer.usage);"];
  return [
    ...(local.length ? ['import { readFile } from "node:fs/promises";'] : []),
    'import OpenAI from "openai";',
    "",
    `const client = new OpenAI({ apiKey: process.env.XAI_API_KEY, baseURL: ${JSON.stringify(baseUrl)} });`,
    ...(local.length
      ? ['const picture = async (path, type) => `data:${type};base64,${await readFile(path, "base64")}`;']
      : []),
    "",
    ...answer,
  ].join("\n");
}

const PYTHON_PICTURE = [
  "",
  "def picture(path: str, media_type: str) -> str:",
  '    with open(path, "rb") as file:',
  '        return f"data:{media_type};base64,{base64.b64encode(file.read()).decode()}"',
  "",
  "",
];

const pythonPicture = (picture) => new Raw(`picture(${JSON.stringify(picture.name)}, ${JSON.stringify(picture.mediaType)})`);

function pythonArguments(body) {
  const lines = Object.entries(body).map(([name, value]) => `    ${name}=${print(value, PYTHON, 1)},\n`);
  return `\n${lines.join("")}`;
}

// Return a value as source text; what fits on a line stays on one. `depth` is how deep it stands.
function print(value, dialect, depth) {
  const flat = printFlat(value, dialect);
  if (flat.length + dialect.indent.length * depth <= WIDTH) return flat;
  if (value instanceof Raw || typeof value !== "object" || value === null) return flat;
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const inside = dialect.indent.repeat(depth + 1);
  const items = Array.isArray(value)
    ? value.map((item) => print(item, dialect, depth + 1))
    : Object.entries(value).map(([name, item]) => `${dialect.key(name)}: ${print(item, dialect, depth + 1)}`);
  return `${open}\n${items.map((item) => `${inside}${item},\n`).join("")}${dialect.indent.repeat(depth)}${close}`;
}

function printFlat(value, dialect) {
  if (value instanceof Raw) return value.code;
  if (value === null || typeof value === "boolean") return dialect[String(value)];
  if (typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item) => printFlat(item, dialect)).join(", ")}]`;
  const items = Object.entries(value).map(([name, item]) => `${dialect.key(name)}: ${printFlat(item, dialect)}`);
  return items.length ? `{${dialect.pad}${items.join(", ")}${dialect.pad}}` : "{}";
}

const inShell = (text) => (/^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

// Escape what the shell would replace inside an unquoted here-document.
const inHereDocument = (text) => text.replace(/\\(?=[\\$`\n])|[$`]/g, (found) => `\\${found}`);

// Return a text that occurs nowhere in the request.
function unusedMark(turns, settings) {
  const said = JSON.stringify([settings, turns.map((turn) => turn.text ?? turn.parts.map((part) => part.text ?? part.picture.name))]);
  let mark = "PICTURE-";
  while (said.includes(mark)) mark += "-";
  return mark;
}
