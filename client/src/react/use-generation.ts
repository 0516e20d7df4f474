// A submit and the job that comes of it, in a component.

import { useMemo, useSyncExternalStore } from "react";

import { TailwaterError } from "../errors.ts";
import type { End, JobState } from "../state.ts";
import type { SubmitBody } from "../types.ts";
import type { WatchState } from "../watch/types.ts";
import { useClient } from "./provider.ts";
import { Submission, type Submitted } from "./submission.ts";
import { useJob, type JobOptions } from "./use-job.ts";

/** How what is submitted is watched. */
export type GenerationOptions = Omit<JobOptions, "initial" | "streamUrl">;

/** Where a generation is: `running` as soon as its job is in the queue. */
export type GenerationPhase = "idle" | "submitting" | "running" | "completed" | "failed" | "canceled";

/** A submit and the job that comes of it. The functions stay the same from render to render. */
export interface Generation {
  /**
   * Gives the job's id; null where the submit failed, as `error` says, or a newer one took its place.
   * A job that the older one may have become goes on unseen: only `cancel` ends a job.
   */
  readonly submit: (body: SubmitBody) => Promise<string | null>;
  /** Ends the job, also one whose submit is still under way. */
  readonly cancel: (reason?: string) => Promise<void>;
  /** Submits the same again, as another try of the job. */
  readonly retry: () => Promise<string | null>;
  /** Forgets all of it; the job goes on. */
  readonly reset: () => void;
  readonly jobId: string | null;
  readonly job: JobState;
  /** How the events come; null while no job is watched. */
  readonly connection: WatchState | null;
  readonly phase: GenerationPhase;
  /** Why the submit was refused, the job failed, it could not be canceled or not be watched any longer. */
  readonly error: TailwaterError | null;
  /** Whether it is submitting or running. */
  readonly isBusy: boolean;
}

/** Submits, watches what comes of it, cancels it, and tries it again. */
export function useGeneration(options: GenerationOptions = {}): Generation {
  const client = useClient(options.client);
  const submission = useMemo(() => new Submission(client), [client]);
  const submitted = useSyncExternalStore(submission.subscribe, submission.view, submission.view);
  const { jobId, initial } = submitted;
  const watched = useJob(jobId, { ...options, initial });
  const job = jobId === null ? initial : watched.job;
  const failed = useMemo(() => failureOf(job.end), [job.end]);
  const phase = phaseOf(submitted, job);
  const { submit, cancel, retry, reset } = submission;
  return {
    submit,
    cancel,
    retry,
    reset,
    jobId,
    job,
    connection: watched.connection,
    phase,
    // What went wrong on the way is of no interest once the job has ended.
    error: job.end === null ? (submitted.error ?? watched.error) : failed,
    isBusy: phase === "submitting" || phase === "running",
  };
}

function phaseOf({ jobId, isSubmitting, error }: Submitted, { end }: JobState): GenerationPhase {
  if (isSubmitting) return "submitting";
  if (jobId === null) return error === null ? "idle" : "failed";
  return end?.type ?? "running";
}

/** A job's failure, as every other failure looks. */
function failureOf(end: End | null): TailwaterError | null {
  if (end?.type !== "failed") return null;
  const { code, message, retryable } = end.data;
  const text = (value: unknown, otherwise: string): string => (typeof value === "string" ? value : otherwise);
  return new TailwaterError(text(code, "failed"), text(message, "the job failed"), { retryable: retryable === true });
}
