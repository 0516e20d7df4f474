// The moves of a machine: what each happening changes, and what is to be done about it.

import { isFinal } from "../errors.ts";
import type { Command, Happening, Machine } from "./machine.ts";

/** One step on its way: a copy of the machine, which the moves change, and what they go by. */
export type Turn = { -readonly [Field in keyof Machine]: Machine[Field] } & {
  readonly now: number;
  /** From 0 up to 1. */
  readonly draw: number;
  readonly commands: Command[];
};

/** A stream says hello within this time, or something holds it back. */
const HELLO_MS = 3_000;
/** So many keep-alives missed, and a little, and the stream is dead. */
const MISSED = 3;
const SLACK_MS = 1_000;
/** A stream that lived this long starts the delays from the beginning. */
const STABLE_MS = 6_000;
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

/** Makes the move that a happening asks for; of what is not under way any more none. */
export function move(turn: Turn, happening: Happening): void {
  const { busy } = turn;
  switch (happening.what) {
    case "start":
      turn.polling = !turn.options.streams;
      return goOn(turn);
    case "hello":
      return busy === "stream" ? greet(turn, happening.keepAliveMs) : undefined;
    case "heard":
      return busy === "stream" && turn.greeted ? hear(turn, happening.idle) : undefined;
    case "retry":
      turn.retryMs = happening.ms;
      return;
    case "bye":
      turn.leaving = true;
      turn.retryMs = happening.retryMs ?? turn.retryMs;
      return;
    case "broken":
      return busy === "stream" ? broken(turn, happening.reason) : undefined;
    case "closed":
      return busy === "stream" ? ask(turn) : undefined;
    case "refused":
      return busy === "nothing" ? undefined : refused(turn, happening);
    case "failed":
      return busy === "poll" || busy === "renew" ? unanswered(turn, happening.reason) : undefined;
    case "page":
      return busy === "poll" ? page(turn, happening) : undefined;
    case "renewed":
      turn.renewed ||= busy === "renew";
      return busy === "renew" ? open(turn) : undefined;
    case "changed":
      return changed(turn);
    case "wake":
      return wake(turn);
    case "hidden":
      turn.hidden = happening.hidden;
      return;
    case "tick":
      return turn.deadline !== null && turn.deadline <= turn.now ? tick(turn) : undefined;
    case "over":
      return end(turn, null, null);
  }
}

/** Begins something, which has so long to show that it gets through. */
function begin(turn: Turn, command: Command, busy: Machine["busy"], patienceMs: number): void {
  turn.busy = busy;
  turn.since = turn.now;
  turn.retryAt = null;
  turn.deadline = turn.now + patienceMs;
  turn.commands.push(command);
}

/** With a stream, or with a poll where it lives on these. */
const goOn = (turn: Turn): void => (turn.polling ? poll(turn) : open(turn));

// ── Streams ──

function open(turn: Turn): void {
  turn.greeted = turn.leaving = false;
  begin(turn, { do: "open" }, "stream", HELLO_MS);
}

function greet(turn: Turn, keepAliveMs: number | null): void {
  turn.phase = "live";
  turn.reason = null;
  turn.polling = turn.renewed = false;
  turn.greeted = true;
  turn.liveSince = turn.now;
  turn.keepAliveMs = keepAliveMs ?? turn.keepAliveMs;
  listen(turn);
}

/** What is heard before the hello proves nothing: it may be a proxy that speaks. */
function hear(turn: Turn, idle: boolean): void {
  const seen = turn.now - turn.heardAt;
  // Longer than the limit was no interval but a sleep: awake, the stream would have been given up.
  if (idle && seen <= silenceLimit(turn)) turn.keepAliveMs = Math.max(turn.keepAliveMs, seen);
  listen(turn);
}

function listen(turn: Turn): void {
  turn.heardAt = turn.now;
  turn.deadline = turn.now + silenceLimit(turn);
}

const silenceLimit = ({ keepAliveMs }: Turn): number => MISSED * keepAliveMs + SLACK_MS;

/** Whether the stream under way is only a try of one that lives on polls. */
const isProbe = ({ polling, busy, greeted }: Turn): boolean => polling && busy === "stream" && !greeted;

function broken(turn: Turn, reason: string): void {
  if (isProbe(turn)) return resumePolling(turn);
  const { now, greeted, leaving, liveSince, retryMs } = turn;
  const lived = greeted ? now - liveSince : 0;
  if (lived >= STABLE_MS) turn.failures = 0;
  if (!leaving && lived < SHORT_MS) turn.strikes += 1;
  else if (greeted) turn.strikes = 0;
  if (leaving && retryMs !== null) return comeBack(turn, retryMs);
  return turn.strikes >= STRIKES ? fallBack(turn, reason) : tryAgain(turn, reason);
}

/** The server named the time itself, drawn for this reader. */
function comeBack(turn: Turn, delay: number): void {
  if (!turn.greeted && isSpent(turn, "the server keeps asking to come back later")) return;
  wait(turn, "the server asked to come back", delay);
}

/** Another try after a delay; the server's hint is a floor, and jittered too. */
function tryAgain(turn: Turn, reason: string, hintMs = 0): void {
  const delay = delayOf(turn, hintMs);
  if (!isSpent(turn, reason)) wait(turn, reason, delay);
}

function delayOf({ options: { baseMs, capMs }, polling, retryMs, failures, draw }: Turn, hintMs: number): number {
  const base = polling ? baseMs : (retryMs ?? baseMs);
  const drawn = draw * Math.min(capMs, base * 2 ** Math.min(failures, 30));
  return Math.round(hintMs > 0 ? Math.max(drawn, hintMs * (1 + draw / 5)) : drawn);
}

/** Counts a failure more; one too many is the end. */
function isSpent(turn: Turn, reason: string): boolean {
  const { limit } = turn.options;
  turn.failures += 1;
  const spent = limit !== null && turn.failures > limit;
  if (spent) end(turn, "gave_up", reason);
  return spent;
}

function wait(turn: Turn, reason: string, delay: number): void {
  turn.busy = "nothing";
  turn.phase = "reconnecting";
  turn.reason = reason;
  turn.deadline = turn.retryAt = turn.now + delay;
}

// ── Polls ──

/** `EventSource` does not tell a status; a page of the same events does. */
function ask(turn: Turn): void {
  if (isProbe(turn)) return resumePolling(turn);
  lose(turn, "the stream was refused");
  turn.asking = true;
  poll(turn);
}

/** What was live is not any more; what comes of it is seen with the next answer. */
function lose(turn: Turn, reason: string): void {
  if (turn.phase === "live") turn.phase = "reconnecting";
  turn.reason = reason;
}

/** Streams do not get through: on with polls, where it may. */
function fallBack(turn: Turn, reason: string): void {
  if (!turn.options.polls) return tryAgain(turn, reason);
  if (isSpent(turn, reason)) return;
  lose(turn, reason);
  turn.polling = true;
  turn.pollingBecause = reason;
  turn.quiet = 0;
  probeLater(turn, 0);
  poll(turn);
}

/** A stream was tried while polling, and did not get through. */
function resumePolling(turn: Turn): void {
  turn.phase = "polling";
  probeLater(turn, turn.probes + 1);
  poll(turn);
}

function probeLater(turn: Turn, probes: number): void {
  turn.probes = probes;
  turn.strikes = 0;
  turn.probeAt = turn.now + nth(PROBE_MS, probes);
}

function poll(turn: Turn): void {
  const waitS = waitOf(turn);
  turn.waitS = waitS;
  begin(turn, { do: "poll", waitS }, "poll", waitS * 1_000 + ANSWER_MS);
}

/** Only a poll that is known to get through is held: until then an answer is wanted at once. */
function waitOf({ options, phase, asking, cutWaits }: Turn): number {
  return options.waits && phase === "polling" && !asking && cutWaits < CUT_WAITS ? WAIT_S : 0;
}

function page(turn: Turn, { events, pollAfterMs }: Extract<Happening, { what: "page" }>): void {
  if (turn.asking) return answered(turn);
  turn.busy = "nothing";
  turn.phase = "polling";
  turn.reason = turn.pollingBecause;
  turn.failures = 0;
  if (turn.waitS > 0) turn.cutWaits = 0;
  turn.quiet = events > 0 ? 0 : turn.quiet + 1;
  if (wantsStream(turn)) open(turn);
  else pollLater(turn, pollAfterMs);
}

const wantsStream = ({ options, probeAt, now }: Turn): boolean => options.streams && probeAt <= now;

/** The server answers, only the stream was refused: perhaps something in between does not let it through. */
function answered(turn: Turn): void {
  turn.asking = false;
  turn.strikes += 1;
  if (turn.strikes < STRIKES - 1 || !turn.options.polls) open(turn);
  else fallBack(turn, "streams are refused on the way");
}

function pollLater(turn: Turn, pollAfterMs: number | null): void {
  const { now, since, quiet, hidden, options, probeAt } = turn;
  const delay = waitOf(turn) > 0 ? 0 : Math.max(pollAfterMs ?? 0, quiet === 0 ? PACE_MS : nth(QUIET_MS, quiet - 1));
  const at = Math.max(now + (hidden ? Math.max(delay, HIDDEN_MS) : delay), since + PACE_MS);
  if (at <= now) poll(turn);
  else turn.deadline = options.streams ? Math.min(at, probeAt) : at;
}

/** What stands there, or the last one. */
const nth = (delays: readonly [number, ...number[]], index: number): number => delays[Math.min(index, delays.length - 1)] ?? delays[0];

/** What was asked for did not come. */
function unanswered(turn: Turn, reason: string, hintMs = 0): void {
  if (turn.busy === "poll") {
    // One that failed at once was not cut while it was held.
    if (turn.waitS > 0 && turn.now - turn.since >= SHORT_MS) turn.cutWaits += 1;
    turn.asking = false;
    // Who cannot reach the server at all knows nothing of its streams: one is tried as soon as it answers.
    turn.probeAt = turn.now;
  }
  tryAgain(turn, reason, hintMs);
}

// ── Both ──

function refused(turn: Turn, { status, retryAfterMs, reason }: Extract<Happening, { what: "refused" }>): void {
  const isStream = turn.busy === "stream";
  if (isStream && !turn.renewed && (status === 401 || status === 403)) return renew(turn);
  if (isFinal(status)) return end(turn, "refused", reason);
  if (!isStream) return unanswered(turn, reason, retryAfterMs);
  if (isProbe(turn)) return resumePolling(turn);
  turn.strikes += 1;
  // A hint says that the server is there and knows what it wants: then it is waited for.
  if (turn.strikes >= STRIKES && retryAfterMs === 0) fallBack(turn, reason);
  else tryAgain(turn, reason, retryAfterMs);
}

/** The address may have outlived its right; whoever may see the job gets another one. */
function renew(turn: Turn): void {
  turn.phase = "reconnecting";
  turn.reason = "the stream's address is no longer valid";
  begin(turn, { do: "renew" }, "renew", ANSWER_MS);
}

function changed(turn: Turn): void {
  const { busy, polling, failures } = turn;
  if (busy === "stream") {
    drop(turn);
    open(turn);
  } else if (busy === "nothing" && polling && failures === 0) {
    poll(turn);
  }
}

function wake(turn: Turn): void {
  const { busy, now, since, waitS, polling } = turn;
  if (polling && busy !== "stream") turn.probeAt = now;
  if (busy === "nothing") {
    if (polling) doubt(turn);
    return goOn(turn);
  }
  if (busy === "poll" && now - since > (waitS + 2) * 1_000) {
    drop(turn);
    doubt(turn);
    poll(turn);
  }
  if (busy === "stream" && isDoubtful(turn)) {
    drop(turn);
    doubt(turn);
    if (polling) turn.phase = "polling";
    open(turn);
  }
}

/** What is asked next is not to be held: the browser may send it on a connection that died too. */
function doubt(turn: Turn): void {
  turn.phase = "reconnecting";
  turn.reason = "the connection may have died while the page was away";
}

/** More than a keep-alive is overdue: enough doubt where somebody has just come back. */
function isDoubtful({ now, greeted, heardAt, since, keepAliveMs }: Turn): boolean {
  return greeted ? now - heardAt > 1.4 * keepAliveMs : now - since >= HELLO_MS;
}

function tick(turn: Turn): void {
  const { busy, greeted } = turn;
  if (busy === "nothing") return turn.failures === 0 && wantsStream(turn) ? open(turn) : goOn(turn);
  drop(turn);
  if (busy !== "stream") return unanswered(turn, "the answer did not come");
  return greeted ? silent(turn) : swallowed(turn);
}

/** Nothing broke, and yet nothing comes. */
function silent(turn: Turn): void {
  turn.leaving = false;
  broken(turn, `nothing came for ${Math.round((turn.now - turn.heardAt) / 1_000)} s`);
}

/** A stream without a hello: something on the way holds it back. */
const swallowed = (turn: Turn): void => (isProbe(turn) ? resumePolling(turn) : fallBack(turn, "the stream is held back on the way"));

const drop = ({ commands }: Turn): unknown => commands.push({ do: "drop" });

function end(turn: Turn, code: "refused" | "gave_up" | null, reason: string | null): void {
  turn.busy = "nothing";
  turn.phase = "ended";
  turn.reason = reason;
  turn.retryAt = turn.deadline = null;
  if (turn.commands.length === 0) drop(turn);
  turn.commands.push({ do: "end", code });
}
