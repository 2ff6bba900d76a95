// The shell: which page the address asks for, the navigation, who is signed in, the theme.
//
// Addresses are `#/page?query`: they can be shared, and what follows # is never sent to a server.

import { read } from "./api.js";
import { h } from "./dom.js";
import { PAGES, SIGN_IN } from "./pages.js";
import { session } from "./session.js";

const by = (id) => document.getElementById(id);
const main = by("main");
const made = new Map(); // page id -> what its module made; kept, so that a page is as it was left
const links = new Map(PAGES.map((page) => [page.id, h("a", { href: `#/${page.id}` }, page.title)]));
let shown = null;
let isFirst = true;

const isOpen = (page) => !page.needs || session.has(page.needs);

function route() {
  const [path, query = ""] = location.hash.replace(/^#\//, "").split("?");
  const first = PAGES.find(isOpen) ?? PAGES[0];
  const wanted = [...PAGES, SIGN_IN].find((page) => page.id === path) ?? first;
  return { wanted, page: isOpen(wanted) ? wanted : SIGN_IN, query: new URLSearchParams(query) };
}

async function show() {
  const { wanted, page } = route();
  const module = await page.load();
  const { page: wantedNow, query } = route();
  if (wantedNow !== page) return; // the address changed while the module was on its way
  if (!made.has(page.id)) made.set(page.id, module.create());
  const view = made.get(page.id);
  const isNew = shown !== page.id;
  if (isNew) main.replaceChildren(view.element);
  shown = page.id;
  document.title = `${page.title} · Vitrail`;
  for (const [id, link] of links) link.ariaCurrent = id === wanted.id ? "page" : null;
  view.open?.(query, wanted);
  if (isNew && !isFirst && !main.contains(document.activeElement)) main.focus({ preventScroll: true });
  isFirst = false;
}

// Tell whose keys these are, and show what they open and nothing else.
function tellWho() {
  const [key, managing] = [session.about("api"), session.about("management")];
  const operates = managing && (managing.teamName ? `team ${managing.teamName}` : "operator");
  const names = [key && `${key.name || "key"} ${key.redacted_api_key}`, managing && `${managing.name} (${operates})`];
  by("who").textContent = names.filter(Boolean).join(" · ");
  by("leave").hidden = !key && !managing;
  by("add").hidden = Boolean(key) === Boolean(managing);
  for (const page of PAGES) links.get(page.id).hidden = !isOpen(page);
}

async function tellServer() {
  const server = await read("./").catch(() => null);
  if (server) by("about").textContent = `Vitrail ${server.version}`;
}

by("pages").append(...links.values());
by("theme").value = document.documentElement.dataset.theme;
by("theme").addEventListener("change", ({ target }) => {
  document.documentElement.dataset.theme = target.value;
  localStorage.setItem("vitrail.theme", target.value);
});
by("skip").addEventListener("click", () => main.focus());
by("leave").addEventListener("click", () => session.leave());
session.addEventListener("change", ({ detail: kind }) => {
  const opened = PAGES.filter((page) => page.needs === kind);
  for (const page of [...opened, SIGN_IN]) made.delete(page.id);
  shown = null;
  tellWho();
  if (opened.includes(route().wanted)) show();
  else location.hash = `#/${opened[0].id}`; // another kind of key than the page wants: on to what it opens
});
addEventListener("hashchange", show);
tellWho();
tellServer();
show();
