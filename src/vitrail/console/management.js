// The management API as the pages use it, with the management key of this session; and which team a page is about.

import { call, read } from "./api.js";
import { choice, field, h } from "./dom.js";
import { session } from "./session.js";

const KIND = { kind: "management" };
const LAST_TEAM = "vitrail.team"; // the one chosen last, for the next page; its id is no secret

export const isOperator = () => session.about("management").scope === "SCOPE_OPERATOR";

// Read or change something below /management; returns the JSON of the answer and raises ApiFailure.
export const readManaged = (path, options) => read(`management/${path}`, { ...options, ...KIND });
export const changeManaged = async (method, path, body, options) =>
  (await call(method, `management/${path}`, { ...options, body, ...KIND })).json();

export const teamOf = (team) => `auth/teams/${encodeURIComponent(team.teamId)}`;
export const moneyOf = (team) => `v1/billing/teams/${encodeURIComponent(team.teamId)}`;

// Choose among the teams that the key may see; `onchoose` gets the id. A team's own key leaves no choice, so nothing is shown.
export class TeamChooser {
  teams = [];

  constructor(onchoose) {
    this.select = choice({}, { onchange: () => onchoose(this.select.value) });
    this.element = h("div", { class: "team-choice", hidden: !isOperator() }, field("Team", this.select));
  }

  // Read the teams anew and choose: the one asked for, else the last one, else the first. Return it, or null if there is none such.
  async load(wantedId) {
    this.teams = (await readManaged("auth/teams")).teams;
    const find = (id) => this.teams.find((team) => team.teamId === id);
    const team = wantedId ? find(wantedId) : (find(sessionStorage.getItem(LAST_TEAM)) ?? this.teams[0]);
    const blank = !team && h("option", { value: "" }, "Choose a team");
    const options = this.teams.map(({ teamId, name, blocked }) => h("option", { value: teamId }, blocked ? `${name} (blocked)` : name));
    this.select.replaceChildren(...[blank, ...options].filter(Boolean));
    this.select.value = team?.teamId ?? "";
    if (team) sessionStorage.setItem(LAST_TEAM, team.teamId);
    return team ?? null;
  }
}

export const NO_TEAM = { code: "No such team", message: "This management key sees no team with the id of this address." };
