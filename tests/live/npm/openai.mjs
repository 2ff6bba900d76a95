// OpenAI's client asks about a picture: whole, streamed, as JSON, and with two mistakes. Prints one JSON object.
//   BASE_URL=http://127.0.0.1:8000/v1 XAI_API_KEY=... node openai.mjs picture.jpg
import { readFile } from "node:fs/promises";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const { BASE_URL: baseURL, XAI_API_KEY: apiKey } = process.env;
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const model = "grok-2-vision-latest";
const picture = await readFile(process.argv[2], "base64");

const about = (text) => [
  {
    role: "user",
    content: [
      { type: "image_url", image_url: { url: `data:image/jpeg;base64,${picture}`, detail: "high" } },
      { type: "text", text },
    ],
  },
];

const whole = await client.chat.completions.create({ model, messages: about("What is this?") });

const chunks = [];
const stream = await client.chat.completions.create({ model, messages: about("What is this?"), stream: true });
for await (const chunk of stream) chunks.push(chunk);

const Shape = z.object({ shape: z.enum(["circle", "square"]), colour: z.string() });
const parsed = await client.chat.completions.parse({
  model,
  messages: about("Describe the shape."),
  response_format: zodResponseFormat(Shape, "shape"),
});

// Return what the client throws, as a program sees it.
const failure = (promise) =>
  promise.then(
    () => null,
    (error) => ({ name: error.constructor.name, status: error.status, message: error.message, id: error.requestID }),
  );

console.log(
  JSON.stringify({
    text: whole.choices[0].message.content,
    image_tokens: whole.usage.prompt_tokens_details.image_tokens,
    streamed: chunks.map((chunk) => chunk.choices[0]?.delta.content ?? ""),
    first_image_tokens: chunks[0].usage.prompt_tokens_details.image_tokens,
    parsed: parsed.choices[0].message.parsed,
    unknown_model: await failure(client.chat.completions.create({ model: "no-such-model", messages: about("?") })),
    wrong_key: await failure(new OpenAI({ baseURL, apiKey: "invalid-key", maxRetries: 0 }).models.list()),
  }),
);
