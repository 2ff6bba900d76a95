// Teams and their money: what a team has, where it came from and went, what the month costs; an operator gives and sells
// credits, sets limits, and blocks teams.

import { openDialog } from "../dialog.js";
import { failureBox, field, h, say } from "../dom.js";
import { NO_TEAM, TeamChooser, changeManaged, isOperator, moneyOf, readManaged, teamOf } from "../management.js";
import { amountField, readAmount, show } from "../money/amounts.js";
import { Changes } from "../money/changes.js";
import { createRatesForm, ratesTable } from "../money/rates.js";
import { creditsTable, describeFunds, invoiceTable, teamsTable } from "../money/tables.js";

export function create() {
  const page = new MoneyPage();
  return { element: page.element, open: (query) => page.open(query) };
}

const LIMITS = "postpaid/spending-limits";
const goTo = (id) => (location.hash = `#/money?team=${encodeURIComponent(id)}`);

class MoneyPage {
  #team = null;
  #limits = null;
  #rateLimits = [];
  #opened = 0;

  constructor() {
    this.team = new TeamChooser(goTo);
    this.trouble = h("div");
    this.state = h("div", { "aria-live": "polite" });
    this.funds = h("dl", { class: "totals" });
    this.standing = h("p", { class: "state failed" }, "Blocked: every key of this team is refused.");
    this.rates = h("div");
    this.setRates = isOperator() && button("Set rate limits", () => this.#setRateLimits());
    this.block = button("", () => this.#block(!this.#team.blocked), "danger");
    this.own = button("Set the team's own limit", () => this.#setLimit("soft"));
    this.lift = button("Lift the team's own limit", () => this.#liftLimit());
    this.credits = h("div");
    this.invoice = h("div");
    this.teams = h("div");
    this.changes = new Changes((failure) => this.trouble.replaceChildren(failureBox(failure)));
    this.acts = h("div", { class: "row" }, this.#buttons());
    this.body = h("div", { hidden: true }, this.standing, this.funds, this.acts, this.invoice, this.credits, this.changes.element, this.rates);
    const make = isOperator() && button("New team", () => this.#makeTeam(), "primary");
    const head = h("div", { class: "heading" }, h("h1", {}, "Teams and money"), make && h("div", { class: "row" }, make));
    this.element = h("div", { class: "page" }, head, this.team.element, this.trouble, this.state, this.body, this.teams);
  }

  async open(query) {
    await this.#run(async (turn) => {
      if (this.body.hidden) this.state.replaceChildren(h("p", { class: "hint" }, "Loading the money …"));
      const team = await this.team.load(query.get("team"));
      if (turn !== this.#opened) return;
      this.#team = team;
      if (isOperator()) this.teams.replaceChildren(teamsTable(this.team.teams, team));
      if (!team) throw NO_TEAM;
      await this.#load(turn);
    });
  }

  // Do something; a failure is shown above everything.
  async #run(work) {
    const turn = ++this.#opened;
    this.trouble.replaceChildren();
    try {
      await work(turn);
    } catch (failure) {
      if (turn !== this.#opened) return;
      this.body.hidden = failure === NO_TEAM || this.body.hidden;
      this.trouble.replaceChildren(failureBox(failure));
    }
    if (turn === this.#opened) this.state.replaceChildren();
  }

  async #load(turn) {
    const money = moneyOf(this.#team);
    const paths = ["postpaid/invoice/preview", LIMITS, "credits"];
    const [[preview, { spendingLimits: limits }, { credits }], changes, { rateLimits }] = await Promise.all([
      Promise.all(paths.map((path) => readManaged(`${money}/${path}`))),
      this.changes.read(money),
      readManaged(`${teamOf(this.#team)}/rate-limits`),
    ]);
    if (turn !== this.#opened) return;
    this.#limits = limits;
    this.#rateLimits = rateLimits;
    this.#drawActs();
    this.funds.replaceChildren(...describeFunds({ preview, limits, credits, total: changes.total }));
    this.credits.replaceChildren(creditsTable(credits));
    this.invoice.replaceChildren(invoiceTable(preview));
    this.changes.show(changes);
    const isHere = document.activeElement === this.setRates; // which moves into the new table
    this.rates.replaceChildren(ratesTable(rateLimits, this.setRates));
    if (isHere) this.setRates.focus();
    this.body.hidden = false;
  }

  #drawActs() {
    this.standing.hidden = !this.#team.blocked;
    this.block.textContent = this.#team.blocked ? "Unblock the team" : "Block the team";
    if (!this.#limits.softSl && document.activeElement === this.lift) this.own.focus(); // before it goes
    this.lift.hidden = !this.#limits.softSl;
  }

  #buttons() {
    if (!isOperator()) return [this.own, this.lift];
    return [
      button("Give free credits", () => this.#give()),
      button("Top up", () => this.#topUp()),
      button("Set the spending limit", () => this.#setLimit("hard")),
      this.own,
      this.lift,
      button("Refund a request", () => this.#refund()),
      this.block,
    ];
  }

  async #makeTeam() {
    const name = h("input", { required: true, maxLength: 200, autocomplete: "off" });
    const act = () => changeManaged("POST", "auth/teams", { name: name.value.trim() });
    const team = await openDialog({ title: "A new team", body: field("Name", name, "Who owns keys and pays."), confirm: "Make the team", act });
    if (team) goTo(team.teamId);
  }

  async #give() {
    const amount = amountField();
    const expires = h("input", { type: "datetime-local" });
    const note = noteField();
    const body = [
      h("p", {}, "Free credits are spent before all other money, those that expire soonest first."),
      field("Amount in US dollars", amount),
      field("Until", expires, "In your own time zone. Left empty, they do not expire."),
      note.element,
    ];
    const ask = () => ({
      amount: { ticks: readAmount(amount) },
      expireTime: expires.value ? new Date(expires.value).toISOString() : null,
      note: note.read(),
    });
    await this.#change({ title: "Give free credits", body, confirm: "Give", path: this.#money("credits"), ask, said: "Given." });
  }

  async #topUp() {
    const amount = amountField();
    const note = noteField();
    const body = [h("p", {}, "Prepaid credits that the team has bought."), field("Amount in US dollars", amount), note.element];
    const ask = () => ({ amount: { ticks: readAmount(amount) }, note: note.read() });
    await this.#change({ title: "Top up", body, confirm: "Top up", path: this.#money("prepaid/top-up"), ask, said: "Topped up." });
  }

  async #setLimit(kind) {
    const is = this.#limits;
    const [title, what, now, name] = {
      hard: ["Set the spending limit", "What the team may owe in a month once its credits are spent: set by operators.", is.hardSlAuto, "desiredHardSpendingLimit"],
      soft: ["Set the team's own limit", "A lower limit that the team sets itself. The lower one of both holds.", is.softSl ?? is.hardSlAuto, "desiredSoftSpendingLimit"],
    }[kind];
    const amount = amountField(now);
    const body = [h("p", {}, what), field("US dollars a month", amount)];
    const ask = () => ({ [name]: { ticks: readAmount(amount) } });
    await this.#change({ title, body, confirm: "Set the limit", path: this.#money(LIMITS), ask, said: "Set." });
  }

  async #liftLimit() {
    const body = h("p", {}, `What an operator set holds then: ${show(this.#limits.hardSlAuto)} a month.`);
    const path = this.#money(`${LIMITS}/soft`);
    await this.#change({ title: "Lift the team's own limit", body, confirm: "Lift the limit", method: "DELETE", path, said: "Lifted." });
  }

  async #setRateLimits() {
    const team = this.#team;
    let models;
    await this.#run(async () => ({ models } = await readManaged(`${teamOf(team)}/models`)));
    if (!models || team !== this.#team) return; // another team meanwhile
    const form = createRatesForm(models, this.#rateLimits);
    const path = `${teamOf(team)}/rate-limits`;
    await this.#change({ title: "Set rate limits", body: form.element, confirm: "Set the limits", path, ask: form.read, said: "Set." });
  }

  async #block(blocked) {
    const [word, what] = blocked
      ? ["Block", "Every key of the team is refused until it is unblocked. Nothing is deleted."]
      : ["Unblock", "Keys that are not blocked themselves work again."];
    const ask = () => ({ team: { blocked }, fieldMask: "blocked" });
    const shown = { title: `${word} the team`, body: h("p", {}, what), confirm: word, said: `${word}ed.`, isDanger: blocked };
    await this.#change({ ...shown, method: "PUT", path: teamOf(this.#team), ask });
  }

  async #refund() {
    const reference = h("input", { required: true, autocomplete: "off", spellcheck: false });
    const note = noteField();
    const body = [field("Completion id or request id", reference, "Each kind of money gets its own back, once."), note.element];
    const ask = () => ({ reference: reference.value.trim(), note: note.read() });
    await this.#change({ title: "Refund a request", body, confirm: "Refund", path: this.#money("refunds"), ask, said: "Refunded." });
  }

  // Ask for what is to change in a dialog that names the team, do it, and read everything anew.
  async #change({ title, body, confirm, method = "POST", path, ask = () => undefined, said, isDanger }) {
    const team = this.#team;
    const act = () => changeManaged(method, path, ask());
    const done = await openDialog({ title: `${title}: ${team.name}`, body, confirm, act, isDanger });
    if (!done) return;
    await this.open(new URLSearchParams({ team: team.teamId }));
    say(said);
  }

  #money(path) {
    return `${moneyOf(this.#team)}/${path}`;
  }
}

function noteField() {
  const note = h("input", { maxLength: 200, autocomplete: "off" });
  return { element: field("Note", note, "For the ledger, and for the team to read."), read: () => note.value.trim() };
}

const button = (text, act, kind = "") => h("button", { type: "button", class: kind, onclick: act }, text);
