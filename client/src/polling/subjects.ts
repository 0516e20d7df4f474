// What is polled for, a file or a project, and what its answers mean.

import type { PollingSubject, PollOutcome } from "./types.ts";

/** What `GET /api/file/{id}` answers (PROTOCOL.md § 3). */
export interface FileAnswer {
  readonly id: string;
  readonly job_id: string;
  readonly status: "pending" | "running" | "completed" | "failed" | "canceled";
  /** Whether the file is there. */
  readonly completed: boolean;
  readonly kind: string;
  readonly media_type: string;
  readonly url: string | null;
  readonly bytes: number | null;
  readonly duration_ms: number | null;
  /** 0 to 100. */
  readonly progress: number;
  readonly poll_after_ms: number | null;
  readonly error?: { readonly code: string; readonly message: string; readonly retryable: boolean };
}

/** One of a project's jobs, as far as polling goes. */
export interface ProjectJob {
  readonly id: string;
  readonly status: "pending" | "running" | "completed" | "failed" | "canceled";
  readonly [field: string]: unknown;
}

/** What `GET /api/project/{id}` answers. */
export interface ProjectAnswer {
  readonly project_id: string;
  /** Whether there are jobs, and none is going. */
  readonly completed: boolean;
  readonly active: number;
  /** Newest first. */
  readonly jobs: readonly ProjectJob[];
  readonly poll_after_ms: number | null;
}

/** A JSON object, of whose fields nothing is known yet. */
export type Fields = Readonly<Record<string, unknown>>;

/** Something that is polled for over HTTP. */
export interface Resource<T> {
  readonly pollId: string;
  readonly subject: PollingSubject;
  readonly path: string;
  /** What an answer means. */
  read(fields: Fields): PollOutcome<T>;
}

/** A file. */
export const fileResource = (fileId: string): Resource<FileAnswer> => ({
  pollId: `file-${fileId}`,
  subject: { fileId },
  path: `/api/file/${encodeURIComponent(fileId)}`,
  read: (fields) => readFile(fields),
});

/** A project, all of its jobs together. */
export const projectResource = (projectId: string): Resource<ProjectAnswer> => ({
  pollId: `project-${projectId}`,
  subject: { projectId },
  path: `/api/project/${encodeURIComponent(projectId)}`,
  read: (fields) => readProject(fields),
});

function readFile(fields: Fields): PollOutcome<FileAnswer> {
  const { status, job_id: job } = fields;
  const known = {
    // The shape is the server's promise; only what decides the poll is looked at.
    data: fields as unknown as FileAnswer,
    ...(typeof job === "string" ? { jobId: job } : {}),
  };
  if (fields.completed === true || status === "completed") return { ...known, completed: true };
  if (!isOver(status)) return { ...known, completed: false };
  return { ...known, completed: false, shouldContinue: false, error: reason(fields) ?? `The job ${ended(status)}` };
}

function readProject(fields: Fields): PollOutcome<ProjectAnswer> {
  // As above.
  const data = fields as unknown as ProjectAnswer;
  if (fields.completed !== true) return { data, completed: false };
  const jobs = Array.isArray(data.jobs) ? data.jobs : [];
  const newest = jobs[0];
  if (newest === undefined || jobs.some((job) => job.status === "completed")) return { data, completed: true };
  const error = `None of the project's jobs was completed; the newest one ${ended(newest.status)}`;
  return { data, completed: false, shouldContinue: false, error };
}

const isOver = (status: unknown): boolean => status === "failed" || status === "canceled";

const ended = (status: unknown): string => (status === "canceled" ? "was canceled" : "failed");

/** Why a job failed, in the server's words: `{"error": {"message"}}`, or a text as older servers have it. */
function reason({ error }: Fields): string | null {
  const said = typeof error === "object" && error !== null && "message" in error ? error.message : error;
  return typeof said === "string" && said !== "" ? said : null;
}
