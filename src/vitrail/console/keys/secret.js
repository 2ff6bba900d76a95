// Show a new secret, once: it is in this dialog and nowhere else, and gone when it closes.

import { read } from "../api.js";
import { openDialog } from "../dialog.js";
import { copyButton, h } from "../dom.js";
import { session } from "../session.js";

// Show the secret of a key; resolves when the dialog was closed.
export async function showSecret(title, secret) {
  const box = h("code", { class: "secret", tabIndex: 0 }, secret);
  const use = h("input", { type: "checkbox" });
  const offer = !session.has("api") && h("label", { class: "check" }, use, "Open the playground of this tab with it");
  const body = [
    h("p", {}, "This is the only time that it is shown: the server keeps no more than its SHA-256."),
    h("div", { class: "row" }, box, copyButton(() => secret, "Copy the key")),
    offer,
  ];
  const act = async () => (use.checked ? { about: await read("v1/api-key", { secret }) } : {});
  const { about } = await openDialog({ title, body, confirm: "I have kept it", act, canLeave: false });
  if (about) session.enter("api", secret, about);
}
