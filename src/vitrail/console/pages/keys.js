// The API keys of a team: make, change, block, rotate and delete them. A secret is shown once.

import { openDialog } from "../dialog.js";
import { choice, failureBox, field, h, say } from "../dom.js";
import { changeBody, createKeyForm } from "../keys/form.js";
import { showSecret } from "../keys/secret.js";
import { NO_TEAM, TeamChooser, changeManaged, readManaged, teamOf } from "../management.js";
import { session } from "../session.js";
import { count, moment } from "../words.js";

const PAGE_ROWS = 50;
const GRACES = { 0: "Not at all", 3600: "For an hour", 86400: "For a day", 604800: "For a week" };

export function create() {
  const page = new KeysPage();
  return { element: page.element, open: (query) => page.open(query) };
}

class KeysPage {
  #team = null;
  #keys = [];
  #next = null; // the token of the next page
  #opened = 0;

  constructor() {
    this.team = new TeamChooser((id) => (location.hash = `#/keys?team=${encodeURIComponent(id)}`));
    this.add = button("New key", () => this.#make(), "primary");
    this.more = button("More keys", () => this.#run(() => this.#load({ after: this.#next })));
    this.list = h("ol", { class: "keys" });
    this.trouble = h("div");
    this.state = h("div", { "aria-live": "polite" });
    this.title = h("h1", { tabIndex: -1 }, "Keys");
    const head = h("div", { class: "heading" }, this.title, h("div", { class: "row" }, this.add));
    this.element = h("div", { class: "page" }, head, this.team.element, this.trouble, this.state, this.list, this.more);
  }

  async open(query) {
    const turn = ++this.#opened;
    this.add.disabled = true;
    this.more.hidden = true;
    if (!this.list.children.length) this.state.replaceChildren(h("p", { class: "hint" }, "Loading the keys …"));
    await this.#run(async () => {
      const team = await this.team.load(query.get("team"));
      if (turn !== this.#opened) return;
      if (team?.teamId !== this.#team?.teamId) this.list.replaceChildren();
      this.#team = team;
      if (!team) throw NO_TEAM;
      await this.#load();
      this.add.disabled = false;
    });
  }

  // Do something; a failure is shown above the list.
  async #run(work) {
    this.trouble.replaceChildren();
    try {
      await work();
    } catch (failure) {
      this.state.replaceChildren();
      this.trouble.replaceChildren(failureBox(failure));
    }
  }

  // Read the keys of the team from the first one, or those after a page.
  async #load({ after } = {}) {
    const team = this.#team;
    const query = new URLSearchParams({ pageSize: PAGE_ROWS, ...(after && { paginationToken: after }) });
    const page = await readManaged(`${teamOf(team)}/api-keys?${query}`);
    if (team !== this.#team) return;
    this.#keys = after ? [...this.#keys, ...page.apiKeys] : page.apiKeys;
    this.#next = page.paginationToken ?? null;
    this.more.hidden = !this.#next;
    this.#draw();
  }

  #draw() {
    const wanted = document.activeElement.closest?.(".key-row button")?.ariaLabel;
    this.state.replaceChildren(...(this.#keys.length ? [] : [h("p", { class: "empty card" }, "This team has no keys yet.")]));
    this.list.replaceChildren(...this.#keys.map((key) => this.#row(key)));
    if (wanted) (this.list.querySelector(`button[aria-label="${CSS.escape(wanted)}"]`) ?? this.title).focus();
  }

  #row(key) {
    const own = session.about("api")?.api_key_id === key.apiKeyId;
    const state = stateOf(key);
    const facts = {
      Models: names(key, "model"),
      Endpoints: names(key, "endpoint"),
      Limits: limits(key),
      Expires: moment(key.expireTime),
      "Last used": moment(key.lastUsedTime),
      Made: moment(key.createTime),
      Changed: `${moment(key.modifyTime)} by ${key.modifiedBy}`,
    };
    const shut = key.blocked || key.disabled;
    const act = (word, work, kind = "small") => h("button", { type: "button", class: kind, "aria-label": `${word} ${key.name} ${key.redactedApiKey}`, onclick: work }, word);
    return h(
      "li",
      { class: "card key-row", "data-id": key.apiKeyId },
      h("h2", {}, key.name, " ", h("code", {}, key.redactedApiKey)),
      h("p", { class: `state ${state.kind}` }, state.text, own && " · the API key of this tab"),
      h("dl", { class: "facts-line" }, Object.entries(facts).map(([term, text]) => h("div", {}, h("dt", {}, term), h("dd", {}, text)))),
      h(
        "div",
        { class: "row" },
        act("Change", () => this.#change(key)),
        shut ? act("Unblock", () => this.#setBlocked(key, false)) : act("Block", () => this.#setBlocked(key, true)),
        act("Rotate", () => this.#rotate(key)),
        act("Delete", () => this.#delete(key), "small danger"),
      ),
    );
  }

  async #targets() {
    const [{ models }, { endpoints }] = await Promise.all(["models", "endpoints"].map((what) => readManaged(`${teamOf(this.#team)}/${what}`)));
    return { models, endpoints };
  }

  #make() {
    return this.#run(async () => {
      const form = createKeyForm(await this.#targets(), null);
      const act = () => changeManaged("POST", `${teamOf(this.#team)}/api-keys`, form.read());
      const made = await openDialog({ title: `A new key of ${this.#team.name}`, body: form.element, confirm: "Make the key", act });
      if (!made) return;
      await showSecret(`The key “${made.name}”`, made.apiKey);
      await this.#loadWith(made);
    });
  }

  #change(key) {
    return this.#run(async () => {
      const form = createKeyForm(await this.#targets(), key);
      const act = () => changeManaged("PUT", path(key), changeBody(form.read()));
      const changed = await openDialog({ title: `Change ${key.name}`, body: form.element, confirm: "Save", act });
      if (changed) this.#replace(changed, "Saved.");
    });
  }

  #setBlocked(key, blocked) {
    return this.#run(async () => {
      const body = { apiKey: blocked ? { blocked } : { blocked, disabled: false }, fieldMask: blocked ? "blocked" : "blocked,disabled" };
      this.#replace(await changeManaged("PUT", path(key), body), blocked ? "Blocked." : "Unblocked.");
      const word = blocked ? "Unblock" : "Block"; // the button that stands where the one was
      this.list.querySelector(`button[aria-label="${CSS.escape(`${word} ${key.name} ${key.redactedApiKey}`)}"]`)?.focus();
    });
  }

  #rotate(key) {
    return this.#run(async () => {
      const grace = choice(GRACES);
      grace.value = "86400";
      const body = [h("p", {}, "The key gets another secret; name, ACLs and limits stay."), field("The secret of before still works", grace)];
      const act = () => changeManaged("POST", `${path(key)}/rotate`, { graceSeconds: Number(grace.value) });
      const rotated = await openDialog({ title: `Rotate ${key.name}`, body, confirm: "Rotate", act });
      if (!rotated) return;
      await showSecret(`The new secret of “${rotated.name}”`, rotated.apiKey);
      this.#replace(rotated, "Rotated.");
    });
  }

  #delete(key) {
    return this.#run(async () => {
      const body = h("p", {}, `${key.redactedApiKey} stops working at once, for good. Its usage stays on record.`);
      const act = () => changeManaged("DELETE", path(key));
      const title = `Delete ${key.name}?`;
      if (!(await openDialog({ title, body, confirm: "Delete", act, isDanger: true }))) return;
      this.#keys = this.#keys.filter((one) => one.apiKeyId !== key.apiKeyId);
      this.#draw();
      this.title.focus();
      say("Deleted.");
    });
  }

  #replace(changed, said) {
    this.#keys = this.#keys.map((key) => (key.apiKeyId === changed.apiKeyId ? changed : key));
    this.#draw();
    say(said);
  }

  // Show a key that was just made: the newest is the last one, which may be on a page that was not read yet.
  async #loadWith(made) {
    await this.#load();
    while (this.#next && !this.#keys.some((key) => key.apiKeyId === made.apiKeyId)) await this.#load({ after: this.#next });
    this.list.querySelector(`[data-id="${CSS.escape(made.apiKeyId)}"]`)?.scrollIntoView({ block: "nearest" });
    say("The key is in the list.");
  }
}

const path = (key) => `auth/api-keys/${encodeURIComponent(key.apiKeyId)}`;
const button = (text, act, kind = "") => h("button", { type: "button", class: kind, onclick: act }, text);

function stateOf(key) {
  if (key.blocked) return { kind: "failed", text: "Blocked" };
  if (key.disabled) return { kind: "failed", text: "Disabled" };
  if (key.expireTime && new Date(key.expireTime) < new Date()) return { kind: "failed", text: "Expired" };
  return { kind: "ready", text: "Active" };
}

function names(key, kind) {
  const prefix = `api-key:${kind}:`;
  const held = key.aclStrings.filter((acl) => acl.startsWith(prefix)).map((acl) => acl.slice(prefix.length));
  return held.includes("*") ? "all" : held.join(", ") || "none";
}

function limits({ qps, qpm, tpm }) {
  const each = [qps && `${count(qps)} requests a second`, qpm && `${count(qpm)} requests a minute`, tpm && `${count(Number(tpm))} tokens a minute`];
  return each.filter(Boolean).join(", ") || "none of its own";
}
