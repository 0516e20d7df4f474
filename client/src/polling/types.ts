// What smart polling takes and gives: the words that its callers use.

/** How a poll went on its way, and how often. */
export interface PollingOptions {
  /**
   * The longest that is waited, in milliseconds from the start (default seven minutes). It is
   * strict: a request that hangs is cut. The job is not canceled by it.
   */
  readonly maxDuration?: number | undefined;
  /** The wait after the first poll, in milliseconds (default 1,000); then come 2,000 and 5,000. */
  readonly initialInterval?: number | undefined;
  /** The longest wait between polls (default 10,000), unless the server asks for a longer one. */
  readonly maxInterval?: number | undefined;
  /** By what each error in a row multiplies the wait (default 2). */
  readonly backoffMultiplier?: number | undefined;
  /** So many errors in a row and the poll gives up (default 5). */
  readonly maxConsecutiveErrors?: number | undefined;
  /** Called after each poll that was not the last one; the times are milliseconds. */
  readonly onProgress?: ((attempt: number, elapsed: number, nextInterval: number) => void) | undefined;
  /** Lets go of the poll, its sleep and its request. A poll that is shared goes on for the others. */
  readonly signal?: AbortSignal | undefined;
  /** Joins a poll of the same id if there is one, by that one's options, in place of replacing it. */
  readonly shared?: boolean | undefined;
}

/** How a file or a project is asked after. */
export interface ResourceOptions extends PollingOptions {
  /** Where the server is, as `https://jobs.example.com` (default: the page's own origin). */
  readonly baseUrl?: string | undefined;
  /** Sent as `Authorization: Bearer`. */
  readonly token?: string | undefined;
}

/**
 * Why a poll ended: `polling`: it got the job's end, good or bad; `timeout`: `maxDuration` is over;
 * `error`: the server refused, or there were too many errors; `stopped`: by `stopPolling` or
 * `stopAllPolling`; `replaced`: by a newer poll of the same id; `aborted`: by the caller's signal.
 */
export type PollingMethod = "polling" | "timeout" | "error" | "stopped" | "replaced" | "aborted";

/** What is polled for. */
export interface PollingSubject {
  readonly fileId?: string;
  readonly projectId?: string;
}

/** What is left of a poll that ended before its job was known to have ended: enough to go on. */
export interface PollingHandle<T> extends PollingSubject {
  readonly pollId: string;
  /** The job behind it, if an answer has named it: `Tailwater.watch` takes it. */
  readonly jobId?: string;
  /** Polls on, with the options of before where no others are given, and a time of its own. */
  resume(options?: PollingOptions): Promise<PollingResult<T>>;
}

/** What came of a poll. The promise of it never rejects, and always settles. */
export interface PollingResult<T = unknown> {
  readonly success: boolean;
  /** The newest answer, where it is the last word on the job. */
  readonly data?: T;
  /** For people; there whenever `success` is not. */
  readonly error?: string;
  /** How many polls were begun. */
  readonly attempts: number;
  /** From the start, in milliseconds. */
  readonly duration: number;
  readonly method: PollingMethod;
  /** There unless the job is known to have ended. */
  readonly handle?: PollingHandle<T>;
}

/** What one poll has found out. */
export interface PollOutcome<T> {
  /** Whether what was waited for is there. */
  readonly completed: boolean;
  readonly data?: T;
  readonly error?: string;
  /** `false` ends the poll without success: the job failed, say. */
  readonly shouldContinue?: boolean;
  /** When the server wants to be asked again, in milliseconds: never sooner. */
  readonly pollAfterMs?: number | null;
  /** Whether the server was let hold the request, so that its time counts as waited. */
  readonly held?: boolean;
  readonly jobId?: string;
}

/** What a poll function is told. */
export interface PollContext {
  /** Aborted when nobody waits for the answer any more; the request is to end then. */
  readonly signal: AbortSignal;
  /** From 1. */
  readonly attempt: number;
  /** What is left of `maxDuration`, in milliseconds. */
  readonly remainingMs: number;
  /** Has this poll cut after so many milliseconds, and tried again without counting as an error. */
  cutAfter(ms: number): void;
}

/**
 * Asks once. What it throws is judged by its `status`: 404 goes on, 429 waits (`retryAfterMs`, or
 * `retryAfter` as in the header), other refusals end the poll, all else is tried again.
 */
export type PollFunction<T> = (context: PollContext) => PollOutcome<T> | Promise<PollOutcome<T>>;

/** A poll that is going on. */
export interface PollingStatus {
  readonly pollId: string;
  readonly attempts: number;
  /** Milliseconds since it began. */
  readonly elapsed: number;
  /** What went wrong with the newest poll; null while all is well. */
  readonly lastError: string | null;
}
