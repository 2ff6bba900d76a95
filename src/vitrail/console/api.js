// Calls to the server that this page came from. A key goes into a header, never into an address.

import { session } from "./session.js";

const ROOT = new URL("../", document.baseURI);
export const baseUrl = new URL("v1", ROOT).href;

// A refusal of the server, or silence (status 0).
export class ApiFailure extends Error {
  constructor(message, { status = 0, code, requestId, retryAfter } = {}) {
    super(message);
    Object.assign(this, { status, code, requestId, retryAfter });
  }
}

// Return the response to a request; raises ApiFailure for every refusal, and AbortError when `signal` says so.
// `path` is relative to the server's root; `secret` goes before the key of `kind` in this session.
export async function call(method, path, { body, signal, kind = "api", secret = session.secret(kind) } = {}) {
  const headers = {};
  if (secret) headers.authorization = `Bearer ${secret}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  const json = body === undefined ? undefined : JSON.stringify(body);
  const options = { method, headers, body: json, signal, cache: "no-store", credentials: "omit" };
  const response = await fetch(new URL(path, ROOT), options).catch((error) => {
    throw error.name === "AbortError" ? error : new ApiFailure("The server does not answer.", { code: "No connection" });
  });
  if (!response.ok) throw await readFailure(response);
  return response;
}

export const read = async (path, options) => (await call("GET", path, options)).json();
export const send = async (path, body, options) => (await call("POST", path, { ...options, body })).json();

// Yield the JSON of each event of a stream until [DONE]; raises ApiFailure for a failure sent inside.
export async function* readEvents(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const requestId = response.headers.get("x-request-id");
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new ApiFailure("The answer broke off.", { code: "No end of the stream", requestId });
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const data = event.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim());
      if (!data.length) continue;
      if (data[0] === "[DONE]") return;
      const chunk = JSON.parse(data.join("\n"));
      if (chunk.error) throw new ApiFailure(chunk.error, { code: chunk.code, requestId });
      yield chunk;
    }
  }
}

async function readFailure(response) {
  const said = await response.json().catch(() => ({}));
  return new ApiFailure(said.error ?? response.statusText, {
    status: response.status,
    code: said.code,
    requestId: response.headers.get("x-request-id"),
    retryAfter: response.headers.get("retry-after"),
  });
}
