// Smart polling: for pages that only want to know when it is done, and for networks that let no
// stream through.
//
// `manager` knows who polls for what; `poll` is one poll, `rest` its waiting, `schedule` how long it
// waits, `trouble` what it makes of errors; `request` asks over HTTP, `subjects` says after what.

export { pollFileCompletion, pollProjectCompletion, smartPollingManager, SmartPollingManager } from "./manager.ts";
export type {
  PollContext, PollFunction, PollingHandle, PollingMethod, PollingOptions, PollingResult, PollingStatus, PollingSubject,
  PollOutcome, ResourceOptions,
} from "./types.ts";
export type { PollingWorld } from "./world.ts";
