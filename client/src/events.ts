// The events of a job as the wire has them (PROTOCOL.md § 2), and nothing else.

/** The id of an event, rising over the whole server; below 2^53. */
export type EventId = number;

/** Where a job is in its life. */
export type Status = "pending" | "running" | "completed" | "failed" | "canceled";

/** What a job makes. */
export type Kind = "blog" | "voiceover" | "chat" | "video" | "image" | "lipsync" | "external";

/** A file that a job made. */
export interface Artifact {
  readonly id: string;
  /** `markdown`, `html`, `voice`, `image`, `video`, or an external worker's word. */
  readonly kind: string;
  readonly media_type: string;
  readonly url: string;
  readonly bytes: number;
  readonly duration_ms?: number;
  readonly width?: number;
  readonly height?: number;
}

/** How far a job is. */
export interface Progress {
  /** 0 to 100. */
  readonly percent: number;
  /** Absent while nobody has said one. */
  readonly stage?: string;
  readonly message?: string;
  readonly part?: number;
  readonly parts?: number;
}

/** Everything that a job is so far, in place of events that are gone. */
export interface Snapshot {
  readonly job: string;
  readonly kind: Kind;
  readonly status: Status;
  readonly attempt: number;
  readonly progress: Progress;
  readonly text: string;
  /** Where `text` begins, in Unicode scalar values. */
  readonly text_offset: number;
  readonly artifacts: readonly Artifact[];
}

/** When the server appended it, UTC milliseconds; our own events carry it. */
interface At {
  readonly at?: number;
}

/** Events about the job: each has an id, and comes once, in order. */
export interface JobEventData {
  status: At & { readonly status: "pending" | "running"; readonly attempt: number };
  progress: At & Progress;
  content: At & {
    readonly index: number;
    /** Where the piece begins, in Unicode scalar values. */
    readonly offset: number;
    readonly text: string;
    readonly attempt: number;
  };
  log: At & { readonly line: string; readonly level: string };
  artifact_ready: At & { readonly artifact: Artifact };
  tts_completed: At & {
    readonly artifact_id: string;
    readonly url: string;
    readonly duration_ms: number;
    readonly voice: string;
  };
  snapshot: Snapshot;
  completed: At & Readonly<Record<string, unknown>>;
  failed: At & { readonly code: string; readonly message: string; readonly retryable: boolean };
  canceled: At & { readonly reason: string };
}

/** Events about the connection or the queue: none has an id. */
export interface ControlEventData {
  hello: Readonly<Record<string, unknown>> & {
    readonly after: EventId | null;
    readonly head: EventId;
    /** After how long without a byte the server says that it is alive. */
    readonly keep_alive_ms?: number;
  };
  gap: { readonly from: EventId | null; readonly to: EventId; readonly reason: string };
  queue: { readonly position: number };
  bye: {
    readonly reason: string;
    /** When the server wants to be connected to again. */
    readonly retry_ms: number;
  };
}

type Identified<Data> = { [T in keyof Data & string]: { readonly id: EventId; readonly type: T; readonly data: Data[T] } };
type Unidentified<Data> = { [T in keyof Data & string]: { readonly id: null; readonly type: T; readonly data: Data[T] } };

/**
 * What a watcher is handed. An external worker's own event types are named by `Custom`, as in
 * `watch<{ "frame.rendered": { frame: number } }>(job)`.
 */
export type JobEvent<Custom = unknown> =
  | Identified<JobEventData>[keyof JobEventData]
  | Unidentified<ControlEventData>[keyof ControlEventData]
  | (unknown extends Custom ? never : Identified<Custom>[keyof Custom & string]);

/** The events after which nothing comes. */
export type TerminalEvent = Extract<JobEvent, { type: "completed" | "failed" | "canceled" }>;

const TERMINAL: ReadonlySet<string> = new Set(["completed", "failed", "canceled"]);

/** Whether a type of events, or a status, is one after which nothing comes. */
export const isTerminal = (type: string): boolean => TERMINAL.has(type);
