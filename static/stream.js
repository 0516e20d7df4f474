// Watching one job over the native EventSource, and around everything that it leaves open:
// silence it cannot see, statuses after which it gives up for good, proxies that swallow streams.
//
// A watcher holds one number, the cursor: the id of the last event that it handed on. Whatever
// carries the events (a stream, another stream, a page of JSON), an event at or below the cursor is
// never handed on again.
//
// Phases: connecting → live ⇄ reconnecting, polling where streams do not get through, then ended
// (the job is over and everything was seen) or gone (the server does not know the job).

import { TERMINAL } from "./state.js";

/** Every event that a stream may carry under a name of ours; others cannot be listened to. */
export const EVENT_NAMES = [
  "hello", "status", "progress", "content", "log", "artifact_ready", "tts_completed", "completed",
  "failed", "canceled", "snapshot", "gap", "queue", "bye", "keep-alive",
];

/** Events without an id: they say something about the connection or the queue, not the job. */
export const CONTROL = new Set(["hello", "gap", "queue", "bye", "keep-alive"]);

/** A stream must say hello within this time. */
const HELLO_MS = 3_000;
/** Three keep-alives of 5 s and a little. */
const SILENCE_MS = 16_000;
/** One keep-alive and a little: enough doubt to reconnect when the page wakes up. */
const DOUBT_MS = 7_000;
/** So many streams in a row without a hello, and the page polls. */
const STRIKES = 2;
/** While polling, whether streams work again is tried this often. */
const PROBE_MS = 30_000;
/** Delays are drawn from 0 to base · 2^n, at most the cap. */
const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 15_000;
/** A connection that lived this long starts the delays from the beginning. */
const STABLE_MS = 10_000;
/** How long the server may hold a poll, in seconds. */
const POLL_WAIT_S = 20;
/** An answer that is later than that will not come. */
const ANSWER_MS = 10_000;
/** `EventSource.CLOSED`: it will not come back by itself. */
const CLOSED = 2;

/** What a watcher needs of its surroundings; tests bring their own. */
export const browser = {
  openStream: (url) => new EventSource(url),
  fetch: (url, options) => fetch(url, options),
  setTimeout: (work, delay) => setTimeout(work, delay),
  clearTimeout: (timer) => clearTimeout(timer),
  now: () => Date.now(),
  random: () => Math.random(),
  origin: () => location.href,
  /** Calls `wake` whenever a connection may have died unseen, or may work again. */
  onWake(wake) {
    const visible = () => document.visibilityState === "visible" && wake();
    addEventListener("online", wake);
    addEventListener("pageshow", wake);
    document.addEventListener("visibilitychange", visible);
    return () => {
      removeEventListener("online", wake);
      removeEventListener("pageshow", wake);
      document.removeEventListener("visibilitychange", visible);
    };
  },
};

/**
 * Watches a job from a cursor to its end.
 *
 * @param {object} options
 * @param {string} options.streamUrl where its stream is
 * @param {string} options.eventsUrl the same events as JSON pages
 * @param {number} [options.after] the cursor; 0 is the beginning
 * @param {(event: {id: number|null, type: string, data: unknown, text: string}) => void} options.onEvent
 * @param {(phase: {name: string, retryAt: number|null, reason: string|null}) => void} options.onPhase
 * @returns {{close: () => void}}
 */
export function watch(options) {
  const watcher = new Watcher(options);
  watcher.start();
  return { close: () => watcher.close() };
}

class Watcher {
  #world; #streamUrl; #eventsUrl; #onEvent; #onPhase;
  #cursor;
  /** After a `gap`, ids may start lower than the cursor. */
  #restarted = false;
  #phase = { name: "connecting", retryAt: null, reason: null };
  #source = null;
  #opened = false;
  #greeted = false;
  #leaving = false;
  #polling = false;
  #strikes = 0;
  #failures = 0;
  #liveSince = 0;
  #heardAt = 0;
  #timers = new Map();
  #abort = null;
  #stopWaking = () => {};

  constructor({ streamUrl, eventsUrl, after = 0, onEvent, onPhase, world = browser }) {
    this.#world = world;
    this.#streamUrl = streamUrl;
    this.#eventsUrl = eventsUrl;
    this.#cursor = after;
    this.#onEvent = onEvent;
    this.#onPhase = onPhase;
  }

  start() {
    this.#stopWaking = this.#world.onWake(() => this.#wake());
    this.#enter("connecting");
    this.#connect();
  }

  close() {
    this.#dropStream();
    this.#abort?.abort();
    this.#stopWaking();
    for (const name of [...this.#timers.keys()]) this.#disarm(name);
    this.#polling = false;
  }

  // ── The stream ──

  #connect() {
    this.#dropStream();
    const url = this.#url(this.#streamUrl, { keepalive: "event" });
    const source = this.#world.openStream(url);
    this.#source = source;
    this.#opened = this.#greeted = this.#leaving = false;
    if (this.#phase.name === "reconnecting") this.#enter("reconnecting");
    source.onopen = () => this.#whenOpened();
    source.onerror = () => this.#whenBroken(source.readyState === CLOSED);
    for (const name of EVENT_NAMES) {
      source.addEventListener(name, (message) => this.#whenHeard(name, message));
    }
    this.#arm("hello", HELLO_MS, () => this.#whenSwallowed());
  }

  #whenOpened() {
    this.#opened = true;
    this.#greeted = false;
    this.#arm("hello", HELLO_MS, () => this.#whenSwallowed());
  }

  #whenHeard(name, message) {
    this.#heardAt = this.#world.now();
    if (name === "hello") this.#whenGreeted();
    if (name === "bye") this.#leaving = true;
    const id = CONTROL.has(name) ? null : Number(message.lastEventId);
    this.#take({ id, type: name, data: parseJson(message.data), text: message.data });
  }

  #whenGreeted() {
    this.#greeted = true;
    this.#strikes = 0;
    this.#liveSince = this.#world.now();
    this.#disarm("hello");
    this.#stopPolling();
    this.#enter("live");
    this.#watchSilence(SILENCE_MS);
  }

  #watchSilence(delay) {
    this.#arm("silence", delay, () => {
      const silent = this.#world.now() - this.#heardAt;
      if (silent >= SILENCE_MS) this.#reconnectLater();
      else this.#watchSilence(SILENCE_MS - silent);
    });
  }

  #whenBroken(closed) {
    this.#disarm("hello");
    this.#disarm("silence");
    // The server ended this on purpose and said in `retry:` when to come back. Only the browser
    // knows that time, so this once it is left to the browser.
    const onPurpose = this.#leaving || (this.#opened && !this.#greeted);
    if (!closed && onPurpose) {
      this.#opened = this.#leaving = false;
      this.#enter(this.#polling ? "polling" : "reconnecting");
      return;
    }
    this.#dropStream();
    if (this.#polling) return;
    if (closed) void this.#askWhy();
    else this.#reconnectLater();
  }

  /** Nothing was heard although nothing broke: a proxy may hold the stream back. */
  #whenSwallowed() {
    this.#dropStream();
    this.#strike();
  }

  #strike() {
    this.#strikes += 1;
    if (this.#strikes >= STRIKES) this.#startPolling();
    else this.#reconnectLater();
  }

  /** A stream was refused, and EventSource does not tell why: one page of events does. */
  async #askWhy() {
    this.#enter("reconnecting");
    const answer = await this.#fetchPage(0);
    if (answer.kind === "page") this.#strike();
    else if (answer.kind === "broken") this.#reconnectLater(answer.retryAfterMs);
  }

  #reconnectLater(atLeastMs = 0) {
    this.#dropStream();
    if (this.#polling) return;
    if (this.#liveSince > 0 && this.#heardAt - this.#liveSince >= STABLE_MS) this.#failures = 0;
    this.#liveSince = 0;
    const delay = Math.max(atLeastMs, this.#nextDelay());
    this.#enter("reconnecting", this.#world.now() + delay);
    this.#arm("reconnect", delay, () => this.#connect());
  }

  #nextDelay() {
    const most = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** this.#failures);
    this.#failures += 1;
    return this.#world.random() * most;
  }

  #dropStream() {
    this.#disarm("hello");
    this.#disarm("silence");
    this.#disarm("reconnect");
    if (this.#source === null) return;
    this.#source.onopen = this.#source.onerror = null;
    this.#source.close();
    this.#source = null;
  }

  #wake() {
    const { name } = this.#phase;
    const doubtful = this.#world.now() - this.#heardAt > DOUBT_MS;
    if (this.#polling) this.#probe();
    else if (name === "reconnecting" || (name === "live" && doubtful)) this.#connect();
  }

  // ── Polling ──

  #startPolling() {
    if (this.#polling) return;
    this.#polling = true;
    this.#enter("polling");
    this.#arm("probe", PROBE_MS, () => this.#probe());
    void this.#poll();
  }

  #stopPolling() {
    if (!this.#polling) return;
    this.#polling = false;
    this.#disarm("probe");
    this.#disarm("poll");
    this.#abort?.abort();
  }

  #probe() {
    this.#connect();
    this.#arm("probe", PROBE_MS, () => this.#probe());
  }

  async #poll() {
    const answer = await this.#fetchPage(POLL_WAIT_S);
    if (!this.#polling) return;
    if (answer.kind === "page") {
      this.#failures = 0;
      this.#enter("polling");
      void this.#poll();
    } else if (answer.kind === "broken") {
      const delay = Math.max(answer.retryAfterMs, this.#nextDelay());
      this.#enter("reconnecting", this.#world.now() + delay);
      this.#arm("poll", delay, () => void this.#poll());
    }
  }

  /** Reads one page and hands its events on. The kinds: page, broken, over. */
  async #fetchPage(waitSeconds) {
    const abort = new AbortController();
    this.#abort = abort;
    const url = this.#url(this.#eventsUrl, waitSeconds > 0 ? { wait: waitSeconds } : {});
    let late = false;
    this.#arm("answer", waitSeconds * 1_000 + ANSWER_MS, () => {
      late = true;
      abort.abort();
    });
    try {
      const response = await this.#world.fetch(url, { signal: abort.signal, cache: "no-store" });
      if (isRefusal(response.status)) return this.#finish("gone", `HTTP ${response.status}`);
      if (!response.ok) return { kind: "broken", retryAfterMs: retryAfter(response) };
      const page = await response.json();
      if (abort.signal.aborted) return { kind: "over" };
      return this.#takePage(page);
    } catch {
      const wanted = abort.signal.aborted && !late;
      return wanted ? { kind: "over" } : { kind: "broken", retryAfterMs: 0 };
    } finally {
      if (this.#abort === abort) this.#disarm("answer");
    }
  }

  #takePage({ events = [], ended = false }) {
    this.#heardAt = this.#world.now();
    for (const { id = null, type, data } of events) {
      this.#take({ id, type, data, text: JSON.stringify(data) });
    }
    if (this.#phase.name === "ended") return { kind: "over" };
    if (ended && events.length === 0) return this.#finish("ended");
    return { kind: "page" };
  }

  // ── Both ──

  #take(event) {
    if (event.id !== null) {
      if (event.id <= this.#cursor && !this.#restarted) return;
      this.#cursor = event.id;
      this.#restarted = false;
    }
    if (event.type === "gap") this.#restarted = true;
    this.#onEvent(event);
    if (TERMINAL.has(event.type)) this.#finish("ended");
  }

  #finish(name, reason = null) {
    this.close();
    this.#enter(name, null, reason);
    return { kind: "over" };
  }

  #enter(name, retryAt = null, reason = null) {
    this.#phase = { name, retryAt, reason };
    this.#onPhase(this.#phase);
  }

  #url(base, parameters) {
    const url = new URL(base, this.#world.origin());
    if (this.#cursor > 0) url.searchParams.set("after", this.#cursor);
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return url.href;
  }

  #arm(name, delay, work) {
    this.#disarm(name);
    this.#timers.set(name, this.#world.setTimeout(() => {
      this.#timers.delete(name);
      work();
    }, delay));
  }

  #disarm(name) {
    if (!this.#timers.has(name)) return;
    this.#world.clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}

/** Statuses that will not change by asking again. */
const isRefusal = (status) => [400, 401, 403, 404, 410].includes(status);

/** The header in milliseconds, at most five minutes; 0 without one. */
function retryAfter(response) {
  const seconds = Number(response.headers.get("retry-after"));
  return Number.isFinite(seconds) ? Math.min(300, Math.max(0, seconds)) * 1_000 : 0;
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
