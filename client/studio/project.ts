// What is known of a project's jobs, as a pure fold over its one stream: no DOM, no clock.

import { costOf, initialState, isTerminal, overallPercent, pictures, reduce, withJob } from "../src/index.ts";
import type { Artifact, End, JobState, Kind, ProjectEvent } from "../src/index.ts";
import type { JobSummary } from "../src/types.ts";
import { titleOf } from "./titles.ts";

/** A job of the list. */
export interface Listed {
  readonly id: string;
  readonly state: JobState;
  readonly endedAt: number | null;
  /** The address of the picture or video that stands for it, once it has one. */
  readonly file: string | null;
}

/** The jobs of a project, by their ids. */
export type Project = ReadonlyMap<string, Listed>;

/** What a list is narrowed to; empty is everything. */
export interface Filter {
  readonly text: string;
  /** A status, or `active` for what is not over. */
  readonly status: string;
  readonly kind: string;
}

/** Folds one event of the project's stream in. */
export function fold(project: Project, event: ProjectEvent): Project {
  if (event.job !== null) return withJobOf(project, event.job, follow(project.get(event.job), event.job, event));
  if (event.type !== "snapshot") return project;
  return new Map([...project, ...event.data.jobs.map((job) => [job.id, listed(job)] as const)]);
}

/** Takes in what a list of the server's says; how far a job is, its events know better. */
export function withSummaries(project: Project, jobs: readonly JobSummary[]): Project {
  const next = new Map(project);
  for (const job of jobs) {
    const known = project.get(job.id);
    next.set(job.id, known === undefined ? listed(job) : { ...known, state: withJob(known.state, job) });
  }
  return next;
}

/** The jobs that fit, newest first. */
export function fitting(project: Project, { text, status, kind }: Filter): Listed[] {
  const wanted = text.trim().toLowerCase();
  const fits = ({ id, state }: Listed): boolean => {
    if (kind !== "" && state.kind !== kind) return false;
    if (status === "active" ? state.end !== null : status !== "" && state.status !== status) return false;
    const words = `${titleOf(state.input, state.kind)} ${state.model ?? ""} ${id}`.toLowerCase();
    return words.includes(wanted);
  };
  return [...project.values()].filter(fits).sort((left, right) => createdAt(right) - createdAt(left));
}

/** Jobs that the stream has named and nobody has described yet. */
export const undescribed = (project: Project): string[] => (
  [...project.values()].filter(({ state }) => state.kind === null).map(({ id }) => id)
);

/** How far a job is, and what it has cost. */
export const percentOf = ({ state }: Listed): number => overallPercent(state);
export const creditsOfJob = ({ state }: Listed): ReturnType<typeof costOf> => costOf(state);

const createdAt = ({ state }: Listed): number => state.createdAt ?? Number.MAX_SAFE_INTEGER;

const withJobOf = (project: Project, id: string, job: Listed): Project => new Map(project).set(id, job);

function follow(known: Listed | undefined, id: string, event: ProjectEvent): Listed {
  const before = known ?? { id, state: initialState(), endedAt: null, file: null };
  const state = reduce(before.state, event);
  if (state === before.state && known !== undefined) return known;
  const at = state.end?.data.at;
  return {
    id,
    state,
    endedAt: typeof at === "number" ? at : before.endedAt,
    file: pictures(state).map(addressOf)[0] ?? before.file,
  };
}

const addressOf = ({ url }: Artifact): string => url;

const MEDIA: ReadonlySet<Kind> = new Set<Kind>(["image", "video", "lipsync"]);

function listed(job: JobSummary): Listed {
  const { id, kind, status, attempt, progress, ended_at: endedAt } = job;
  const known = withJob(initialState(), job);
  const first: unknown = Array.isArray(job.result?.artifacts) ? job.result.artifacts[0] : undefined;
  return {
    id,
    state: {
      ...known,
      status,
      attempt,
      progress: { percent: Math.min(99, progress.percent), stage: progress.stage ?? "", message: null, part: null, parts: null },
      end: endOf(job),
    },
    endedAt,
    file: MEDIA.has(kind) && typeof first === "string" ? `/api/artifacts/${encodeURIComponent(first)}/content` : null,
  };
}

function endOf({ status, result, error, reason }: JobSummary): End | null {
  if (!isTerminal(status)) return null;
  if (status === "failed") return { type: "failed", data: { ...error } };
  if (status === "canceled") return { type: "canceled", data: { reason } };
  return { type: "completed", data: { ...result } };
}
