// What is polled for, a file or a project, and what the views of it mean.

import type { FileView, ProjectView } from "../types.ts";

import type { PollingSubject, PollOutcome } from "./types.ts";

/** Something that is polled for over HTTP. */
export interface Resource<View> {
  readonly pollId: string;
  readonly subject: PollingSubject;
  readonly path: string;
  /** What a view means. */
  read(view: View): PollOutcome<View>;
}

/** A file. */
export const fileResource = (fileId: string): Resource<FileView> => ({
  pollId: `file-${fileId}`,
  subject: { fileId },
  path: `/api/file/${encodeURIComponent(fileId)}`,
  read: readFile,
});

/** A project, all of its jobs together. */
export const projectResource = (projectId: string): Resource<ProjectView> => ({
  pollId: `project-${projectId}`,
  subject: { projectId },
  path: `/api/project/${encodeURIComponent(projectId)}`,
  read: readProject,
});

function readFile(data: FileView): PollOutcome<FileView> {
  const { status, completed, job_id: jobId, error } = data;
  if (completed || (status !== "failed" && status !== "canceled")) return { data, jobId, completed };
  return { data, jobId, completed, shouldContinue: false, error: error?.message ?? `The job ${ended(status)}` };
}

function readProject(data: ProjectView): PollOutcome<ProjectView> {
  const { completed, jobs } = data;
  const [newest] = jobs;
  const inVain = completed && newest !== undefined && jobs.every(({ status }) => status !== "completed");
  if (!inVain) return { data, completed };
  const error = `None of the project's jobs was completed; the newest one ${ended(newest.status)}`;
  return { data, completed: false, shouldContinue: false, error };
}

const ended = (status: string): string => (status === "canceled" ? "was canceled" : "failed");
