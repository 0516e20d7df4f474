// The package's front door.

export type { Artifact, ControlEventData, EventId, JobEvent, JobEventData, Kind, Progress, Snapshot, Status, TerminalEvent } from "./events.ts";
export { isTerminal } from "./events.ts";
export type { Phase, RetryOptions, Transport, Watch, WatchOptions, WatchState } from "./watch/types.ts";
