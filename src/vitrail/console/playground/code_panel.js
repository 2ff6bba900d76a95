// The panel that shows the request as code, one tab for each language.

import { copyButton, h, newId } from "../dom.js";
import { LANGUAGES, localPictures } from "./code.js";

export function createCodePanel() {
  let shown = LANGUAGES[0];
  let request = null;
  const code = h("code");
  const pre = h("pre", { tabIndex: 0 }, code);
  const files = h("p", { class: "hint" });
  const note = h("p", { class: "hint" });
  const panel = h("div", { role: "tabpanel", id: newId("code") }, pre, files, note);
  const tabs = LANGUAGES.map((language) =>
    h("button", { type: "button", role: "tab", id: newId("tab"), "aria-controls": panel.id, onclick: () => choose(language) }, language.title),
  );
  const bar = h("div", { role: "tablist", "aria-label": "Language" }, tabs);
  bar.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    const at = (LANGUAGES.indexOf(shown) + by + LANGUAGES.length) % LANGUAGES.length;
    choose(LANGUAGES[at]);
    tabs[at].focus();
  });

  function choose(language) {
    shown = language;
    LANGUAGES.forEach((one, at) => {
      tabs[at].ariaSelected = String(one === shown);
      tabs[at].tabIndex = one === shown ? 0 : -1;
      if (one === shown) panel.setAttribute("aria-labelledby", tabs[at].id);
    });
    write();
  }

  function write() {
    files.replaceChildren();
    note.textContent = "";
    if (!request) {
      code.textContent = "Write a message, and it is here as code.";
      return;
    }
    code.textContent = shown.write(request);
    const local = localPictures(request.turns);
    if (local.length) files.append("Reads from the folder it is run in: ", ...local.flatMap(link));
    note.textContent = shown.id === "xai" ? request.grpcNote : `Put your key into XAI_API_KEY first. ${install(shown.id)}`;
  }

  const copy = copyButton(() => code.textContent, "Copy the code");
  const element = h("details", { class: "code-panel card" }, h("summary", {}, h("h2", {}, "Show the code")), bar, panel, copy);
  element.addEventListener("toggle", write);
  choose(shown);
  return {
    element,
    // Show this request: { settings, turns, baseUrl, grpcHost, grpcIsPlain, grpcNote }.
    show(next) {
      request = next;
      if (element.open) write();
    },
  };
}

const link = (picture, at) => [
  at ? ", " : "",
  h("a", { href: picture.shown, download: picture.name }, picture.name),
];

const install = (id) => ({ openai: "pip install openai", javascript: "npm install openai; run it as an .mjs file." })[id] ?? "";
