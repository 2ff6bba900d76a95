// The deferred completions that this tab asked for; kept in its session storage, so that a reload loses none.
//
// A job is { id, model, question, asked, state, completion?, failure? }. A completion is handed over once: it is looked
// for with HEAD, which leaves it on the server, and fetched when somebody asks for it.

import { ApiFailure, call, read } from "./api.js";

const NAME = "vitrail.jobs";
const path = (id) => `v1/chat/deferred-completion/${encodeURIComponent(id)}`;

export const listJobs = () => JSON.parse(sessionStorage.getItem(NAME) ?? "[]");
const keep = (jobs) => sessionStorage.setItem(NAME, JSON.stringify(jobs));
const change = (id, values) => keep(listJobs().map((job) => (job.id === id ? { ...job, ...values } : job)));

export const addJob = (job) => keep([{ ...job, asked: Date.now(), state: "pending" }, ...listJobs()]);
export const forgetJob = (id) => keep(listJobs().filter((job) => job.id !== id));

// Ask for the state of a pending job without fetching anything.
export async function look(job) {
  try {
    const { status } = await call("HEAD", path(job.id));
    change(job.id, { state: status === 202 ? "pending" : "ready" });
  } catch (failure) {
    if (failure.status === 404) change(job.id, { state: "gone" });
    else if (failure instanceof ApiFailure && ![0, 429, 503].includes(failure.status)) change(job.id, { state: "failed" });
    else throw failure;
  }
}

// Fetch what became of a job, once and for all.
export async function fetchJob(job) {
  try {
    change(job.id, { state: "fetched", completion: await read(path(job.id)) });
  } catch (failure) {
    if (!(failure instanceof ApiFailure) || failure.status === 0) throw failure;
    const { status, code, message, requestId } = failure;
    change(job.id, { state: status === 404 ? "gone" : "refused", failure: { status, code, message, requestId } });
  }
}
