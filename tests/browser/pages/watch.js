// The client library on a bare page: shows a job with the studio's own ids, and keeps all that came.
//
// `#job=…` says which job; the query has a watch's options (`?transport=poll&share=false`). Whatever
// came is in `window.seen`, and a reload leaves it to the next page as `window.before`.

import * as tailwater from "../../../client/src/index.ts";

const find = (selector) => document.querySelector(selector);
const client = new tailwater.Tailwater();
const seen = { events: [], states: [], error: null };
let watch = null;
let state = tailwater.initialState();

Object.assign(window, { tailwater, client, seen, follow, before: JSON.parse(sessionStorage.getItem("seen") ?? "null") });
addEventListener("pagehide", () => sessionStorage.setItem("seen", JSON.stringify({ ...seen, text: state.text })));
addEventListener("hashchange", () => follow());

/** Watches the job of the address. */
function follow() {
  const job = new URLSearchParams(location.hash.slice(1)).get("job");
  if (job === null) return;
  watch?.close();
  Object.assign(seen, { events: [], states: [], error: null });
  state = tailwater.initialState();
  find("#job").dataset.job = job;
  watch = client.watch(job, { ...options(), onEvent: take, onState: show });
  show(watch.state);
  watch.done.then(() => draw(true), (error) => {
    if (error.code === "aborted") return;
    seen.error = { code: error.code, status: error.status, detail: error.detail };
    draw(true);
  });
}

/** The options as the address has them. */
function options() {
  const { share, remember, after, ...rest } = Object.fromEntries(new URLSearchParams(location.search));
  return {
    ...rest,
    ...(share === undefined ? {} : { share: share === "true" }),
    ...(remember === undefined ? {} : { remember: remember === "true" }),
    ...(after === undefined ? {} : { after: Number(after) }),
  };
}

function take(event) {
  seen.events.push({ id: event.id, type: event.type, attempt: event.data?.attempt ?? null });
  state = tailwater.reduce(state, event);
  draw(false);
}

function show({ phase, reason, carrier, shared }) {
  seen.states.push({ phase, reason, carrier, shared, at: performance.now() });
  Object.assign(find("#badge").dataset, { phase, reason: reason ?? "", carrier: carrier ?? "" });
}

function draw(isAll) {
  find("#job").dataset.status = state.status;
  find("#post").textContent = state.text;
  if (isAll) find("#post").dataset.shown = "all";
  else delete find("#post").dataset.shown;
}

follow();
