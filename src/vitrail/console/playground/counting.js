// What pictures count as, asked of the server once for each picture, model and detail.

import { send } from "../api.js";
import { imageTokensBody } from "./request.js";

const asked = new Map();

// Return the row of /v1/image-tokens for a picture; a refusal is asked again the next time.
export function countPicture(model, picture, detail) {
  const key = `${picture.id} ${detail} ${model}`;
  if (!asked.has(key)) {
    const row = send("v1/image-tokens", imageTokensBody(model, picture, detail)).then(({ data }) => data[0]);
    row.catch(() => asked.delete(key));
    asked.set(key, row);
  }
  return asked.get(key);
}
