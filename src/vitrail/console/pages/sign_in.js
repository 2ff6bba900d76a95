// Sign in with an API key, a management key, or one after the other: each is shown to the server once, then kept in this tab.

import { read } from "../api.js";
import { failureBox, field, h } from "../dom.js";
import { session } from "../session.js";

const MANAGEMENT = "xai-token-";
const HINT =
  "Kept in this tab until you sign out or close it. An API key (the server printed a first one when it started) opens the " +
  "playground; a management key (xai-token-…) opens usage, keys and money.";
const WHAT_FOR = { api: "an API key", management: "a management key" };

export function create() {
  const key = h("input", { type: "password", autocomplete: "off", required: true });
  const button = h("button", { type: "submit", class: "primary" }, "Sign in");
  const why = h("p");
  const trouble = h("div");
  const form = h("form", { class: "narrow card" }, h("h1", {}, "Sign in"), why, field("API key or management key", key, HINT), button, trouble);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    trouble.replaceChildren();
    button.disabled = true;
    const secret = key.value.trim();
    const kind = secret.startsWith(MANAGEMENT) ? "management" : "api";
    try {
      const about = await askAbout[kind](secret);
      key.value = "";
      session.enter(kind, secret, about);
    } catch (failure) {
      trouble.replaceChildren(failureBox(failure));
      key.focus();
    } finally {
      button.disabled = false;
    }
  });
  return {
    element: form,
    open(query, wanted) {
      const isClear = !wanted.needs || (wanted.needs === "api" && !session.has("management")); // the first key somebody has
      why.textContent = isClear ? "" : `${wanted.title}: this page needs ${WHAT_FOR[wanted.needs]}.`;
      key.focus();
    },
  };
}

const askAbout = {
  api: (secret) => read("v1/api-key", { secret }),
  // A team's key sees one team: its name is shown beside the key's.
  async management(secret) {
    const about = await read("management/auth/management-keys/validation", { secret });
    if (!about.teamId) return about;
    const { teams } = await read("management/auth/teams", { secret });
    return { ...about, teamName: teams[0].name };
  },
};
