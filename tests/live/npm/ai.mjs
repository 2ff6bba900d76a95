// The AI SDK with its xAI provider asks about a picture: whole, streamed, as an object, and with two mistakes.
// Prints one JSON object.
//   BASE_URL=http://127.0.0.1:8000/v1 XAI_API_KEY=... node ai.mjs picture.jpg
import { readFile } from "node:fs/promises";
import { createXai } from "@ai-sdk/xai";
import { APICallError, generateText, Output, streamText } from "ai";
import { z } from "zod";

const { BASE_URL: baseURL, XAI_API_KEY: apiKey } = process.env;
const xai = createXai({ baseURL, apiKey });
const model = xai("grok-2-vision-latest");
const image = await readFile(process.argv[2], "base64");

const about = (text) => [
  {
    role: "user",
    content: [
      { type: "image", image, mediaType: "image/jpeg" },
      { type: "text", text },
    ],
  },
];

const whole = await generateText({ model, maxRetries: 0, messages: about("What is this?") });

const texts = [];
const stream = streamText({ model, maxRetries: 0, messages: about("What is this?") });
for await (const text of stream.textStream) texts.push(text);

const shape = await generateText({
  model,
  maxRetries: 0,
  messages: about("Describe the shape."),
  output: Output.object({ schema: z.object({ shape: z.enum(["circle", "square"]), colour: z.string() }) }),
});

// Return what the provider throws, as a program sees it.
const failure = (model) =>
  generateText({ model, maxRetries: 0, messages: about("What is this?") }).then(
    () => null,
    (error) => ({ is_call_error: APICallError.isInstance(error), status: error.statusCode, message: error.message }),
  );

console.log(
  JSON.stringify({
    text: whole.text,
    finish_reason: whole.finishReason,
    input_tokens: whole.usage.inputTokens,
    warnings: whole.warnings,
    streamed: texts,
    streamed_finish_reason: await stream.finishReason,
    object: shape.output,
    unknown_model: await failure(xai("no-such-model")),
    wrong_key: await failure(createXai({ baseURL, apiKey: "invalid-key" })("grok-2-vision-latest")),
  }),
);
