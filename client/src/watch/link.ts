// One connection to the server, whatever carries it: runs the machine, does what it says, and tells
// it what came of that.

import { TailwaterError, failure, isFinal } from "../errors.ts";
import type { Connection } from "../http.ts";
import type { Item } from "../sse/parser.ts";
import { newMachine, step, type Command, type Happening, type Machine } from "./machine.ts";
import { readStream } from "./stream.ts";
import { fields, rawEvent, type Arrival, type RawEvent, type Target } from "./target.ts";
import type { RetryOptions, Transport, WatchState } from "./types.ts";
import type { World } from "./world.ts";

/** Who hears of a link. */
export interface Sink {
  arrive(arrivals: readonly Arrival[]): void;
  state(state: WatchState): void;
  /** The link is over: with an error against its will, and for one topic where it is only about that. */
  end(error: TailwaterError | null, topic?: string): void;
}

/** How a link is made. */
export interface LinkOptions {
  readonly connection: Connection;
  readonly target: Target;
  readonly sink: Sink;
  readonly world: World;
  readonly transport?: Transport | undefined;
  readonly retry?: RetryOptions | undefined;
  /** An external worker's own types of events, which a native `EventSource` has to know by name. */
  readonly types?: readonly string[] | undefined;
}

export const FIRST_STATE: WatchState = { phase: "connecting", reason: null, retryAt: null, carrier: null, shared: false };

/** What takes its time. */
type Undertaking = Exclude<Command, { do: "drop" | "end" }>;

/** A way to the events of a target, kept open until there are no more or it is closed. */
export class Link {
  readonly #options: LinkOptions;
  readonly #carrier: "fetch" | "eventsource";
  #machine: Machine;
  #state = FIRST_STATE;
  /** Ends what is under way; a new one for each. */
  #underWay = new AbortController();
  #timer: { readonly at: number; readonly cancel: () => void } | null = null;
  #refusal: TailwaterError | null = null;
  #unlisten: () => void = () => undefined;

  constructor(options: LinkOptions) {
    const { transport = "auto", retry = {} } = options;
    this.#options = options;
    // `fetch` hears keep-alives and reads statuses, which a native `EventSource` does not.
    const isNative = transport === "eventsource" || (transport === "auto" && !globalThis.ReadableStream);
    this.#carrier = isNative ? "eventsource" : "fetch";
    const streams = transport !== "long-poll" && transport !== "poll" && !(isNative && !globalThis.EventSource);
    this.#machine = newMachine({
      streams,
      polls: transport === "auto" || !streams,
      waits: transport !== "poll",
      baseMs: retry.base,
      capMs: retry.cap,
      limit: retry.limit,
    });
  }

  get state(): WatchState {
    return this.#state;
  }

  start(): void {
    if (this.#machine.phase === "ended") return;
    const { world } = this.#options;
    const look = (hidden: boolean): void => this.#happen({ what: "hidden", hidden });
    const wake = (): void => {
      look(false);
      this.wake();
    };
    this.#unlisten = world.onAttention(wake, () => look(true));
    look(world.isHidden());
    this.#happen({ what: "start" });
  }

  /** Something may have changed unseen: looks at once. */
  wake(): void {
    this.#happen({ what: "wake" });
  }

  /** The target is not what it was. */
  changed(): void {
    this.#happen({ what: "changed" });
  }

  /** Lets go, without a word. */
  close(): void {
    this.#underWay.abort();
    this.#unlisten();
    this.#disarm();
    this.#machine = step(this.#machine, { what: "over" }, 0, 0).machine;
  }

  #happen(happening: Happening): void {
    if (this.#machine.phase === "ended") return;
    const { world, sink } = this.#options;
    const { machine, commands } = step(this.#machine, happening, world.now(), world.random());
    this.#machine = machine;
    for (const command of commands) this.#obey(command);
    this.#arm();
    // Last, since whoever hears of it may close us.
    this.#publish();
    const last = commands.at(-1);
    if (last?.do !== "end") return;
    this.#unlisten();
    sink.end(last.code === null ? null : this.#error(last.code));
  }

  #obey(command: Command): void {
    this.#underWay.abort();
    if (command.do === "drop" || command.do === "end") return;
    const { signal } = (this.#underWay = new AbortController());
    void this.#run(command, signal);
  }

  async #run(command: Undertaking, signal: AbortSignal): Promise<void> {
    const failed = (error: unknown): Promise<Happening> => this.#failed(failure(error, signal), signal);
    // Finding out who is meant by a refusal may be refused in its turn.
    const happening = await this.#begin(command, signal).catch(failed).catch(failed);
    // What was let go of has nothing more to say.
    if (!signal.aborted) this.#heard(happening);
  }

  async #begin(command: Undertaking, signal: AbortSignal): Promise<Happening> {
    const { connection, target } = this.#options;
    if (command.do === "open") return this.#stream(signal);
    if (command.do === "renew") {
      await target.renew?.(connection, signal);
      return { what: "renewed" };
    }
    const { arrivals, pollAfterMs } = await target.poll(connection, command.waitS, signal);
    this.#take(arrivals, signal);
    const events = arrivals.filter(({ event }) => event.id !== null || event.type === "snapshot").length;
    if (!signal.aborted) this.#partWith();
    return target.isOver ? { what: "over" } : { what: "page", events, pollAfterMs };
  }

  async #stream(signal: AbortSignal): Promise<Happening> {
    const { connection, target, types = [] } = this.#options;
    const { path, query } = target.address();
    const hear = (items: readonly Item[]): void => {
      if (!signal.aborted) this.#hear(items, signal);
    };
    if (this.#carrier === "fetch") return readStream(connection, connection.url(path, query), hear, signal);
    // Few ask for it, so only they load it.
    const { readEventSource } = await import("./later.ts");
    return readEventSource(connection.url(path, { ...query, keepalive: "event" }), types, hear, signal);
  }

  #hear(items: readonly Item[], signal: AbortSignal): void {
    const events: RawEvent[] = [];
    for (const item of items) {
      if (item.kind === "retry") this.#happen({ what: "retry", ms: item.ms });
      if (item.kind === "event") events.push(rawEvent(item));
    }
    for (const { type, data } of events) {
      const { keep_alive_ms: keepAlive, retry_ms: retry } = fields(data);
      if (type === "hello") this.#happen({ what: "hello", keepAliveMs: delay(keepAlive) });
      if (type === "bye") this.#happen({ what: "bye", retryMs: delay(retry) });
    }
    // A comment alone is a keep-alive. Bytes that complete nothing are a sign of life like any other.
    this.#happen({ what: "heard", idle: items.length > 0 && items.every(({ kind }) => kind === "comment") });
    this.#take(events.flatMap((event) => this.#options.target.take(event)), signal);
  }

  #take(arrivals: readonly Arrival[], signal: AbortSignal): void {
    const { sink, target } = this.#options;
    if (signal.aborted || arrivals.length === 0) return;
    sink.arrive(arrivals);
    this.#partWith();
    if (target.isOver) this.#happen({ what: "over" });
  }

  #heard(happening: Happening): void {
    const { target } = this.#options;
    if (happening.what !== "over") return this.#happen(happening);
    // Nothing stands behind what was taken; of several jobs that may be said of those that were named.
    target.finish();
    if (target.isOver) return this.#happen(happening);
    this.#partWith();
    this.#happen({ what: "changed" });
  }

  /** Some of several topics may be over while the others go on. */
  #partWith(): void {
    const { sink, target } = this.#options;
    for (const topic of target.ended?.() ?? []) sink.end(null, topic);
  }

  /** What was under way came to nothing; a refusal may be meant for some topics, and the others go on. */
  async #failed(error: TailwaterError, signal: AbortSignal): Promise<Happening> {
    const { connection, target, sink } = this.#options;
    // What says 200 and is no event stream is a proxy's page: it is asked again, and then polled around.
    const { status, retryAfterMs, detail: reason } = error;
    if (status === null) {
      return {
        what: this.#machine.busy === "stream" ? "broken" : "failed",
        reason: globalThis.navigator?.onLine === false ? "this device is offline" : "the server cannot be reached",
      };
    }
    this.#refusal = error;
    const refused = isFinal(status) ? await target.sift?.(connection, signal) : undefined;
    if (!refused?.length) return { what: "refused", status, retryAfterMs: retryAfterMs ?? 0, reason };
    // Of what was let go of nobody is told.
    if (!signal.aborted) for (const { topic, error: own } of refused) sink.end(failure(own), topic);
    return target.isOver ? { what: "over" } : { what: "broken", reason: "the watched jobs changed" };
  }

  #error(code: "refused" | "gave_up"): TailwaterError {
    const refusal = this.#refusal;
    if (code === "refused" && refusal !== null) return refusal;
    const { reason } = this.#machine;
    return new TailwaterError("gave_up", `the watch gave up: ${reason}`, { status: refusal?.status ?? null, cause: refusal ?? undefined });
  }

  #publish(): void {
    const { phase, reason, retryAt } = this.#machine;
    const carrier = this.#carries();
    const last = this.#state;
    if (last.phase === phase && last.reason === reason && last.retryAt === retryAt && last.carrier === carrier) return;
    this.#state = { phase, reason, retryAt, carrier, shared: false };
    this.#options.sink.state(this.#state);
  }

  #carries(): WatchState["carrier"] {
    const { phase, options, cutWaits } = this.#machine;
    if (phase === "live") return this.#carrier;
    if (phase !== "polling") return null;
    return options.waits && cutWaits < 2 ? "long-poll" : "poll";
  }

  #arm(): void {
    const { deadline } = this.#machine;
    // One that comes too early looks again; so a stream of events does not move a timer each time.
    if (deadline !== null && this.#timer !== null && this.#timer.at <= deadline) return;
    this.#disarm();
    if (deadline === null) return;
    const { world } = this.#options;
    const cancel = world.after(Math.max(0, deadline - world.now()), () => {
      this.#timer = null;
      this.#happen({ what: "tick" });
    });
    this.#timer = { at: deadline, cancel };
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}

const delay = (named: unknown): number | null => (typeof named === "number" && named > 0 ? named : null);
