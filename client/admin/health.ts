// What is wrong with the server right now, and what to do about it: the first thing that somebody who
// was woken wants to know.

import { jobAddress } from "../studio/address.ts";
import { jobsAddress } from "./address.ts";
import { memoryOf, several, span } from "./amounts.ts";
import type { Figures, Lane, ProviderHealth } from "./types.ts";

/** From here on, a running job that says nothing is suspicious. */
export const SILENCE_MS = 30_000;
/** Longer, and a crash would take a noticeable piece of work. */
const DURABLE_LAG_MS = 2_000;
const MEMORY_SHARE = 0.85;
const DESCRIPTORS_SHARE = 0.85;

/** How the server is, in a word and a sentence. */
export interface Health {
  readonly state: "ready" | "degraded" | "draining" | "unready";
  readonly words: string;
  readonly why: string;
}

/** How the server is. */
export function healthOf({ ready, reason, degraded }: Figures): Health {
  const why = reason ?? "";
  if (!ready && /drain|shut|stop/i.test(why)) return { state: "draining", words: "Draining", why: why || "it takes no work any more" };
  if (!ready) return { state: "unready", words: "Not ready", why: why || "it takes no new jobs" };
  if (degraded) return { state: "degraded", words: "Degraded", why: why || "a part of what it needs is out of reach; streams go on" };
  return { state: "ready", words: "Ready", why };
}

/** Something that wants to be looked at. */
export interface Concern {
  /** The same as long as it is the same concern. */
  readonly key: string;
  readonly level: "warn" | "error";
  readonly words: string;
  readonly advice: string;
  /** Where one sees more, and what the way there is called. */
  readonly link?: { readonly href: string; readonly words: string };
}

/** All that wants to be looked at, the worst first. */
export function concernsOf(figures: Figures): Concern[] {
  const found = [
    ...figures.providers.flatMap(ofProvider),
    ...figures.queue.flatMap(ofLane),
    ...ofServer(figures),
  ];
  return found.sort((left, right) => Number(right.level === "error") - Number(left.level === "error"));
}

/** Whether something that runs there has said nothing for too long. */
export const isSilent = ({ silence_ms_max: silence }: Lane): boolean => silence !== null && silence > SILENCE_MS;

function ofProvider({ name, status, note }: ProviderHealth): Concern[] {
  if (status === "ok") return [];
  const why = note ?? "";
  return [{
    key: `provider-${name}`,
    level: status === "failing" ? "error" : "warn",
    words: `${name} is ${status}${why === "" ? "" : `: ${why}`}`,
    advice: status === "paused" ? "Its jobs wait and go on by themselves." : "Look at its status page and its key; jobs are tried again by themselves.",
    link: { href: jobsAddress({ q: name }), words: "Its jobs" },
  }];
}

function ofLane(lane: Lane): Concern[] {
  if (!isSilent(lane)) return [];
  return [{
    key: `silent-${lane.provider}-${lane.silent_job ?? ""}`,
    level: "warn",
    words: `A job of ${lane.provider} has said nothing for ${span(lane.silence_ms_max ?? 0)}`,
    advice: "Its story says what it waits for.",
    link: silentLink(lane),
  }];
}

/** The way to what says nothing: the job itself, or all that run. */
export const silentLink = ({ silent_job: job }: Lane): { href: string; words: string } => (
  job ? { href: jobAddress(job), words: "Its story" } : { href: jobsAddress({ status: "running" }), words: "Running jobs" }
);

function ofServer(figures: Figures): Concern[] {
  const { memory_bytes: memory, memory_limit_bytes: limit, durable_lag_ms: lag, process, rates } = figures;
  const concerns: Concern[] = [];
  if (!figures.database) {
    concerns.push({
      key: "database", level: "error", words: "The database does not answer",
      advice: "What is counted in it is not known now; streams go on. Look at the database and the way to it.",
    });
  }
  if (lag > DURABLE_LAG_MS) {
    concerns.push({
      key: "durable", level: "error",
      words: `${several(figures.not_durable, "event")} not in the database for ${span(lag)}`,
      advice: "Streams go on; look at the database and its disk.",
    });
  }
  if (limit > 0 && memory > limit * MEMORY_SHARE) {
    concerns.push({
      key: "memory", level: "warn", words: `Logs use ${memoryOf(memory)} of ${memoryOf(limit)}`,
      advice: "At the limit new jobs get 503; raise --memory-limit.",
    });
  }
  if (process.max_fds > 0 && process.open_fds > process.max_fds * DESCRIPTORS_SHARE) {
    concerns.push({
      key: "descriptors", level: "warn", words: `${process.open_fds} of ${process.max_fds} file descriptors are open`,
      advice: "Raise the limit of open files (LimitNOFILE).",
    });
  }
  if (rates.refused >= 1) {
    concerns.push({
      key: "refused", level: "warn", words: `${Math.round(rates.refused)} requests a second are refused by a limit`,
      advice: "Somebody asks too fast, or a limit is too low.",
    });
  }
  return concerns;
}
