// A conversation and its settings become the body of a chat completion request. Pure; used to send, and by code.js.

// `turns` are { role: "user", parts } and { role: "assistant", text }; a part is { kind: "text", text } or
// { kind: "image", picture, detail }. `urlOf` says what stands for a picture.
export function buildBody(settings, turns, { urlOf = (picture) => picture.url, stream = settings.stream } = {}) {
  const body = { model: settings.model, messages: turns.map((turn) => message(turn, settings.detail, urlOf)) };
  if (settings.system) body.messages.unshift({ role: "system", content: settings.system });
  if (settings.temperature !== null) body.temperature = settings.temperature;
  if (settings.maxTokens !== null) body.max_completion_tokens = settings.maxTokens;
  if (settings.seed !== null) body.seed = settings.seed;
  const format = responseFormat(settings);
  if (format) body.response_format = format;
  if (stream) body.stream = true;
  return body;
}

// Return a request that only asks how one picture counts.
export const imageTokensBody = (model, picture, detail) => ({
  model,
  messages: [{ role: "user", content: [imagePart(picture.url, detail)] }],
});

export const isEmptyPart = (part) => part.kind === "text" && !part.text.trim();

function message(turn, detail, urlOf) {
  if (turn.role === "assistant") return { role: "assistant", content: turn.text };
  const [only] = turn.parts;
  if (turn.parts.length === 1 && only.kind === "text") return { role: "user", content: only.text };
  const content = turn.parts.map((part) =>
    part.kind === "text" ? { type: "text", text: part.text } : imagePart(urlOf(part.picture), part.detail ?? detail),
  );
  return { role: "user", content };
}

const imagePart = (url, detail) => ({
  type: "image_url",
  image_url: detail === "auto" ? { url } : { url, detail }, // auto is what is taken when nothing is said
});

function responseFormat({ format, schema, schemaName }) {
  if (format === "json_object") return { type: "json_object" };
  if (format === "json_schema") return { type: "json_schema", json_schema: { name: schemaName, schema, strict: true } };
  return null;
}
