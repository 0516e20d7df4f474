// The package's front door.

export type { Artifact, ControlEventData, EventId, JobEvent, JobEventData, Kind, Progress, Snapshot, Status, TerminalEvent } from "./events.ts";
export { isTerminal } from "./events.ts";
export type { Phase, RetryOptions, Transport, Watch, WatchOptions, WatchState } from "./watch/types.ts";
export { costOf, isMedia, isOver, narrationProgress, overallPercent, pictures, wantsVoice } from "./questions.ts";
export type { Cost, NarrationProgress } from "./questions.ts";
export { initialState, reduce, withJob } from "./state.ts";
export type { End, FoldableEvent, JobFacts, JobState, Narration, Work } from "./state.ts";
