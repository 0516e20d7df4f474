// Who polls for what: one poll for each id, however many callers.

import { Connection } from "../http.ts";
import type { FileView, ProjectView } from "../types.ts";

import { Poll } from "./poll.ts";
import { Question } from "./request.ts";
import { limitsOf } from "./schedule.ts";
import { fileResource, projectResource, type Resource } from "./subjects.ts";
import type {
  PollFunction, PollingHandle, PollingOptions, PollingResult, PollingStatus, PollingSubject, ResourceOptions,
} from "./types.ts";
import { realWorld, type PollingWorld } from "./world.ts";

const STOPPED = ["stopped", "Polling stopped"] as const;

/**
 * Polls until something is done: once for each id, politely, and for seven minutes at the most.
 *
 * An id is the poll's own (`file-…`, `project-…`, or what `startPolling` was given), or that of the
 * file or project that is polled for.
 */
export class SmartPollingManager {
  readonly #world: PollingWorld;
  /** What a poll brings is known to those who started it. */
  readonly #polls = new Map<string, Poll<unknown>>();

  /** @param world takes the place of parts of the world around it, such as `fetch` or `baseUrl` */
  constructor(world: Partial<PollingWorld> = {}) {
    this.#world = { ...realWorld, ...world };
  }

  /**
   * Calls `ask` until it has an end. A poll of the same id is replaced, and its promise settles;
   * with `shared` it is joined: `ask` is not called then, and both get the same result.
   *
   * @param subject what the handle of an unfinished poll tells besides its id
   */
  startPolling<T>(
    pollId: string,
    ask: PollFunction<T>,
    options: PollingOptions = {},
    subject: PollingSubject = {},
  ): Promise<PollingResult<T>> {
    const handle = (jobId: string | null): PollingHandle<T> => ({
      pollId,
      ...subject,
      ...(jobId === null ? {} : { jobId }),
      // Those who shared the poll share what follows it; its signal was for what is over.
      resume: (more = {}) => this.startPolling(pollId, ask, { ...options, signal: undefined, shared: true, ...more }, subject),
    });
    const active = this.#polls.get(pollId);
    if (active !== undefined && options.shared === true) {
      // Callers who share an id poll for the same thing.
      return active.join(options) as Promise<PollingResult<T>>;
    }
    const poll: Poll<T> = new Poll<T>({
      pollId,
      ask,
      limits: limitsOf(options),
      world: this.#world,
      handle,
      onEnd: () => {
        if (this.#polls.get(pollId) === poll) this.#polls.delete(pollId);
      },
    });
    const result = poll.join(options);
    if (options.signal?.aborted === true) return result;
    active?.end("replaced", `Polling replaced by a newer poll of ${pollId}`);
    this.#polls.set(pollId, poll);
    void poll.run();
    return result;
  }

  /** Polls until a file is there, or will never be. */
  pollFileCompletion(fileId: string, options: ResourceOptions = {}): Promise<PollingResult<FileView>> {
    return this.#pollResource(fileResource(fileId), options);
  }

  /** Polls until none of a project's jobs is going; a project that has no job yet is waited for. */
  pollProjectCompletion(projectId: string, options: ResourceOptions = {}): Promise<PollingResult<ProjectView>> {
    return this.#pollResource(projectResource(projectId), options);
  }

  /** The polls that are going on. */
  getPollingStatus(): PollingStatus[] {
    return [...this.#polls.values()].map((poll) => poll.status);
  }

  /** Whether there is a poll of this id. */
  isPolling(id: string): boolean {
    return this.#find(id) !== undefined;
  }

  /** Ends a poll, and never its job; tells whether there was one. */
  stopPolling(id: string): boolean {
    const poll = this.#find(id);
    poll?.end(...STOPPED);
    return poll !== undefined;
  }

  /** Ends all polls. Nothing is left of them: no timer, no listener, no request, no open promise. */
  stopAllPolling(): void {
    for (const poll of [...this.#polls.values()]) poll.end(...STOPPED);
  }

  #find(id: string): Poll<unknown> | undefined {
    return this.#polls.get(id) ?? this.#polls.get(`file-${id}`) ?? this.#polls.get(`project-${id}`);
  }

  #pollResource<View extends FileView | ProjectView>(
    resource: Resource<View>,
    options: ResourceOptions,
  ): Promise<PollingResult<View>> {
    const { pollId, subject } = resource;
    const { fetch, ...world } = this.#world;
    const { baseUrl = world.baseUrl, token = world.token } = options;
    const connection = new Connection({ baseUrl, fetch, ...(token === undefined ? {} : { token }) });
    const question = new Question(connection, resource);
    return this.startPolling(pollId, (context) => question.ask(context), options, subject);
  }
}

/** The polls of this page or process. */
export const smartPollingManager = /* @__PURE__ */ new SmartPollingManager();

/** Polls by the singleton until a file is there, or will never be. */
export const pollFileCompletion = (fileId: string, options: ResourceOptions = {}): Promise<PollingResult<FileView>> =>
  smartPollingManager.pollFileCompletion(fileId, options);

/** Polls by the singleton until none of a project's jobs is going. */
export const pollProjectCompletion = (
  projectId: string,
  options: ResourceOptions = {},
): Promise<PollingResult<ProjectView>> => smartPollingManager.pollProjectCompletion(projectId, options);
