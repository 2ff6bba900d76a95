// Make elements and speak to screen readers. Text only ever becomes a text node: nothing here parses HTML.

// Return an element; properties that start with "on" are listeners, false and null are left out.
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name in element && !name.includes("-")) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

// Return an SVG element.
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Say something to screen readers without moving the focus.
export function say(text) {
  const said = document.getElementById("said");
  said.textContent = "";
  setTimeout(() => (said.textContent = text), 50);
}

let numbered = 0;

// Return an id that no other element has.
export const newId = (prefix) => `${prefix}-${++numbered}`;

// Return a labelled form field: the label above, the control, and a hint below it.
export function field(label, control, hint) {
  control.id ||= newId("field");
  const note = hint && h("p", { class: "hint", id: `${control.id}-hint` }, hint);
  if (note) control.setAttribute("aria-describedby", note.id);
  return h("div", { class: "field" }, h("label", { htmlFor: control.id }, label), control, note);
}

// Return a button that copies what `text()` gives, and says so.
export function copyButton(text, label = "Copy") {
  const button = h("button", { type: "button", class: "small" }, label);
  button.addEventListener("click", async () => {
    const copied = await copy(text(), button);
    button.textContent = copied ? "Copied" : "Select the text and copy it by hand";
    say(button.textContent);
    setTimeout(() => (button.textContent = label), 2000);
  });
  return button;
}

// Copy a text; browsers offer the clipboard on https and localhost alone, so elsewhere a selection is copied.
async function copy(text, button) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false);
  const area = h("textarea", { class: "unseen", value: text });
  button.after(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  button.focus();
  return copied;
}

// Return a box that tells of a failure, with what an operator would ask for.
export function failureBox(failure) {
  const facts = [failure.status && `status ${failure.status}`, failure.requestId && `request ${failure.requestId}`];
  const wait = failure.retryAfter && `try again in ${failure.retryAfter} s`;
  return h(
    "div",
    { class: "failure", role: "alert" },
    h("p", {}, h("strong", {}, failure.code ?? "That did not work"), ". ", failure.message),
    h("p", { class: "hint" }, [...facts, wait].filter(Boolean).join(" · ")),
  );
}
