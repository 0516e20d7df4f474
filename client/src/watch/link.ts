// One connection to the server, whatever carries it: runs the machine, does what it says, and tells
// it what came of that.

import { TailwaterError, failure } from "../errors.ts";
import type { Connection } from "../http.ts";
import { readEventSource } from "./event-source.ts";
import { newMachine, step, type Command, type Happening, type Machine } from "./machine.ts";
import { readStream } from "./stream.ts";
import type { Arrival, Polled, Target } from "./target.ts";
import type { RetryOptions, Transport, WatchState } from "./types.ts";
import type { Timer, World } from "./world.ts";

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

/** A way to the events of a target, kept open until there are no more or it is closed. */
export class Link {
  readonly #options: LinkOptions;
  readonly #carrier: "fetch" | "eventsource";
  #machine: Machine;
  #state = FIRST_STATE;
  /** Ends what is under way; a new one for each. */
  #underWay = new AbortController();
  #timer: { readonly handle: Timer; readonly at: number } | null = null;
  #refusal: TailwaterError | null = null;
  #unlisten: () => void = () => undefined;

  constructor(options: LinkOptions) {
    const { transport = "auto", retry = {} } = options;
    this.#options = options;
    this.#carrier = carrierOf(transport);
    const streams = transport !== "long-poll" && transport !== "poll" && (this.#carrier === "fetch" || hasEventSource());
    this.#machine = newMachine({
      streams,
      polls: transport === "auto" || !streams,
      waits: transport !== "poll",
      ...(retry.base !== undefined && { baseMs: retry.base }),
      ...(retry.cap !== undefined && { capMs: retry.cap }),
      ...(retry.limit !== undefined && { limit: retry.limit }),
    });
  }

  get state(): WatchState {
    return this.#state;
  }

  start(): void {
    const { world } = this.#options;
    this.#unlisten = world.onAttention(
      () => {
        this.#happen({ what: "hidden", hidden: false });
        this.wake();
      },
      () => this.#happen({ what: "hidden", hidden: true }),
    );
    this.#happen({ what: "hidden", hidden: world.isHidden() });
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
    const { machine } = step(this.#machine, { what: "over" }, 0, 0);
    this.#machine = machine;
  }

  #happen(happening: Happening): void {
    if (this.#machine.phase === "ended") return;
    const { world, sink } = this.#options;
    const { machine, commands } = step(this.#machine, happening, world.now(), world.random());
    this.#machine = machine;
    this.#publish();
    for (const command of commands) this.#obey(command);
    this.#arm();
    if (machine.phase !== "ended") return;
    this.#unlisten();
    const end = commands.find((command) => command.do === "end");
    sink.end(end?.code === null ? null : this.#error(end?.code ?? null));
  }

  #obey(command: Command): void {
    switch (command.do) {
      case "open":
        return this.#begin((signal) => this.#stream(signal));
      case "poll":
        return this.#begin((signal) => this.#poll(command.waitS, signal));
      case "renew":
        return this.#begin((signal) => this.#renew(signal));
      case "drop":
        return this.#underWay.abort();
      case "end":
        return undefined;
    }
  }

  #begin(work: (signal: AbortSignal) => Promise<void>): void {
    this.#underWay.abort();
    const { signal } = (this.#underWay = new AbortController());
    work(signal).catch((error: unknown) => {
      // What was let go of has nothing more to say.
      if (!signal.aborted) this.#fail(failure(error, signal), signal);
    });
  }

  async #stream(signal: AbortSignal): Promise<void> {
    const { connection, target, types = [] } = this.#options;
    const { path, query } = target.address();
    const hear = (happening: Happening): void => {
      if (signal.aborted) return;
      if (happening.what === "over") this.#finish();
      else this.#happen(happening);
    };
    const take = (arrivals: readonly Arrival[]): void => {
      if (!signal.aborted) this.#take(arrivals);
    };
    if (this.#carrier === "fetch") {
      await readStream({ connection, target, url: connection.url(path, query), signal, hear, take });
    } else {
      const url = connection.url(path, { ...query, keepalive: "event" });
      await readEventSource({ target, url, types, signal, hear, take });
    }
  }

  async #poll(waitS: number, signal: AbortSignal): Promise<void> {
    const { connection, target } = this.#options;
    const polled: Polled = await target.poll(connection, waitS, signal);
    if (signal.aborted) return;
    const events = polled.arrivals.filter(({ event }) => event.id !== null || event.type === "snapshot").length;
    this.#take(polled.arrivals);
    if (signal.aborted) return;
    if (target.isOver()) this.#happen({ what: "over" });
    else this.#happen({ what: "page", events, pollAfterMs: polled.pollAfterMs });
  }

  async #renew(signal: AbortSignal): Promise<void> {
    await this.#options.target.renew(this.#options.connection, signal);
    if (!signal.aborted) this.#happen({ what: "renewed" });
  }

  #take(arrivals: readonly Arrival[]): void {
    const { sink, target } = this.#options;
    if (arrivals.length > 0) sink.arrive(arrivals);
    if (arrivals.length > 0 && target.isOver()) this.#happen({ what: "over" });
  }

  /** Nothing stands behind what was taken; of several jobs that may be said of those that were named. */
  #finish(): void {
    const { sink, target } = this.#options;
    const topics = target.finish();
    if (target.isOver()) return this.#happen({ what: "over" });
    for (const topic of topics) sink.end(null, topic);
    this.#happen({ what: "changed" });
  }

  /** What was under way came to nothing. */
  #fail(error: TailwaterError, signal: AbortSignal): void {
    if (error.status === null) {
      const reason = isOffline() ? "this device is offline" : "the server cannot be reached";
      this.#happen({ what: this.#machine.busy === "stream" ? "broken" : "failed", reason });
      return;
    }
    this.#refusal = error;
    if (!isFinal(error.status)) return this.#refuse(error);
    this.#sift(error, signal).catch((cause: unknown) => {
      if (!signal.aborted) this.#refuse(failure(cause, signal));
    });
  }

  /** A refusal may be meant for one topic of several: that one ends, and the others go on. */
  async #sift(error: TailwaterError, signal: AbortSignal): Promise<void> {
    const { connection, target, sink } = this.#options;
    const refused = await target.sift(connection, signal);
    if (signal.aborted) return;
    for (const { topic, error: own } of refused) sink.end(failure(own), topic);
    if (refused.length === 0) this.#refuse(error);
    else if (target.isOver()) this.#happen({ what: "over" });
    else this.#happen({ what: "broken", reason: "the watched jobs changed" });
  }

  #refuse(error: TailwaterError): void {
    // What says 200 and is no event stream is a proxy's page: it is asked again, and then polled around.
    const status = error.status ?? 0;
    const { retryAfterMs, detail } = error;
    this.#happen({ what: "refused", status, retryAfterMs: retryAfterMs ?? 0, reason: detail });
  }

  #error(code: "refused" | "gave_up" | null): TailwaterError {
    if (code === "refused" && this.#refusal !== null) return this.#refusal;
    return new TailwaterError("gave_up", `the watch gave up: ${this.#machine.reason ?? "too many failures"}`, {
      status: this.#refusal?.status ?? null,
      cause: this.#refusal ?? undefined,
    });
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
    if (deadline === null) return this.#disarm();
    // One that comes too early looks again; so a stream of events does not move a timer each time.
    if (this.#timer !== null && this.#timer.at <= deadline) return;
    this.#disarm();
    const { world } = this.#options;
    const ring = (): void => {
      this.#timer = null;
      this.#happen({ what: "tick" });
    };
    this.#timer = { handle: world.setTimeout(ring, Math.max(0, deadline - world.now())), at: deadline };
  }

  #disarm(): void {
    if (this.#timer !== null) this.#options.world.clearTimeout(this.#timer.handle);
    this.#timer = null;
  }
}

const isFinal = (status: number): boolean => [400, 401, 403, 404, 410].includes(status);

const hasEventSource = (): boolean => typeof EventSource !== "undefined";

const isOffline = (): boolean => typeof navigator !== "undefined" && navigator.onLine === false;

/** `fetch` hears keep-alives and reads statuses, which a native `EventSource` does not. */
function carrierOf(transport: Transport): "fetch" | "eventsource" {
  const readable = typeof ReadableStream !== "undefined";
  return transport === "eventsource" || (transport === "auto" && !readable && hasEventSource()) ? "eventsource" : "fetch";
}
