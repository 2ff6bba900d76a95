// Anthropic's client asks about a picture: whole, streamed, by a forced tool, and with two mistakes. Prints one JSON object.
//   BASE_URL=http://127.0.0.1:8000/v1 XAI_API_KEY=... node anthropic.mjs picture.jpg
import { readFile } from "node:fs/promises";
import Anthropic from "@anthropic-ai/sdk";

const baseURL = process.env.BASE_URL.replace(/\/v1$/, ""); // this client adds /v1 by itself
const client = new Anthropic({ baseURL, apiKey: process.env.XAI_API_KEY, maxRetries: 0 });
const model = "grok-2-vision-latest";
const data = await readFile(process.argv[2], "base64");

const about = (text) => [
  {
    role: "user",
    content: [
      { type: "image", source: { type: "base64", media_type: "image/jpeg", data } },
      { type: "text", text },
    ],
  },
];

const question = { model, max_tokens: 64, messages: about("What is this?") };
const whole = await client.messages.create(question);
const counted = await client.messages.countTokens({ model, messages: question.messages });

const texts = [];
const stream = client.messages.stream(question).on("text", (text) => texts.push(text));
const gathered = await stream.finalMessage();

const forced = await client.messages.create({
  model,
  max_tokens: 64,
  messages: about("Record the shape."),
  tools: [
    {
      name: "record_shape",
      description: "Keeps what is in the picture.",
      input_schema: {
        type: "object",
        properties: { shape: { type: "string", enum: ["circle", "square"] }, colour: { type: "string" } },
        required: ["shape", "colour"],
      },
    },
  ],
  tool_choice: { type: "tool", name: "record_shape" },
});

// Return what the client throws, as a program sees it.
const failure = (promise) =>
  promise.then(
    () => null,
    (error) => ({ name: error.constructor.name, status: error.status, message: error.message, id: error.requestID }),
  );
const stranger = new Anthropic({ baseURL, apiKey: "invalid-key", maxRetries: 0 });

console.log(
  JSON.stringify({
    text: whole.content[0].text,
    stop_reason: whole.stop_reason,
    input_tokens: whole.usage.input_tokens,
    counted_tokens: counted.input_tokens,
    streamed: texts,
    gathered: gathered.content[0].text,
    tool: { stop_reason: forced.stop_reason, name: forced.content[0].name, input: forced.content[0].input },
    unknown_model: await failure(client.messages.create({ ...question, model: "no-such-model" })),
    wrong_key: await failure(stranger.messages.create(question)),
  }),
);
