// What is known of one job, as a pure fold over its events: no DOM, no clock, no network.
//
// A page keeps nothing else. After a reload the same events give the same state, and an event that
// comes twice, late or in pieces cannot change what is there already. The data of an event may be an
// external worker's, so nothing is believed of it before it was looked at.

import { isTerminal } from "./events.ts";
import type { Artifact, EventId, Kind, Status } from "./events.ts";
import { countScalars, skipScalars } from "./scalars.ts";

/** What a fold needs of an event; every `JobEvent` is one. */
export interface FoldableEvent {
  /** Null for a control event. */
  readonly id: EventId | null;
  readonly type: string;
  readonly data: unknown;
}

/** How far the work is. */
export interface Work {
  /** 0 to 99; 100 is left to the event that announces the result. */
  readonly percent: number;
  readonly stage: string;
  readonly message: string | null;
  readonly part: number | null;
  readonly parts: number | null;
}

/** A narration that can be played. */
export interface Narration {
  readonly artifactId: string;
  readonly url: string;
  readonly durationMs: number | null;
  readonly voice: string | null;
}

/** The terminal event. */
export interface End {
  readonly type: "completed" | "failed" | "canceled";
  readonly data: Readonly<Record<string, unknown>>;
}

/** What one attempt makes; dropped when the next attempt starts. */
interface AttemptWork {
  /** Where `text` begins, in Unicode scalar values: 0, unless the server trimmed a huge text. */
  readonly start: number;
  readonly text: string;
  /** Where `text` ends, in Unicode scalar values. */
  readonly length: number;
  /** Pieces that came before their predecessors. */
  readonly early: readonly { readonly at: number; readonly text: string }[];
  readonly progress: Work;
  readonly artifacts: readonly Artifact[];
  readonly narration: Narration | null;
}

/** What `GET /api/jobs/{id}` or the submit itself tells, which no event repeats. */
export interface JobFacts {
  readonly kind?: Kind;
  readonly input?: Readonly<Record<string, unknown>> | null;
  readonly model?: string | null;
  readonly created_at?: number;
  /** Micro-credits. */
  readonly hold?: number | null;
}

/** A job as far as its events tell. */
export interface JobState extends AttemptWork {
  readonly kind: Kind | null;
  readonly input: Readonly<Record<string, unknown>> | null;
  /** The slug of the model that makes it, for media. */
  readonly model: string | null;
  readonly createdAt: number | null;
  /** What is kept back for it, in micro-credits. */
  readonly hold: number | null;
  readonly status: Status;
  readonly attempt: number;
  /** Rises when the text is replaced instead of continued. */
  readonly revision: number;
  /** Its place in line while the job waits its turn. */
  readonly queue: { readonly position: number } | null;
  readonly end: End | null;
  /** The newest numbered event that was folded in. */
  readonly lastId: EventId;
  /** History was lost: whatever comes next starts over. */
  readonly stale: boolean;
}

type Data = Readonly<Record<string, unknown>>;

/** How many pieces may wait for the text before them; a bound, never met by an orderly stream. */
const EARLY_LIMIT = 1_000;

/** A job of which nothing is known yet. */
export const initialState = (): JobState => ({
  kind: null,
  input: null,
  model: null,
  createdAt: null,
  hold: null,
  revision: 0,
  ...untold(),
});

/** What events tell, before any did. */
const untold = () => ({ status: "pending", attempt: 0, ...emptyWork(), queue: null, end: null, lastId: 0, stale: false }) as const;

const emptyWork = (): AttemptWork => ({
  start: 0,
  text: "",
  length: 0,
  early: [],
  progress: { percent: 0, stage: "queued", message: null, part: null, parts: null },
  artifacts: [],
  narration: null,
});

/** Adds what no event repeats. */
export const withJob = (state: JobState, job: JobFacts): JobState => ({
  ...state,
  kind: job.kind ?? state.kind,
  input: job.input ?? state.input,
  model: job.model ?? state.model,
  createdAt: job.created_at ?? state.createdAt,
  hold: job.hold ?? state.hold,
});

/** Folds one event in; the answer is the same object when the event changes nothing. */
export function reduce(state: JobState, event: FoldableEvent): JobState {
  const data = isRecord(event.data) ? event.data : {};
  if (event.id === null) return control(state, event.type, data);
  if (event.type === "snapshot") return { ...fromSnapshot(state, data), lastId: event.id };
  const known = state.stale ? startOver(state) : state;
  if (event.id <= known.lastId) return known;
  return { ...numbered(known, event.type, data), lastId: event.id };
}

function control(state: JobState, type: string, data: Data): JobState {
  switch (type) {
    case "gap":
      return { ...state, stale: true };
    case "queue":
      return { ...state, queue: { position: wholeOf(data.position) ?? 0 } };
    case "hello":
      return { ...state, kind: kindOf(data.kind) ?? state.kind };
    default:
      return state;
  }
}

function numbered(state: JobState, type: string, data: Data): JobState {
  switch (type) {
    case "completed":
    case "failed":
    case "canceled":
      return { ...state, status: type, queue: null, end: { type, data } };
    case "status":
      return withStatus(state, data);
    case "progress":
      return { ...state, progress: withProgress(state.progress, data) };
    case "content":
      return withContent(state, data);
    case "artifact_ready":
      return withArtifact(state, data.artifact);
    case "tts_completed":
      return { ...state, narration: narrationOf(data.artifact_id, data) };
    default:
      return state;
  }
}

const startOver = (state: JobState): JobState => ({ ...state, ...untold(), revision: state.revision + 1 });

function withStatus(state: JobState, data: Data): JobState {
  const attempt = wholeOf(data.attempt) ?? state.attempt;
  if (attempt < state.attempt) return state;
  const base = attempt > state.attempt ? withAttempt(state, attempt) : state;
  const status = statusOf(data.status) ?? base.status;
  return { ...base, status, queue: status === "running" ? null : base.queue };
}

/** A new attempt writes from the beginning; files of the one before would not match its text. */
const withAttempt = (state: JobState, attempt: number): JobState => (
  { ...state, ...emptyWork(), attempt, revision: state.revision + 1 }
);

/** Progress of one attempt only rises, and leaves 100 to the event that announces the result. */
function withProgress(before: Work, data: Data): Work {
  return {
    percent: Math.max(before.percent, Math.min(99, Number(data.percent) || 0)),
    stage: textOf(data.stage) ?? before.stage,
    message: textOf(data.message),
    part: wholeOf(data.part),
    parts: wholeOf(data.parts),
  };
}

/** Places a piece by its offset, so that a duplicate or an overlap cannot corrupt the text. */
function withContent(before: JobState, data: Data): JobState {
  const text = textOf(data.text);
  if (text === null) return before;
  const attempt = wholeOf(data.attempt) ?? before.attempt;
  if (attempt < before.attempt) return before;
  const state = attempt > before.attempt ? withAttempt(before, attempt) : before;
  // An external worker may leave the offset out: its pieces simply follow each other.
  const at = wholeOf(data.offset) ?? state.length;
  if (at > state.length) {
    const early = [...state.early, { at, text }].slice(-EARLY_LIMIT);
    return { ...state, early: early.sort((left, right) => left.at - right.at) };
  }
  return takeEarly(append(state, at, text));
}

function append(state: JobState, at: number, text: string): JobState {
  const known = state.length - at;
  const fresh = known === 0 ? text : skipScalars(text, known);
  if (fresh === "") return state;
  return { ...state, text: state.text + fresh, length: state.length + countScalars(fresh) };
}

function takeEarly(state: JobState): JobState {
  const [first, ...early] = state.early;
  if (first === undefined || first.at > state.length) return state;
  return takeEarly(append({ ...state, early }, first.at, first.text));
}

function withArtifact(state: JobState, artifact: unknown): JobState {
  if (!isArtifact(artifact)) return state;
  const others = state.artifacts.filter(({ id }) => id !== artifact.id);
  return { ...state, artifacts: [...others, artifact] };
}

function narrationOf(id: unknown, { url, duration_ms: duration, voice }: Data): Narration | null {
  const address = textOf(url);
  if (address === null) return null;
  return { artifactId: textOf(id) ?? "", url: address, durationMs: numberOf(duration), voice: textOf(voice) };
}

/** The server's own fold over everything up to the snapshot's id replaces ours. */
function fromSnapshot(state: JobState, data: Data): JobState {
  const fresh = startOver(state);
  const text = textOf(data.text) ?? "";
  const start = wholeOf(data.text_offset) ?? 0;
  const artifacts = Array.isArray(data.artifacts) ? data.artifacts.filter(isArtifact) : [];
  const spoken = artifacts.find(({ kind }) => kind === "voice");
  const status = statusOf(data.status) ?? state.status;
  return {
    ...fresh,
    kind: kindOf(data.kind) ?? state.kind,
    status,
    attempt: wholeOf(data.attempt) ?? state.attempt,
    start,
    text,
    length: start + countScalars(text),
    progress: withProgress(fresh.progress, isRecord(data.progress) ? data.progress : {}),
    artifacts,
    narration: spoken === undefined ? null : narrationOf(spoken.id, { ...spoken }),
    end: isEnd(status) ? { type: status, data: isRecord(data.error) ? data.error : {} } : null,
  };
}

// ── What the wire may say ──

const KINDS: ReadonlySet<unknown> = new Set<Kind>([
  "blog", "voiceover", "chat", "video", "image", "lipsync", "external",
]);
const STATUSES: ReadonlySet<unknown> = new Set<Status>(["pending", "running", "completed", "failed", "canceled"]);

const isRecord = (value: unknown): value is Data => typeof value === "object" && value !== null;
const isEnd = (status: Status): status is End["type"] => isTerminal(status);
const isKind = (value: unknown): value is Kind => KINDS.has(value);
const isStatus = (value: unknown): value is Status => STATUSES.has(value);
const isArtifact = (value: unknown): value is Artifact => isRecord(value)
  && textOf(value.id) !== null && textOf(value.url) !== null;

const kindOf = (value: unknown): Kind | null => (isKind(value) ? value : null);
const statusOf = (value: unknown): Status | null => (isStatus(value) ? value : null);
const textOf = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null);
const numberOf = (value: unknown): number | null => (typeof value === "number" ? value : null);
const wholeOf = (value: unknown): number | null => (
  typeof value === "number" && Number.isInteger(value) ? value : null
);
