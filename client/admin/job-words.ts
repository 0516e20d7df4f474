// A job in a few words, as an operator needs them.

import type { Status } from "../src/index.ts";
import { ago, clock } from "../studio/times.ts";
import { KINDS } from "../studio/titles.ts";
import { providerName } from "../studio/names.ts";
import { span } from "./amounts.ts";
import { SILENCE_MS } from "./health.ts";
import type { AdminJob } from "./types.ts";

/** The states, as operators call them. */
export const STATES: Readonly<Record<Status, string>> = {
  pending: "Waiting", running: "Running", completed: "Done", failed: "Failed", canceled: "Canceled",
};

/** How long a running job has said nothing. `toldAt` is when the server said so. */
export function silenceOf({ status, last_sign_ms: sign }: Pick<AdminJob, "status" | "last_sign_ms">, toldAt: number, now: number): number | null {
  if (status !== "running" || sign === null) return null;
  return sign + Math.max(0, now - toldAt);
}

/** Whether that is so long that the job may be stuck. */
export const isSuspicious = (silence: number | null): boolean => silence !== null && silence > SILENCE_MS;

/** What it is: kind, model, provider, project. */
export function factsOf({ kind, model, provider, project_id: project }: AdminJob): string {
  const lane = provider === null || provider === "chat" || provider === "speech" ? "" : providerName(provider);
  return [KINDS[kind] ?? kind, model ?? "", lane, project === "default" ? "" : project].filter(Boolean).join(" · ");
}

/** Where it stands, in a line. */
export function standing(job: AdminJob, toldAt: number, now: number): string {
  if (job.status === "failed") return job.error_code ?? job.error_message ?? "";
  if (job.status === "completed" || job.status === "canceled") return took(job);
  const silence = silenceOf(job, toldAt, now);
  if (isSuspicious(silence)) return `silent for ${span(silence ?? 0)}`;
  if (job.status === "pending") return job.waits_for ?? "";
  return [`${Math.round(job.progress)} %`, job.waits_for ?? job.stage].filter(Boolean).join(" · ");
}

/** How long it went, or goes. */
export const age = ({ created_at: from, ended_at: to }: AdminJob, now: number): string => (
  to === null ? clock((now - from) / 1_000) : ago(to, now)
);

const took = ({ created_at: from, ended_at: to }: AdminJob): string => (to === null ? "" : `in ${span(to - from)}`);

/** A job that may be tried for one that is hung. */
export const attemptWords = (attempt: number): string => (attempt > 1 ? `attempt ${attempt}` : "");
