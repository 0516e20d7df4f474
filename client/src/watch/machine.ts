// What a watch does next: a pure function of where it is, what happened, the time and a draw.
//
// There is one of these for whatever is watched: a job, a set of jobs, a project. It opens nothing
// and waits for nothing. It says what is to be done (`Command`) and by when it wants to hear again
// (`deadline`); whoever runs it does that, and tells it what came of it (`Happening`). The Rust
// client has the same machine, and both are held to `vectors/machine.json`.
//
// One thing is under way at a time: a stream, a poll, a look after a new address, or nothing. So a
// stream and a poll never run together, and one count of failures serves both.

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
  /** When the next poll is due. */
  readonly pollAt: number;
  /** When a stream is tried again. */
  readonly probeAt: number;
  /** How many such tries failed. */
  readonly probes: number;
  /** Whether the address was renewed since a stream last got through. */
  readonly renewed: boolean;
}

/** A stream says hello within this time, or something holds it back. */
const HELLO_MS = 3_000;
/** The server's own interval, unless its hello says another. */
const KEEP_ALIVE_MS = 5_000;
/** So many keep-alives missed, and a little, and the stream is dead. */
const MISSED = 3;
const SLACK_MS = 1_000;
/** A stream that lived this long starts the delays from the beginning. */
const STABLE_MS = 10_000;
/** One that did not live this long was cut at once. */
const SHORT_MS = 1_000;
/** So many streams in a row that did not get through, and it polls. */
const STRIKES = 3;
/** While polling, a stream is tried after these times, the last one again and again. */
const PROBE_MS = [30_000, 60_000, 120_000, 300_000] as const;
/** How long the server may hold a poll: below every proxy's limit. */
const WAIT_S = 20;
/** An answer that is later than that (and the wait) will not come. */
const ANSWER_MS = 10_000;
/** So many held polls cut by the network, and the server is no longer asked to hold them. */
const CUT_WAITS = 2;
/** Polls begin at least this far apart, however fast events come: a page takes many. */
const PACE_MS = 250;
/** The delays between polls that bring nothing, where the server names none. */
const QUIET_MS = [1_000, 2_000, 5_000, 10_000] as const;
/** How far apart polls are that nobody sees. */
const HIDDEN_MS = 60_000;

/** A machine that has not started. */
export function newMachine(options: Partial<MachineOptions> = {}): Machine {
  return {
    options: { streams: true, polls: true, waits: true, baseMs: 500, capMs: 30_000, limit: null, ...options },
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
    pollAt: 0,
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
  switch (happening.what) {
    case "start":
      return machine.options.streams ? open(machine, now) : poll({ ...machine, polling: true }, now);
    case "hello":
      return stay(greet(machine, happening.keepAliveMs, now));
    case "heard":
      return stay(hear(machine, happening.idle, now));
    case "retry":
      return stay({ ...machine, retryMs: happening.ms });
    case "bye":
      return stay({ ...machine, leaving: true, retryMs: happening.retryMs ?? machine.retryMs });
    case "broken":
      return machine.busy === "stream" ? broken(machine, happening.reason, now, draw) : stay(machine);
    case "closed":
      return machine.busy === "stream" ? ask(machine, now) : stay(machine);
    case "refused":
      return refused(machine, happening, now, draw);
    case "failed":
      return failed(machine, happening.reason, now, draw);
    case "page":
      return machine.busy === "poll" ? page(machine, happening, now) : stay(machine);
    case "renewed":
      return machine.busy === "renew" ? open({ ...machine, renewed: true }, now) : stay(machine);
    case "changed":
      return changed(machine, now);
    case "wake":
      return wake(machine, now);
    case "hidden":
      return stay({ ...machine, hidden: happening.hidden });
    case "tick":
      return tick(machine, now, draw);
    case "over":
      return end(machine, null, null);
  }
}

// ── Streams ──

function open(machine: Machine, now: number): Step {
  const next: Machine = {
    ...machine,
    busy: "stream",
    greeted: false,
    leaving: false,
    since: now,
    retryAt: null,
    deadline: now + HELLO_MS,
  };
  return { machine: next, commands: [{ do: "open" }] };
}

function greet(machine: Machine, keepAliveMs: number | null, now: number): Machine {
  if (machine.busy !== "stream") return machine;
  const next: Machine = {
    ...machine,
    phase: "live",
    reason: null,
    retryAt: null,
    polling: false,
    greeted: true,
    renewed: false,
    liveSince: now,
    heardAt: now,
    keepAliveMs: keepAliveMs ?? machine.keepAliveMs,
    probes: 0,
    quiet: 0,
  };
  return { ...next, deadline: now + silenceLimit(next) };
}

/** What is heard before the hello proves nothing: it may be a proxy that speaks. */
function hear(machine: Machine, idle: boolean, now: number): Machine {
  if (!machine.greeted || machine.busy !== "stream") return machine;
  const seen = now - machine.heardAt;
  // Longer than the limit was no interval but a sleep: awake, the stream would have been given up.
  const learns = idle && seen > machine.keepAliveMs && seen <= silenceLimit(machine);
  const keepAliveMs = learns ? seen : machine.keepAliveMs;
  const next = { ...machine, heardAt: now, keepAliveMs };
  return { ...next, deadline: now + silenceLimit(next) };
}

const silenceLimit = ({ keepAliveMs }: Machine): number => MISSED * keepAliveMs + SLACK_MS;

function broken(machine: Machine, reason: string, now: number, draw: number): Step {
  const lived = now - machine.liveSince;
  const stable = machine.greeted && lived >= STABLE_MS;
  const struck = !machine.leaving && (!machine.greeted || lived < SHORT_MS);
  const next: Machine = {
    ...machine,
    failures: stable ? 0 : machine.failures,
    strikes: struck ? machine.strikes + 1 : machine.greeted ? 0 : machine.strikes,
  };
  if (machine.leaving && machine.retryMs !== null) return comeBack(next, machine.retryMs, now);
  if (isProbe(machine)) return resumePolling(next, now);
  if (next.strikes >= STRIKES && machine.options.polls) return startPolling(next, reason, now);
  return tryAgain(next, reason, 0, now, draw);
}

/** The server named the time itself, drawn for this reader. */
function comeBack(machine: Machine, delay: number, now: number): Step {
  if (isProbe(machine)) return resumePolling(machine, now);
  const failures = machine.greeted ? machine.failures : machine.failures + 1;
  const next = { ...machine, failures };
  if (isSpent(next)) return end(next, "gave_up", "the server keeps asking to come back later");
  return wait(next, "the server asked to come back", now + delay);
}

/** Whether the stream under way is only a try of one that lives on polls. */
const isProbe = (machine: Machine): boolean => machine.polling && machine.busy === "stream" && !machine.greeted;

/** Another try after a delay; the server's hint is a floor, and jittered too. */
function tryAgain(machine: Machine, reason: string, hintMs: number, now: number, draw: number): Step {
  const next = { ...machine, failures: machine.failures + 1 };
  if (isSpent(next)) return end(next, "gave_up", reason);
  return wait(next, reason, now + delayOf(machine, hintMs, draw));
}

function delayOf(machine: Machine, hintMs: number, draw: number): number {
  const { baseMs, capMs } = machine.options;
  const base = machine.polling ? baseMs : (machine.retryMs ?? baseMs);
  const drawn = draw * Math.min(capMs, base * 2 ** Math.min(machine.failures, 30));
  return Math.round(hintMs > 0 ? Math.max(drawn, hintMs * (1 + draw / 5)) : drawn);
}

const isSpent = ({ failures, options: { limit } }: Machine): boolean => limit !== null && failures > limit;

function wait(machine: Machine, reason: string, until: number): Step {
  return stay({ ...machine, busy: "nothing", phase: "reconnecting", reason, retryAt: until, deadline: until });
}

function changed(machine: Machine, now: number): Step {
  if (machine.busy === "stream") return afterDrop(open(machine, now));
  const rests = machine.polling && machine.busy === "nothing" && machine.failures === 0;
  return rests ? poll(machine, now) : stay(machine);
}

// ── Polls ──

/** `EventSource` does not tell a status; a page of the same events does. */
function ask(machine: Machine, now: number): Step {
  if (isProbe(machine)) return resumePolling(machine, now);
  return poll({ ...lost(machine, "the stream was refused"), asking: true }, now);
}

/** What was live is not any more; what comes of it is seen with the next answer. */
const lost = (machine: Machine, reason: string): Machine => ({
  ...machine,
  phase: machine.phase === "live" ? "reconnecting" : machine.phase,
  reason,
});

function startPolling(machine: Machine, reason: string, now: number): Step {
  const next: Machine = {
    ...lost(machine, reason),
    failures: machine.failures + 1,
    polling: true,
    pollingBecause: reason,
    strikes: 0,
    quiet: 0,
    probeAt: now + PROBE_MS[0],
  };
  return isSpent(next) ? end(next, "gave_up", reason) : poll(next, now);
}

/** A stream was tried while polling, and did not get through. */
function resumePolling(machine: Machine, now: number): Step {
  const probes = machine.probes + 1;
  const pause = PROBE_MS[Math.min(probes, PROBE_MS.length - 1)] ?? PROBE_MS[0];
  return poll({ ...machine, phase: "polling", probes, strikes: 0, probeAt: now + pause }, now);
}

function poll(machine: Machine, now: number): Step {
  const waitS = waitOf(machine);
  const deadline = now + waitS * 1_000 + ANSWER_MS;
  return {
    machine: { ...machine, busy: "poll", since: now, waitS, retryAt: null, deadline },
    commands: [{ do: "poll", waitS }],
  };
}

/** Only a poll that is known to get through is held: until then an answer is wanted at once. */
function waitOf({ options, phase, asking, cutWaits }: Machine): number {
  return options.waits && phase === "polling" && !asking && cutWaits < CUT_WAITS ? WAIT_S : 0;
}

function page(machine: Machine, { events, pollAfterMs }: Extract<Happening, { what: "page" }>, now: number): Step {
  if (machine.asking) return answered(machine, now);
  const next: Machine = {
    ...machine,
    busy: "nothing",
    phase: "polling",
    reason: machine.pollingBecause,
    retryAt: null,
    failures: 0,
    cutWaits: machine.waitS > 0 ? 0 : machine.cutWaits,
    quiet: events > 0 ? 0 : machine.quiet + 1,
  };
  if (next.options.streams && next.probeAt <= now) return open(next, now);
  return pollLater(next, pollAfterMs, now);
}

/** The server answers, only the stream was refused: perhaps something in between does not let it through. */
function answered(machine: Machine, now: number): Step {
  const next = { ...machine, asking: false, strikes: machine.strikes + 1 };
  if (next.strikes < STRIKES - 1 || !machine.options.polls) return open(next, now);
  return startPolling(next, "streams are refused on the way", now);
}

function pollLater(machine: Machine, pollAfterMs: number | null, now: number): Step {
  const held = waitOf(machine) > 0;
  const usual = QUIET_MS[Math.min(machine.quiet, QUIET_MS.length) - 1] ?? PACE_MS;
  const delay = held ? 0 : Math.max(pollAfterMs ?? 0, usual);
  const soonest = Math.max(now + delay, machine.since + PACE_MS);
  return pollAt(machine, machine.hidden ? Math.max(soonest, now + HIDDEN_MS) : soonest, now);
}

function pollAt(machine: Machine, at: number, now: number): Step {
  const next = { ...machine, pollAt: at };
  if (at <= now) return poll(next, now);
  const deadline = next.options.streams ? Math.min(at, next.probeAt) : at;
  return stay({ ...next, busy: "nothing", deadline });
}

function failed(machine: Machine, reason: string, now: number, draw: number): Step {
  if (machine.busy === "renew") return tryAgain(machine, reason, 0, now, draw);
  return machine.busy === "poll" ? pollFailed(machine, reason, 0, now, draw) : stay(machine);
}

function pollFailed(machine: Machine, reason: string, hintMs: number, now: number, draw: number): Step {
  // One that failed at once was not cut while it was held.
  const cut = machine.waitS > 0 && now - machine.since >= SHORT_MS;
  const cutWaits = cut ? machine.cutWaits + 1 : machine.cutWaits;
  // Who cannot reach the server at all knows nothing of its streams: one is tried as soon as it answers.
  const next: Machine = { ...machine, asking: false, cutWaits, probeAt: now };
  const step = tryAgain(next, reason, hintMs, now, draw);
  return { ...step, machine: { ...step.machine, pollAt: step.machine.retryAt ?? now } };
}

// ── Both ──

/** Statuses that stay the same however often one asks. */
const isFinal = (status: number): boolean => [400, 401, 403, 404, 410].includes(status);

function refused(
  machine: Machine,
  { status, retryAfterMs, reason }: Extract<Happening, { what: "refused" }>,
  now: number,
  draw: number,
): Step {
  if (machine.busy === "nothing") return stay(machine);
  const mayRenew = machine.busy === "stream" && !machine.renewed && (status === 401 || status === 403);
  if (mayRenew) return renew(machine, now);
  if (isFinal(status)) return end(machine, "refused", reason);
  if (machine.busy === "renew") return tryAgain(machine, reason, retryAfterMs, now, draw);
  if (machine.busy === "poll") return pollFailed(machine, reason, retryAfterMs, now, draw);
  if (isProbe(machine)) return resumePolling(machine, now);
  const next = { ...machine, strikes: machine.strikes + 1 };
  // A hint says that the server is there and knows what it wants: then it is waited for.
  if (next.strikes >= STRIKES && retryAfterMs === 0 && machine.options.polls) return startPolling(next, reason, now);
  return tryAgain(next, reason, retryAfterMs, now, draw);
}

/** The address may have outlived its right; whoever may see the job gets another one. */
function renew(machine: Machine, now: number): Step {
  const next: Machine = {
    ...machine,
    busy: "renew",
    phase: "reconnecting",
    reason: "the stream's address is no longer valid",
    since: now,
    deadline: now + ANSWER_MS,
  };
  return { machine: next, commands: [{ do: "renew" }] };
}

function wake(machine: Machine, now: number): Step {
  switch (machine.busy) {
    case "nothing":
      return machine.polling ? poll({ ...machine, probeAt: now }, now) : open(machine, now);
    case "stream":
      return isDoubtful(machine, now) ? afterDrop(open(reconnecting(machine), now)) : stay(machine);
    case "poll":
      return now - machine.since > (machine.waitS + 2) * 1_000
        ? afterDrop(poll({ ...machine, probeAt: now }, now))
        : stay({ ...machine, probeAt: machine.polling ? now : machine.probeAt });
    case "renew":
      return stay(machine);
  }
}

/** More than a keep-alive is overdue: enough doubt where somebody has just come back. */
function isDoubtful({ greeted, heardAt, since, keepAliveMs }: Machine, now: number): boolean {
  return greeted ? now - heardAt > 1.4 * keepAliveMs : now - since >= HELLO_MS;
}

const reconnecting = (machine: Machine): Machine => ({
  ...machine,
  phase: machine.polling ? "polling" : "reconnecting",
  reason: "the connection may have died while the page was away",
});

function tick(machine: Machine, now: number, draw: number): Step {
  if (machine.deadline === null || now < machine.deadline) return stay(machine);
  switch (machine.busy) {
    case "nothing":
      return due(machine, now);
    case "stream":
      return afterDrop(machine.greeted ? silent(machine, now, draw) : swallowed(machine, now, draw));
    case "poll":
      return afterDrop(pollFailed(machine, "the answer did not come", 0, now, draw));
    case "renew":
      return afterDrop(tryAgain(machine, "the answer did not come", 0, now, draw));
  }
}

function due(machine: Machine, now: number): Step {
  if (!machine.polling) return open(machine, now);
  if (machine.options.streams && machine.failures === 0 && machine.probeAt <= now) return open(machine, now);
  return poll(machine, now);
}

/** Nothing broke, and yet nothing comes. */
function silent(machine: Machine, now: number, draw: number): Step {
  const seconds = Math.round((now - machine.heardAt) / 1_000);
  return broken({ ...machine, leaving: false }, `nothing came for ${seconds} s`, now, draw);
}

/** A stream without a hello: something on the way holds it back. */
function swallowed(machine: Machine, now: number, draw: number): Step {
  if (isProbe(machine)) return resumePolling(machine, now);
  const reason = "the stream is held back on the way";
  return machine.options.polls ? startPolling(machine, reason, now) : tryAgain(machine, reason, 0, now, draw);
}

function end(machine: Machine, code: "refused" | "gave_up" | null, reason: string | null): Step {
  const next: Machine = { ...machine, busy: "nothing", phase: "ended", reason, retryAt: null, deadline: null };
  return { machine: next, commands: [{ do: "drop" }, { do: "end", code }] };
}

const stay = (machine: Machine): Step => ({ machine, commands: [] });

const afterDrop = ({ machine, commands }: Step): Step => ({
  machine,
  commands: commands[0]?.do === "drop" ? commands : [{ do: "drop" }, ...commands],
});
