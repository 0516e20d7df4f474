// The page: which of its parts is shown, and what connects them.

import { costOf } from "../src/index.ts";
import type { JobState } from "../src/index.ts";
import type { SubmitBody } from "../src/types.ts";
import { jobAddress, placeOf } from "./address.ts";
import type { Section as SectionName } from "./address.ts";
import { badge } from "./badge.ts";
import { balance } from "./balance.ts";
import { blogSection, narrationSection, offerVoices } from "./blog.ts";
import { find, setText } from "./dom.ts";
import { jobView } from "./job.ts";
import { jobsSection } from "./jobs.ts";
import { makeSection } from "./make.ts";
import { creditsOf } from "./money.ts";
import { showNotices } from "./notices.ts";
import { recentJobs } from "./recent.ts";
import { retryBody } from "./retry.ts";
import { server, whoIsThere } from "./server.ts";
import { signIn, signOut } from "./sign-in.ts";
import { setWater } from "./water.ts";

const parts = {
  "blog": find("#blog"), "narration": find("#narration"), "make": find("#make"), "jobs": find("#jobs"),
  "job": find("#job"), "lost": find("#lost"),
};
const TITLES: Readonly<Record<SectionName, string>> = {
  "blog": "Tailwater", "narration": "Narration · Tailwater", "image": "Image · Tailwater", "video": "Video · Tailwater",
  "lip-sync": "Lip-sync · Tailwater", "jobs": "Jobs · Tailwater",
};

/** The providers that are simulated, once the server has said so. */
let simulated: ReadonlySet<string> = new Set();

const connection = badge(find("#badge"));
const purse = balance(find("#balance"));
const recent = recentJobs(find("#recent"));
const blog = blogSection(parts.blog, submit);
const narration = narrationSection(parts.narration, submit);
const make = makeSection(parts.make, { submit, purse });
const jobs = jobsSection(parts.jobs, connection);
const view = jobView(parts.job, {
  connection,
  retry: (id, state) => submit(retryBody(id, state)),
  onLost: showLost,
  isSimulated: ({ kind }) => simulated.has(kind === "voiceover" ? "speech" : kind === "blog" || kind === "chat" ? "chat" : ""),
  onChange: (id, state) => recent.note(id, state),
  onEnd: (state) => void purse.refresh(changeWords(state)),
});

async function submit(body: SubmitBody, key?: string): Promise<void> {
  const answer = await server.submit(body, key === undefined ? {} : { idempotencyKey: key });
  recent.add(answer.job_id, body);
  const { hold = 0 } = answer;
  void purse.refresh(hold > 0 ? `${creditsOf(hold)} held` : "");
  location.hash = jobAddress(answer.job_id);
}

/** What became of a job's credits, for the header. */
function changeWords(state: JobState): string {
  const { what, micro } = costOf(state);
  const rest = (state.hold ?? 0) - micro;
  if (what === "cost" && micro > 0) return `${creditsOf(micro)} taken${rest > 0 ? `, ${creditsOf(rest)} back` : ""}`;
  return what === "released" ? `${creditsOf(micro)} given back` : "";
}

function route(event?: Event): void {
  const place = placeOf(location.hash);
  view.close();
  jobs.hide();
  recent.hide();
  setWater(null);
  if ("job" in place) showJob(place.job);
  else {
    showSection(place.section, place.query);
    // The first page is read from its beginning; a later one from its title, or from where it is written.
    if (event !== undefined) focusTitle();
  }
}

/** Where the part itself does not put the keyboard somewhere better. */
function focusTitle(): void {
  const title = document.querySelector<HTMLElement>("main > section:not([hidden]) h1");
  if (document.activeElement?.matches("textarea") !== true) title?.focus({ preventScroll: true });
}

/** Shows one part of the page; the navigation says which section that is. */
function show(part: keyof typeof parts, section: SectionName | null): void {
  for (const [name, element] of Object.entries(parts)) element.hidden = name !== part;
  for (const link of document.querySelectorAll<HTMLElement>("#nav a")) {
    if (link.dataset.section === section) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  scrollTo(0, 0);
}

function showSection(section: SectionName, query: URLSearchParams): void {
  document.title = TITLES[section];
  switch (section) {
    case "blog":
      show("blog", section);
      blog.show(query);
      break;
    case "narration":
      show("narration", section);
      narration.show(query);
      break;
    case "jobs":
      show("jobs", section);
      jobs.show(query);
      return;
    default:
      show("make", section);
      make.show(section, query);
  }
  recent.show();
}

function showJob(id: string): void {
  show("job", null);
  view.open(id);
}

function showLost(reason: string): void {
  view.close();
  show("lost", null);
  document.title = "Not here · Tailwater";
  setText(find("#lost-detail"), reason);
  find("#lost-title").focus();
}

async function introduce(): Promise<void> {
  try {
    const info = await server.info();
    simulated = new Set(info.simulated);
    showNotices(find("#notices"), info);
    offerVoices(info.voices);
    setText(find("#version"), `Tailwater ${info.version}`);
  } catch {
    // The page works without: the server may be restarting, and the next load asks again.
  }
}

// The address is what the page shows, so a link inside the page must not change it.
find("#skip").addEventListener("click", (event) => {
  event.preventDefault();
  find("#main").focus();
});

function start(): void {
  addEventListener("hashchange", route);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) void purse.refresh();
  });
  route();
  void introduce();
  void purse.refresh();
}

// A server that does not answer is no reason to ask for a key: the page says so where it matters.
const session = await whoIsThere().catch(() => undefined);
if (session === null) signIn(find("#sign-in"));
else start();
if (session?.kind === "session") signOut(find("#sign-out"));
