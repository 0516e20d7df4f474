// The package's front door.

export { Tailwater } from "./client.ts";
export type { CallOptions, Tagged } from "./client.ts";
export { TailwaterError } from "./errors.ts";
export type { FieldError, Problem } from "./errors.ts";
export { isTerminal } from "./events.ts";
export type { Artifact, ControlEventData, EventId, JobEvent, JobEventData, Kind, Progress, Snapshot, Status, TerminalEvent } from "./events.ts";
export type { Answer, Call, Connection, ConnectionOptions, Fetch } from "./http.ts";
export type * from "./models.ts";
export { costOf, isMedia, isOver, narrationProgress, overallPercent, pictures, wantsVoice } from "./questions.ts";
export type { Cost, NarrationProgress } from "./questions.ts";
export { SmartPollingManager, pollFileCompletion, pollProjectCompletion, smartPollingManager } from "./polling/index.ts";
export type {
  PollContext, PollFunction, PollingHandle, PollingMethod, PollingOptions, PollingResult, PollingStatus, PollingSubject,
  PollOutcome, ResourceOptions,
} from "./polling/index.ts";
export { initialState, reduce, withJob } from "./state.ts";
export type { End, FoldableEvent, JobFacts, JobState, Narration, Work } from "./state.ts";
export type { SubmitOptions } from "./submit.ts";
export type * from "./types.ts";
export type {
  Phase, ProjectEvent, ProjectWatch, ProjectWatchOptions, RetryOptions, Transport, Watch, WatchOptions, WatchState,
} from "./watch/types.ts";
