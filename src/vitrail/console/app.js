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

function route() {
  const [path, query = ""] = location.hash.replace(/^#\//, "").split("?");
  const wanted = PAGES.find((page) => page.id === path) ?? PAGES[0];
  return { wanted, page: session.has(wanted.needs) ? wanted : SIGN_IN, query: new URLSearchParams(query) };
}

async function show() {
  const { wanted, page, query } = route();
  const module = await page.load();
  if (route().page !== page) return; // the address changed while the module was on its way
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

function tellWho() {
  const key = session.about("api");
  by("leave").hidden = !key;
  by("who").textContent = key ? `${key.name || "key"} ${key.redacted_api_key}` : "";
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
session.addEventListener("change", () => {
  made.clear();
  shown = null;
  tellWho();
  show();
});
addEventListener("hashchange", show);
tellWho();
tellServer();
show();
