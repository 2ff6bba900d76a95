// The message being written: text and pictures in any order, added by drop, paste, file dialog or address.
//
// Sends `change` when its parts changed. Every move can be made with the pointer, with buttons, or with Alt and arrows.

import { h, newId, say } from "../dom.js";
import { pictureOfFile, pictureOfUrl } from "./pictures.js";
import { createPictureView } from "./picture_view.js";
import { isEmptyPart } from "./request.js";

const MOVED = "application/x-vitrail-part";
const IMAGES = "image/*";

export class Composer extends EventTarget {
  #rows = []; // { part, element, view? } in order

  constructor() {
    super();
    this.list = h("ol", { class: "parts", "aria-label": "Parts of the message" });
    this.trouble = h("div");
    this.element = h(
      "section",
      { class: "composer card", "aria-label": "Your message" },
      this.list,
      this.trouble,
      this.#createTools(),
      h("p", { class: "hint" }, "Drop or paste pictures anywhere here. Alt+↑ and Alt+↓ move the part that you are in."),
    );
    this.#listen();
    this.clear();
  }

  // Return the parts that have something in them, in order.
  get parts() {
    return this.#rows.map((row) => row.part).filter((part) => !isEmptyPart(part));
  }

  // Return { part, view } of every picture.
  get pictures() {
    return this.#rows.filter((row) => row.view);
  }

  clear() {
    this.restore([]);
  }

  // Put parts in place of what is there; a place to write is always among them.
  restore(parts) {
    this.#rows = [];
    this.list.replaceChildren();
    parts.forEach((part) => this.#insert(part));
    if (!parts.some((part) => part.kind === "text")) this.#insert({ kind: "text", text: "" });
    this.#changed();
  }

  focus() {
    this.#rows.findLast((row) => row.part.kind === "text")?.element.querySelector("textarea").focus();
  }

  // Add files as pictures before a last text that is still empty, so that one can go on writing.
  async addFiles(files) {
    await this.#add([...files].map((file) => () => pictureOfFile(file)));
  }

  async addUrl(url) {
    await this.#add([() => pictureOfUrl(url)]);
  }

  async #add(makers) {
    this.trouble.replaceChildren();
    let last = null; // pictures that come together stay together
    for (const make of makers) {
      try {
        const picture = await make();
        const at = this.#rows.includes(last) ? this.#rows.indexOf(last) + 1 : this.#placeForPictures();
        last = this.#insert({ kind: "image", picture, detail: null }, at);
        say(`Added picture ${picture.name}.`);
      } catch (error) {
        this.trouble.append(h("p", { class: "trouble", role: "alert" }, error.message));
      }
    }
    this.#changed();
  }

  #placeForPictures() {
    const last = this.#rows.at(-1);
    return last && isEmptyPart(last.part) ? this.#rows.length - 1 : this.#rows.length;
  }

  #insert(part, at = this.#rows.length) {
    const row = { part };
    row.element = part.kind === "text" ? this.#createText(row) : this.#createPicture(row);
    this.list.insertBefore(row.element, this.#rows[at]?.element ?? null);
    this.#rows.splice(at, 0, row);
    return row;
  }

  #createText(row) {
    const label = newId("text");
    const area = h("textarea", { id: label, rows: 3, value: row.part.text, placeholder: "Ask about the pictures, or anything else" });
    area.addEventListener("input", () => {
      row.part.text = area.value;
      this.#changed();
    });
    return this.#createRow(row, "text", h("label", { class: "unseen", htmlFor: label }, "Text"), area);
  }

  #createPicture(row) {
    const { picture, detail } = row.part;
    row.view = createPictureView(picture);
    const names = { "": "Detail as set", auto: "auto", low: "low", high: "high" };
    const options = Object.entries(names).map(([value, text]) => h("option", { value, selected: value === (detail ?? "") }, text));
    const select = h("select", { "aria-label": `Detail of ${picture.name}`, class: "small" }, options);
    select.addEventListener("change", () => {
      row.part.detail = select.value || null;
      this.#changed();
    });
    return this.#createRow(row, picture.name, row.view.element, select);
  }

  #createRow(row, name, ...content) {
    const move = (by, sign, word) =>
      h("button", { type: "button", class: "icon", "aria-label": `Move ${name} ${word}`, onclick: () => this.#move(row, by) }, sign);
    const tools = h(
      "div",
      { class: "tools" },
      h("span", { class: "handle", draggable: true, title: "Drag to move", "aria-hidden": "true" }, "⠿"),
      move(-1, "↑", "up"),
      move(1, "↓", "down"),
      h("button", { type: "button", class: "icon", "aria-label": `Remove ${name}`, onclick: () => this.#remove(row) }, "×"),
    );
    const element = h("li", { class: "part" }, h("div", { class: "content" }, content), tools);
    element.addEventListener("keydown", (event) => {
      const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!event.altKey || !by) return;
      event.preventDefault();
      this.#move(row, by);
    });
    element.addEventListener("dragstart", (event) => {
      event.dataTransfer.setData(MOVED, "");
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setDragImage(element, 0, 0);
      this.dragged = row;
    });
    element.addEventListener("dragend", () => {
      this.dragged = null;
      this.#changed();
    });
    element.addEventListener("dragenter", () => {
      if (this.dragged && this.dragged !== row) this.#place(this.dragged, this.#rows.indexOf(row));
    });
    return element;
  }

  #move(row, by) {
    const at = this.#rows.indexOf(row) + by;
    if (at < 0 || at >= this.#rows.length) return;
    const focused = document.activeElement;
    this.#place(row, at);
    focused.focus();
    say(`Moved to place ${at + 1} of ${this.#rows.length}.`);
    this.#changed();
  }

  #place(row, at) {
    this.#rows.splice(this.#rows.indexOf(row), 1);
    this.#rows.splice(at, 0, row);
    this.list.insertBefore(row.element, this.#rows[at + 1]?.element ?? null);
  }

  #remove(row) {
    const at = this.#rows.indexOf(row);
    this.#rows.splice(at, 1);
    row.element.remove();
    if (!this.#rows.some(({ part }) => part.kind === "text")) this.#insert({ kind: "text", text: "" });
    this.#rows[Math.min(at, this.#rows.length - 1)].element.querySelector("textarea, select").focus();
    say("Removed.");
    this.#changed();
  }

  #createTools() {
    const files = h("input", { type: "file", multiple: true, accept: IMAGES, class: "unseen", tabIndex: -1, "aria-label": "Pictures from this computer" });
    files.addEventListener("change", async () => {
      await this.addFiles(files.files);
      files.value = "";
    });
    const url = h("input", { type: "url", placeholder: "https://… of a JPEG or PNG", "aria-label": "Address of a picture" });
    const byUrl = h("form", { class: "inline" }, url, h("button", { type: "submit" }, "Add address"));
    byUrl.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!url.value) return url.focus();
      await this.addUrl(url.value.trim());
      url.value = "";
    });
    const addText = () => {
      this.#insert({ kind: "text", text: "" }).element.querySelector("textarea").focus();
      this.#changed();
    };
    return h(
      "div",
      { class: "adders" },
      h("button", { type: "button", onclick: () => files.click() }, "Add pictures"),
      files,
      h("button", { type: "button", onclick: addText }, "Add text"),
      byUrl,
    );
  }

  #listen() {
    const carries = (transfer) => ["Files", "text/uri-list"].some((type) => transfer.types.includes(type));
    this.element.addEventListener("dragover", (event) => {
      if (!this.dragged && !carries(event.dataTransfer)) return;
      event.preventDefault();
      this.element.classList.toggle("dropping", !this.dragged);
    });
    this.element.addEventListener("dragleave", (event) => {
      if (!this.element.contains(event.relatedTarget)) this.element.classList.remove("dropping");
    });
    this.element.addEventListener("drop", async (event) => {
      this.element.classList.remove("dropping");
      if (this.dragged || !carries(event.dataTransfer)) return;
      event.preventDefault();
      const { files } = event.dataTransfer;
      if (files.length) await this.addFiles(files);
      else await this.addUrl(event.dataTransfer.getData("text/uri-list").split("\n")[0].trim());
    });
    document.addEventListener("paste", async (event) => {
      if (!this.element.isConnected || !event.clipboardData?.files.length) return;
      event.preventDefault();
      await this.addFiles(event.clipboardData.files);
    });
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
