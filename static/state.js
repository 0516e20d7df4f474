// What is known of one job, as a pure fold over its events: no DOM, no clock, no network.
//
// The page keeps nothing else. After a reload the same events give the same state, and an event
// that comes twice, late or in pieces cannot change what is there already.

/** Events after which nothing comes. */
export const TERMINAL = new Set(["completed", "failed", "canceled"]);

/** How many pieces may wait for the text before them; a bound, never met by an orderly stream. */
const EARLY_LIMIT = 1000;

/** A job of which nothing is known yet. */
export function initialState() {
  return {
    kind: null,
    input: null,
    /** The slug of the model that makes it, for media. */
    model: null,
    createdAt: null,
    /** What is kept back for it, in micro-credits. */
    hold: null,
    status: "pending",
    attempt: 0,
    ...emptyWork(),
    /** Rises when the text is replaced instead of continued. */
    revision: 0,
    /** `{position}` while the job waits its turn. */
    queue: null,
    /** `{type, data}` of the terminal event. */
    end: null,
    /** The newest numbered event that was folded in. */
    lastId: 0,
    /** History was lost: whatever comes next starts over. */
    stale: false,
  };
}

/** What one attempt makes; dropped when the next attempt starts. */
function emptyWork() {
  return {
    /** Where `text` begins, in Unicode scalar values: 0, unless the server trimmed a huge text. */
    start: 0,
    text: "",
    /** Where `text` ends, in Unicode scalar values. */
    length: 0,
    /** Pieces that came before their predecessors. */
    early: [],
    progress: { percent: 0, stage: "queued", message: null, part: null, parts: null },
    artifacts: [],
    /** `{url, durationMs, voice, artifactId}` once the narration can be played. */
    narration: null,
  };
}

/** Adds what `GET /api/jobs/{id}` or the submit itself tells, which no event repeats. */
export function withJob(state, job) {
  return {
    ...state,
    kind: job.kind ?? state.kind,
    input: job.input ?? state.input,
    model: job.model ?? state.model,
    createdAt: job.created_at ?? state.createdAt,
    hold: job.hold ?? state.hold,
  };
}

/**
 * Folds one event in: `{id, type, data}`, where `id` is null for a control event.
 *
 * @returns the same object when the event changes nothing
 */
export function reduce(state, event) {
  const data = event.data !== null && typeof event.data === "object" ? event.data : {};
  if (event.id === null || event.id === undefined) return control(state, event.type, data);
  if (event.type === "snapshot") return { ...fromSnapshot(state, data), lastId: event.id };
  if (state.stale) state = startOver(state);
  if (event.id <= state.lastId) return state;
  return { ...numbered(state, event.type, data), lastId: event.id };
}

function control(state, type, data) {
  switch (type) {
    case "gap":
      return { ...state, stale: true };
    case "queue":
      return { ...state, queue: data };
    case "hello":
      return { ...state, kind: data.kind ?? state.kind };
    default:
      return state;
  }
}

function numbered(state, type, data) {
  if (TERMINAL.has(type)) return { ...state, status: type, queue: null, end: { type, data } };
  switch (type) {
    case "status":
      return withStatus(state, data);
    case "progress":
      return { ...state, progress: withProgress(state.progress, data) };
    case "content":
      return withContent(state, data);
    case "artifact_ready":
      return withArtifact(state, data.artifact);
    case "tts_completed":
      return { ...state, narration: narrationOf(data) };
    default:
      return state;
  }
}

function startOver(state) {
  const { kind, input, model, createdAt, hold, revision } = state;
  return { ...initialState(), kind, input, model, createdAt, hold, revision: revision + 1 };
}

function withStatus(state, { status, attempt = state.attempt }) {
  if (attempt < state.attempt) return state;
  const base = attempt > state.attempt ? withAttempt(state, attempt) : state;
  return { ...base, status: status ?? base.status, queue: status === "running" ? null : base.queue };
}

/** A new attempt writes from the beginning; files of the one before would not match its text. */
function withAttempt(state, attempt) {
  return { ...state, ...emptyWork(), attempt, revision: state.revision + 1 };
}

/** Progress of one attempt only rises, and leaves 100 to the event that announces the result. */
function withProgress(before, { percent = 0, stage, message, part, parts }) {
  return {
    percent: Math.max(before.percent, Math.min(99, Number(percent) || 0)),
    stage: stage || before.stage,
    message: message ?? null,
    part: part ?? null,
    parts: parts ?? null,
  };
}

/** Places a piece by its offset, so that a duplicate or an overlap cannot corrupt the text. */
function withContent(state, { text, offset, attempt }) {
  if (typeof text !== "string" || text === "") return state;
  if (Number.isInteger(attempt)) {
    if (attempt < state.attempt) return state;
    if (attempt > state.attempt) state = withAttempt(state, attempt);
  }
  // An external worker may leave the offset out: its pieces simply follow each other.
  const at = Number.isInteger(offset) ? offset : state.length;
  if (at > state.length) {
    const early = [...state.early, { at, text }].slice(-EARLY_LIMIT);
    return { ...state, early: early.sort((left, right) => left.at - right.at) };
  }
  return takeEarly(append(state, at, text));
}

function append(state, at, text) {
  const known = state.length - at;
  const fresh = known === 0 ? text : skipScalars(text, known);
  if (fresh === "") return state;
  return { ...state, text: state.text + fresh, length: state.length + countScalars(fresh) };
}

function takeEarly(state) {
  while (state.early.length > 0 && state.early[0].at <= state.length) {
    const [first, ...early] = state.early;
    state = append({ ...state, early }, first.at, first.text);
  }
  return state;
}

function withArtifact(state, artifact) {
  if (!artifact?.id) return state;
  const others = state.artifacts.filter(({ id }) => id !== artifact.id);
  return { ...state, artifacts: [...others, artifact] };
}

function narrationOf({ artifact_id, url, duration_ms, voice }) {
  return { artifactId: artifact_id, url, durationMs: duration_ms ?? null, voice: voice ?? null };
}

/** The server's own fold over everything up to the snapshot's id replaces ours. */
function fromSnapshot(state, data) {
  const text = typeof data.text === "string" ? data.text : "";
  const start = Number.isInteger(data.text_offset) ? data.text_offset : 0;
  const artifacts = Array.isArray(data.artifacts) ? data.artifacts : [];
  const spoken = artifacts.find(({ kind }) => kind === "voice");
  const fresh = startOver(state);
  return {
    ...fresh,
    kind: data.kind ?? state.kind,
    status: data.status ?? state.status,
    attempt: data.attempt ?? state.attempt,
    start,
    text,
    length: start + countScalars(text),
    progress: withProgress(fresh.progress, data.progress ?? {}),
    artifacts,
    narration: spoken ? narrationOf({ artifact_id: spoken.id, ...spoken }) : null,
    end: TERMINAL.has(data.status) ? { type: data.status, data: data.error ?? {} } : null,
  };
}

/** How many Unicode scalar values a string has; JavaScript counts UTF-16 units instead. */
export function countScalars(text) {
  let count = text.length;
  for (let index = 0; index < text.length - 1; index += 1) {
    if (isPair(text, index)) {
      count -= 1;
      index += 1;
    }
  }
  return count;
}

/** The string without its first `count` Unicode scalar values. */
export function skipScalars(text, count) {
  let index = 0;
  while (count > 0 && index < text.length) {
    index += isPair(text, index) ? 2 : 1;
    count -= 1;
  }
  return text.slice(index);
}

function isPair(text, index) {
  return (text.charCodeAt(index) & 0xfc00) === 0xd800
    && (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00;
}

/** Whether nothing more will happen. */
export const isOver = (state) => state.end !== null;

/** What a model of the catalog makes. */
const MEDIA = new Set(["video", "image", "lipsync"]);

/** Whether the job makes something to look at, by a model of the catalog. */
export const isMedia = (state) => MEDIA.has(state.kind);

/** The videos and images that it made, each `{id, kind, url, bytes, width, height, duration_ms}`. */
export const pictures = ({ artifacts }) => artifacts
  .filter(({ kind }) => kind === "video" || kind === "image");

/** What became of the credits: `{what, micro}` in micro-credits: `held`, `cost`, `released`, or null. */
export function costOf({ hold, end }) {
  if (end?.type === "completed") {
    return Number.isFinite(end.data.cost) ? { what: "cost", micro: end.data.cost } : { what: null, micro: 0 };
  }
  if (!(hold > 0)) return { what: null, micro: 0 };
  return end === null ? { what: "held", micro: hold } : { what: "released", micro: hold };
}

/** Whether the job makes (or made) something to listen to. */
export const wantsVoice = (state) => state.kind === "voiceover"
  || Boolean(state.input?.voiceover)
  || state.narration !== null
  || state.progress.stage === "narrating";

/** How far the job is: 100 only once the narration can be played, or the job is complete. */
export function overallPercent(state) {
  if (state.status === "completed" || state.narration !== null) return 100;
  return Math.round(state.progress.percent);
}

/** How far the narration is: `{phase, percent, part, parts}`; 100 only with `tts_completed`. */
export function narrationProgress(state) {
  if (state.narration !== null) return { phase: "ready", percent: 100, part: null, parts: null };
  const { stage, part, parts } = state.progress;
  const counted = part !== null && parts > 0;
  const percent = counted ? Math.min(99, Math.round((100 * part) / parts)) : 0;
  if (isOver(state)) return { phase: "absent", percent, part, parts };
  const phase = stage === "narrating" || stage === "finishing" ? "making" : "waiting";
  return { phase, percent, part, parts };
}
