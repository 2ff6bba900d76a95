// The deferred completions that this tab asked for, their states, and their answers once they were fetched.

import { copyButton, failureBox, h, say } from "../dom.js";
import { fetchJob, forgetJob, listJobs, look } from "../jobs.js";
import { clock, count, dollars } from "../words.js";

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;
const STATES = {
  pending: "Waiting to be answered",
  ready: "Answered, not fetched yet",
  failed: "Failed, reason not fetched yet",
  fetched: "Fetched",
  refused: "Failed",
  gone: "Not on the server: fetched elsewhere, over 24 hours old, or another team's",
};

export function create() {
  const list = h("ol", { class: "jobs" });
  const trouble = h("div");
  const intro = h(
    "p",
    {},
    "What this tab sent with “Send deferred” on the playground. An answer is handed over once: fetch it when you are ready " +
      "to keep it; it then stays here until this tab is closed or you sign out.",
  );
  const element = h("div", { class: "page" }, h("h1", {}, "Deferred completions"), intro, trouble, list);
  let timer = null;

  function draw() {
    const jobs = listJobs();
    const empty = h("p", { class: "empty" }, "Nothing yet. ", h("a", { href: "#/playground" }, "Send something deferred"), ".");
    list.replaceChildren(...jobs.map(showJob));
    if (!jobs.length) trouble.replaceChildren(empty);
  }

  // Look at what is pending, less and less often, while the page is shown.
  async function watch(waitMs) {
    clearTimeout(timer);
    const pending = listJobs().filter((job) => job.state === "pending");
    const before = JSON.stringify(listJobs());
    const failures = (await Promise.allSettled(pending.map(look))).filter((one) => one.status === "rejected");
    if (!element.isConnected) return;
    trouble.replaceChildren(...failures.slice(0, 1).map(({ reason }) => failureBox(reason)));
    if (before !== JSON.stringify(listJobs()) || !list.children.length) draw();
    if (listJobs().some((job) => job.state === "pending")) timer = setTimeout(watch, waitMs, Math.min(2 * waitMs, LONGEST_WAIT_MS));
  }

  function showJob(job) {
    const act = async (work, done) => {
      await work().then(() => say(done), (failure) => trouble.replaceChildren(failureBox(failure)));
      draw();
    };
    const canFetch = job.state === "ready" || job.state === "failed";
    const fetchIt = canFetch && h("button", { type: "button", class: "primary", onclick: () => act(() => fetchJob(job), "Fetched.") }, "Fetch");
    const forget = h("button", { type: "button", onclick: () => act(async () => forgetJob(job.id), "Forgotten.") }, "Forget");
    return h(
      "li",
      { class: "card job" },
      h("h2", {}, job.question || job.id),
      h("p", { class: `state ${job.state}` }, STATES[job.state]),
      h("p", { class: "hint" }, `${job.model} · asked at ${clock(job.asked)} · `, h("code", {}, job.id)),
      job.completion && showCompletion(job.completion),
      job.failure && failureBox(job.failure),
      h("div", { class: "row" }, fetchIt, job.completion && copyAnswer(job.completion), job.state !== "pending" && !canFetch && forget),
    );
  }

  return {
    element,
    open() {
      draw();
      watch(FIRST_WAIT_MS);
    },
  };
}

function showCompletion({ choices, usage, model, id }) {
  const text = choices[0].message.content;
  const facts = [model, choices[0].finish_reason, `${count(usage.total_tokens)} tokens`, dollars(usage.cost_in_usd_ticks ?? 0)];
  return [h("div", { class: "words" }, text), h("p", { class: "hint" }, `${facts.join(" · ")} · `, h("code", {}, id))];
}

const copyAnswer = ({ choices }) => copyButton(() => choices[0].message.content, "Copy the answer");
