// A server's jobs, files, models and credits, as one object.

import { bodiless } from "./errors.ts";
import { Connection, type Call, type ConnectionOptions, type QueryValues } from "./http.ts";
import type { Model, ModelFilter, ModelList } from "./models.ts";
import { submitJob, type SubmitOptions } from "./submit.ts";
import type {
  CancelAnswer, Credits, EventPage, EventsQuery, FileView, Info, Job, JobFilter, JobPage, LedgerFilter, LedgerPage, ProjectView,
  SubmitAnswer, SubmitBody, Upload, UploadOptions,
} from "./types.ts";
import { watchJob, watchProject } from "./watch/index.ts";
import { jobPath } from "./watch/target.ts";
import type { ProjectWatch, ProjectWatchOptions, Watch, WatchOptions } from "./watch/types.ts";

/** What every call may be told. */
export interface CallOptions {
  /** Ends the call, never the job. */
  readonly signal?: AbortSignal;
}

/** An answer with the tag by which to ask whether it is still the newest. */
export type Tagged<Body> = Body & { readonly etag: string | null };

/**
 * A Tailwater server.
 *
 * Every call but `watch` asks once and throws a `TailwaterError` for whatever is no answer; a
 * submit asks again where the answer was lost. `cancel` ends a job; a signal ends only the waiting.
 */
export class Tailwater {
  /** The way to the server, for carriers and adapters of one's own. */
  readonly connection: Connection;

  constructor(options: ConnectionOptions = {}) {
    this.connection = new Connection(options);
  }

  /** Puts a job into the queue and gives its id at once. */
  submit(body: SubmitBody, options?: SubmitOptions): Promise<SubmitAnswer> {
    return submitJob(this.connection, body, options);
  }

  /** A job with everything that it made so far; null where nothing happened since the given tag. */
  get(jobId: string, options?: CallOptions): Promise<Tagged<Job>>;
  get(jobId: string, options: CallOptions & { readonly etag: string }): Promise<Tagged<Job> | null>;
  async get(jobId: string, { etag, signal }: CallOptions & { readonly etag?: string } = {}): Promise<Tagged<Job> | null> {
    const headers = etag === undefined ? {} : { "if-none-match": etag };
    const { body, status, etag: newest } = await this.connection.call<Job>(jobPath(jobId), { headers, signal });
    if (body !== null) return { ...body, etag: newest };
    if (etag !== undefined && status === 304) return null;
    throw bodiless(status);
  }

  /** Jobs that fit, newest first. */
  list(filter: JobFilter = {}, options?: CallOptions): Promise<JobPage> {
    return this.#get("/api/jobs", { ...filter }, options);
  }

  /** Ends a job; what it has made so far stays. Canceling twice is no error. */
  cancel(jobId: string, reason?: string, options?: CallOptions): Promise<CancelAnswer> {
    const json = reason === undefined ? {} : { reason };
    return this.connection.json(jobPath(jobId, "/cancel"), { ...options, method: "POST", json });
  }

  /** The events behind a cursor, as a page. */
  events(jobId: string, query: EventsQuery = {}, options?: CallOptions): Promise<EventPage> {
    return this.#get(jobPath(jobId, "/events"), { ...query }, options);
  }

  /** Gives the server a file for jobs to work on; its bytes say what it is. */
  upload(file: Blob | ArrayBuffer | ArrayBufferView<ArrayBuffer>, { name, project, signal }: UploadOptions & CallOptions = {}): Promise<Upload> {
    const call: Call = {
      method: "POST",
      query: { name: name ?? nameOf(file), project_id: project },
      body: file,
      headers: { "content-type": "application/octet-stream" },
      signal,
    };
    return this.connection.json("/api/uploads", call);
  }

  /** A file by its id, from the first second after its submit. */
  file(fileId: string, options?: CallOptions): Promise<FileView> {
    return this.#get(`/api/file/${encodeURIComponent(fileId)}`, {}, options);
  }

  /** A project's jobs, and whether any is still going. */
  project(projectId: string, options?: CallOptions): Promise<ProjectView> {
    return this.#get(`/api/project/${encodeURIComponent(projectId)}`, {}, options);
  }

  /** What can be made, by which models, and how well their providers are. */
  async models(filter: ModelFilter = {}, options?: CallOptions): Promise<readonly Model[]> {
    const { models } = await this.#get<ModelList>("/api/models", { ...filter }, options);
    return models;
  }

  /** A model, by its slug or another of its names. */
  model(slug: string, options?: CallOptions): Promise<Model> {
    // Slugs have slashes, which belong to the path.
    const segments = slug.split("/").map(encodeURIComponent);
    return this.#get(`/api/models/${segments.join("/")}`, {}, options);
  }

  /** What there is to spend. */
  credits(options?: CallOptions): Promise<Credits> {
    return this.#get("/api/credits", {}, options);
  }

  /** Where the credits went, newest first. */
  ledger(filter: LedgerFilter = {}, options?: CallOptions): Promise<LedgerPage> {
    return this.#get("/api/credits/ledger", { ...filter }, options);
  }

  /** What a page should tell people about the server. */
  info(options?: CallOptions): Promise<Info> {
    return this.#get("/api/info", {}, options);
  }

  /** The job's events from the cursor on, whatever carries them, until its end. */
  watch<Custom = unknown>(jobId: string, options: WatchOptions<Custom> = {}): Watch<Custom> {
    return watchJob(this.connection, jobId, options);
  }

  /** Every job of a project, new ones too; without `content` and `log`. */
  watchProject(projectId: string, options: ProjectWatchOptions = {}): ProjectWatch {
    return watchProject(this.connection, projectId, options);
  }

  #get<Body>(address: string, query: QueryValues, options: CallOptions = {}): Promise<Body> {
    return this.connection.json(address, { query, signal: options.signal });
  }
}

function nameOf(file: object): string | undefined {
  return "name" in file && typeof file.name === "string" ? file.name : undefined;
}
