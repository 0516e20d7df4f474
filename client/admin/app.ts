// The operator's page: which of its parts is shown, and the stream that all of them live on.

import type { WatchState } from "../src/index.ts";
import { TailwaterError } from "../src/errors.ts";
import { badge } from "../studio/badge.ts";
import { find, setText, showText } from "../studio/dom.ts";
import { whoIsThere } from "../studio/server.ts";
import type { Session } from "../studio/server.ts";
import { signIn, signOut } from "../studio/sign-in.ts";
import { ANY, placeOf, streamAddress } from "./address.ts";
import type { Filter, Section } from "./address.ts";
import { creditsSection } from "./credits.ts";
import { openFeed } from "./feed.ts";
import type { Feed } from "./feed.ts";
import { healthLine } from "./health-line.ts";
import { jobSection } from "./job.ts";
import { jobsSection } from "./jobs.ts";
import { keysSection } from "./keys.ts";
import { overviewSection } from "./overview.ts";
import { exists } from "./server.ts";
import type { Figures, JobsPage } from "./types.ts";
import { webhooksSection } from "./webhooks.ts";

/** Figures come every second; so long without any, and the stream is dead, whatever the browser thinks. */
const SILENCE_MS = 8_000;

const parts = {
  overview: find("#overview"), jobs: find("#jobs"), job: find("#job"), webhooks: find("#webhooks"), keys: find("#keys"),
  credits: find("#credits"), lost: find("#lost"),
};

const connection = badge(find("#badge"));
const health = healthLine(find("#health"));
const overview = overviewSection(parts.overview);
const jobs = jobsSection(parts.jobs, listen);
const job = jobSection(parts.job, { onState: (state) => { told.job = state; drawState(); }, mayRetry: mayRetryJob });
const webhooks = webhooksSection(parts.webhooks);
const keys = keysSection(parts.keys, { isOpen: () => session?.kind === "open", onSignedIn: comeIn });
const credits = creditsSection(parts.credits);

/** What the two streams say of themselves; the worse of them is shown. */
const told: { figures: WatchState | null; job: WatchState | null } = { figures: null, job: null };
let session: Session | null | undefined;
let feed: Feed | null = null;

function drawState(): void {
  const states = [told.figures, told.job].filter((state) => state !== null);
  const shown = states.find(({ phase }) => phase !== "live") ?? states[0];
  if (shown) connection.update(shown);
}

/** Opens the stream that brings the figures, and the jobs that fit. */
function listen(filter: Filter): void {
  feed?.close();
  feed = openFeed(streamAddress(filter), {
    on: {
      figures(data) {
        const figures = data as Figures;
        health.take(figures);
        overview.take(figures);
      },
      jobs: (data) => jobs.take(data as JobsPage),
    },
    onState(state) {
      told.figures = state;
      drawState();
    },
    mayRetry,
    silenceMs: SILENCE_MS,
  });
}

/** A stream that was refused: a server that is away comes back, a session that is over does not. */
async function mayRetry(): Promise<boolean> {
  const now = await whoIsThere().catch(() => undefined);
  if (now === undefined || mayOperate(now)) return true;
  // A secret that was shown once would be lost.
  if (keys.holdsSecret) return false;
  showSignIn(now);
  return false;
}

async function mayRetryJob(id: string): Promise<boolean> {
  try {
    await exists(id);
    return true;
  } catch (problem) {
    if (!(problem instanceof TailwaterError) || problem.status !== 404) return true;
    show("lost", null);
    document.title = "Not here · Operator · Tailwater";
    setText(find("#lost-detail"), `There is no ${id}, or not any more: jobs are removed some time after their end.`);
    find("#lost-title").focus();
    return false;
  }
}

const mayOperate = (who: Session | null): boolean => who?.scopes.includes("admin") === true;

function showSignIn(who: Session | null): void {
  feed?.close();
  job.close();
  for (const part of Object.values(parts)) part.hidden = true;
  find("#health").hidden = true;
  const why = who === null ? "" : `You are signed in, and may ${who.scopes.join(", ") || "nothing"}: that is not enough here.`;
  showText(find("#sign-in-why"), why);
  signIn(find("#sign-in"));
}

/** The first key was made here, and this page has a session by it now. */
async function comeIn(): Promise<void> {
  session = await whoIsThere().catch(() => session);
  if (session?.kind === "session") signOut(find("#sign-out"));
  listen(ANY);
}

function route(event?: Event): void {
  const place = placeOf(location.hash);
  job.close();
  if ("job" in place) {
    show("job", "jobs");
    job.open(place.job);
  } else {
    show(place.section, place.section);
    const begin = {
      overview: () => overview.show(), jobs: () => jobs.show(place.query), webhooks: () => webhooks.show(place.query),
      keys: () => keys.show(), credits: () => credits.show(place.query),
    };
    begin[place.section]();
  }
  // The first page is read from its beginning; a later one from its title.
  if (event !== undefined) document.querySelector<HTMLElement>("main > section:not([hidden]) h1")?.focus({ preventScroll: true });
}

/** Shows one part of the page; the navigation says which section that is of. */
function show(part: keyof typeof parts, section: Section | null): void {
  for (const [name, element] of Object.entries(parts)) element.hidden = name !== part;
  for (const link of document.querySelectorAll<HTMLElement>("#nav a")) {
    if (link.dataset.section === section) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  scrollTo(0, 0);
}

// The address is what the page shows, so a link inside the page must not change it.
find("#skip").addEventListener("click", (event) => {
  event.preventDefault();
  find("#main").focus();
});

function start(): void {
  addEventListener("hashchange", route);
  setInterval(() => {
    health.tick();
    jobs.tick();
    job.tick();
  }, 1_000);
  route();
  // The list of jobs has opened the stream where its address asks for certain jobs only.
  if (feed === null) listen(ANY);
}

// A server that does not answer is no reason to ask for a key: the page says so where it matters.
session = await whoIsThere().catch(() => undefined);
if (session !== undefined && !mayOperate(session)) showSignIn(session);
else start();
if (session?.kind === "session") signOut(find("#sign-out"));
