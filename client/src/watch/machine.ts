// What a watch does next: a pure function of where it is, what happened, the time and a draw.
//
// There is one of these for whatever is watched: a job, a set of jobs, a project. It opens nothing
// and waits for nothing. It says what is to be done (`Command`) and by when it wants to hear again
// (`deadline`); whoever runs it does that, and tells it what came of it (`Happening`). The Rust
// client has the same machine, and both are held to `vectors/machine.json`.
//
// One thing is under way at a time: a stream, a poll, a look after a new address, or nothing. So a
// stream and a poll never run together, and one count of failures serves both.

import { move, type Turn } from "./moves.ts";
import type { Phase } from "./types.ts";

/** What of the world a machine is told. */
export type Happening =
  | { readonly what: "start" }
  /** The first event of a stream: only now is it known to get through. */
  | { readonly what: "hello"; readonly keepAliveMs: number | null }
  /** Bytes came; `idle` where they only said that the stream is alive. */
  | { readonly what: "heard"; readonly idle: boolean }
  /** The stream's `retry:` field. */
  | { readonly what: "retry"; readonly ms: number }
  /** The server is about to end the stream, and may say when to come back. */
  | { readonly what: "bye"; readonly retryMs: number | null }
  /** The stream ended or broke. */
  | { readonly what: "broken"; readonly reason: string }
  /** A native `EventSource` gave up and does not tell why. */
  | { readonly what: "closed" }
  /** An answer to a stream or a poll that says no. */
  | { readonly what: "refused"; readonly status: number; readonly retryAfterMs: number; readonly reason: string }
  /** A poll that came to nothing, without an answer. */
  | { readonly what: "failed"; readonly reason: string }
  /** A page of events: how many, and when the server wants to be asked again. */
  | { readonly what: "page"; readonly events: number; readonly pollAfterMs: number | null }
  /** The stream has another address now. */
  | { readonly what: "renewed" }
  /** What is watched is not the same any more; the stream is to be opened anew. */
  | { readonly what: "changed" }
  /** The page came to the front, the network came back, the machine woke up. */
  | { readonly what: "wake" }
  | { readonly what: "hidden"; readonly hidden: boolean }
  /** The deadline has passed. */
  | { readonly what: "tick" }
  /** Nothing more will come. */
  | { readonly what: "over" };

/** What whoever runs a machine is to do, in this order. */
export type Command =
  /** Open a stream behind the cursor. */
  | { readonly do: "open" }
  /** Ask for the events behind the cursor; the server may hold the answer for so many seconds. */
  | { readonly do: "poll"; readonly waitS: number }
  /** Ask for a fresh address of the stream. */
  | { readonly do: "renew" }
  /** Let go of whatever is under way. */
  | { readonly do: "drop" }
  /** The watch is over; with a code, against its will. */
  | { readonly do: "end"; readonly code: "refused" | "gave_up" | null };

/** What a machine may do, and how often it tries. */
export interface MachineOptions {
  /** Whether streams may be tried at all. */
  readonly streams: boolean;
  /** Whether it may fall back to polling. */
  readonly polls: boolean;
  /** Whether the server may be asked to hold a poll. */
  readonly waits: boolean;
  /** Delays are drawn from 0 to base · 2^n, at most the cap, in milliseconds. */
  readonly baseMs: number;
  readonly capMs: number;
  /** So many failures in a row, and it gives up; null for never. */
  readonly limit: number | null;
}

type Usual<Options> = { readonly [Option in keyof Options]?: Options[Option] | undefined };

/** Where a watch is: plain data. */
export interface Machine {
  readonly options: MachineOptions;
  readonly phase: Phase;
  readonly reason: string | null;
  /** When the next try is due, for people to see. */
  readonly retryAt: number | null;
  /** What is under way. */
  readonly busy: "nothing" | "stream" | "poll" | "renew";
  /** When it wants a `tick`. */
  readonly deadline: number | null;
  /** Whether it lives on polls for now. */
  readonly polling: boolean;
  /** Why it does, for people. */
  readonly pollingBecause: string | null;
  /** Whether the stream under way has said hello. */
  readonly greeted: boolean;
  /** Whether the server announced the end of this stream. */
  readonly leaving: boolean;
  /** Whether the poll under way is to find out why a stream was refused. */
  readonly asking: boolean;
  readonly hidden: boolean;
  /** When what is under way was begun. */
  readonly since: number;
  /** How long the server may hold the poll that is under way, in seconds. */
  readonly waitS: number;
  /** When the stream that is under way said hello. */
  readonly liveSince: number;
  readonly heardAt: number;
  /** The silence that is usual: as the server says, or longer where longer was seen. */
  readonly keepAliveMs: number;
  /** The server's `retry:`; null before it named one. */
  readonly retryMs: number | null;
  /** Failures in a row, of streams and polls alike. */
  readonly failures: number;
  /** Streams in a row that broke before their hello, or right after it. */
  readonly strikes: number;
  /** Polls in a row that the network did not hold for as long as asked. */
  readonly cutWaits: number;
  /** Polls in a row without news. */
  readonly quiet: number;
  /** When a stream is tried again. */
  readonly probeAt: number;
  /** How many such tries failed. */
  readonly probes: number;
  /** Whether the address was renewed since a stream last got through. */
  readonly renewed: boolean;
}

/** The server's own interval, unless its hello says another. */
const KEEP_ALIVE_MS = 5_000;

/** A machine that has not started; what is not said of it is usual. */
export function newMachine(
  { streams = true, polls = true, waits = true, baseMs = 500, capMs = 30_000, limit = null }: Usual<MachineOptions> = {},
): Machine {
  return {
    options: { streams, polls, waits, baseMs, capMs, limit },
    phase: "connecting",
    reason: null,
    retryAt: null,
    busy: "nothing",
    deadline: null,
    polling: false,
    pollingBecause: null,
    greeted: false,
    leaving: false,
    asking: false,
    hidden: false,
    since: 0,
    waitS: 0,
    liveSince: 0,
    heardAt: 0,
    keepAliveMs: KEEP_ALIVE_MS,
    retryMs: null,
    failures: 0,
    strikes: 0,
    cutWaits: 0,
    quiet: 0,
    probeAt: 0,
    probes: 0,
    renewed: false,
  };
}

/** Where a machine is after something happened, and what is to be done. */
export interface Step {
  readonly machine: Machine;
  readonly commands: readonly Command[];
}

/**
 * What follows when something happened at a time.
 *
 * @param draw a number from 0 up to 1, drawn anew for each step: the jitter
 */
export function step(machine: Machine, happening: Happening, now: number, draw: number): Step {
  if (machine.phase === "ended") return { machine, commands: [] };
  const turn: Turn = { ...machine, now, draw, commands: [] };
  move(turn, happening);
  const { now: _now, draw: _draw, commands, ...next } = turn;
  return { machine: next, commands };
}
