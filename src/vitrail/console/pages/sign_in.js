// Sign in with an API key: it is shown to the server once, then kept in this tab.

import { read } from "../api.js";
import { failureBox, field, h } from "../dom.js";
import { session } from "../session.js";

export function create() {
  const key = h("input", { type: "password", autocomplete: "off", required: true });
  const button = h("button", { type: "submit", class: "primary" }, "Sign in");
  const trouble = h("div");
  const form = h(
    "form",
    { class: "narrow card" },
    h("h1", {}, "Sign in"),
    field("API key", key, "Kept in this tab until you sign out or close it. The server printed a first key when it started."),
    button,
    trouble,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    trouble.replaceChildren();
    button.disabled = true;
    const secret = key.value.trim();
    try {
      const about = await read("v1/api-key", { secret });
      key.value = "";
      session.enter("api", secret, about);
    } catch (failure) {
      trouble.replaceChildren(failureBox(failure));
      key.focus();
    } finally {
      button.disabled = false;
    }
  });
  return { element: form, open: () => key.focus() };
}
