// The page: which of its two faces is shown, and what connects them.
//
// The address decides: `#job=job_…` shows that job, anything else shows the form. So a link, a
// reload and the back button need nothing of their own.

import * as api from "./api.js";
import { composeView } from "./compose.js";
import { find, setText } from "./dom.js";
import { jobView } from "./job.js";
import { showNotices } from "./notices.js";
import { recentJobs } from "./recent.js";
import { setWater } from "./water.js";

const compose = find("#compose");
const job = find("#job");
const lost = find("#lost");

/** Stream addresses from submits: they carry a ticket, which the address of the page does not. */
const streamUrls = new Map();

const recent = recentJobs(find("#recent"));
const form = composeView(find("#form"), { submit });
const view = jobView(job, {
  retry: (id, { kind, model, input }) => submit({
    kind, ...(model !== null && { model }), input, retry_of: id, allow_duplicate: true,
  }),
  onLost: showLost,
  onChange: (id, state) => recent.note(id, state),
});

async function submit(body, key = api.freshKey()) {
  const answer = await api.submit(body, key);
  streamUrls.set(answer.job_id, answer.stream_url);
  recent.add(answer.job_id, body);
  location.hash = `job=${answer.job_id}`;
  return answer;
}

function route() {
  const id = new URLSearchParams(location.hash.slice(1)).get("job");
  if (id === null) showCompose();
  else showJob(id);
}

function show(section) {
  for (const other of [compose, job, lost]) other.hidden = other !== section;
  find("#new").hidden = section === compose;
  find("#badge").hidden = section !== job;
  setWater(null);
  scrollTo(0, 0);
}

function showCompose() {
  view.close();
  show(compose);
  document.title = "Tailwater";
  recent.show();
  form.focus();
}

function showJob(id) {
  recent.hide();
  show(job);
  view.open(id, { ...api.addresses(id), ...(streamUrls.has(id) && { streamUrl: streamUrls.get(id) }) });
}

function showLost(reason) {
  view.close();
  show(lost);
  document.title = "Not here · Tailwater";
  setText(find("#lost-detail"), reason);
  find("#lost-title").focus();
}

async function introduce() {
  try {
    const info = await api.info();
    showNotices(find("#notices"), info);
    form.offerVoices(info.voices ?? []);
    setText(find("#version"), `Tailwater ${info.version ?? ""}`.trim());
  } catch {
    // The page works without: the server may be restarting, and the next load asks again.
  }
}

addEventListener("hashchange", route);
route();
void introduce();
