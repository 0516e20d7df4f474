// One connection for all tabs of an origin: HTTP/1.1 gives a browser six, and ten tabs want ten.
//
// Whoever holds a Web Lock leads: it has the connections, and tells the others what comes over a
// BroadcastChannel. The lock passes on by itself when its tab closes or dies. Nothing is lost on the
// way: each tab keeps its own cursor, takes an event only when it follows directly on that, and asks
// again when one does not.

import { TailwaterError } from "../errors.ts";
import type { EventId } from "../events.ts";
import type { Connection } from "../http.ts";
import type { Source, Subscriber } from "../watch/source.ts";
import type { Arrival } from "../watch/target.ts";
import type { World } from "../watch/world.ts";
import { Leader } from "./leader.ts";
import type { LeadersWord, PlainError, Word } from "./words.ts";

/** What of a `BroadcastChannel` is used. */
export interface Channel {
  postMessage(word: Word): void;
  onmessage: ((message: MessageEvent<Word>) => void) | null;
  close(): void;
}

/** What a hub is made of. */
export interface HubOptions {
  /** Tells apart who may see different things: the server's address and the token's shadow. */
  readonly name: string;
  readonly connection: Connection;
  readonly world: World;
  readonly locks: Pick<LockManager, "request">;
  readonly channel: () => Channel;
  readonly tab: string;
}

/** How often a leader says that it lives, where its connections do not make it speak anyway. */
const PULSE_MS = 2_000;
/** A leader that is silent for so long does not lead any more. */
const SILENCE_MS = 9_000;
/** A tab that somebody looks at asks, and does not wait as long. */
const PING_MS = 1_500;
/** How often a tab says that it is still there. */
const STILL_MS = 20_000;

/** A tab's part in the sharing. */
export class Hub {
  readonly #options: HubOptions;
  readonly #subscribers = new Map<string, Set<Subscriber>>();
  #channel: Channel | null = null;
  #leader: Leader | null = null;
  #resign: () => void = () => undefined;
  #queued: AbortController | null = null;
  #unwatch: () => void = () => undefined;
  #heardAt = 0;
  #stillAt = 0;
  #unlisten: () => void = () => undefined;

  constructor(options: HubOptions) {
    this.#options = options;
  }

  /** Whether this tab leads. */
  get leads(): boolean {
    return this.#leader !== null;
  }

  subscribe(subscriber: Subscriber): Source {
    const { topic } = subscriber;
    const readers = this.#subscribers.get(topic) ?? new Set();
    this.#subscribers.set(topic, readers.add(subscriber));
    if (this.#channel === null) this.#join();
    this.#want(topic, subscriber.after(), true);
    return { close: () => this.#unsubscribe(subscriber) };
  }

  #unsubscribe(subscriber: Subscriber): void {
    const { topic } = subscriber;
    const readers = this.#subscribers.get(topic);
    if (readers?.delete(subscriber) !== true || readers.size > 0) return;
    this.#subscribers.delete(topic);
    this.#say({ say: "drop", tab: this.#options.tab, topic });
    if (this.#subscribers.size === 0) this.#leave();
  }

  // ── Coming and going ──

  #join(): void {
    const { world } = this.#options;
    this.#channel = this.#options.channel();
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    this.#heardAt = this.#stillAt = world.now();
    this.#unlisten = world.onAttention(() => this.#wake(), () => undefined);
    this.#queue();
    this.#watch();
  }

  #leave(): void {
    this.#unlisten();
    this.#unwatch();
    this.#queued?.abort();
    this.#stopLeading();
    this.#resign();
    this.#channel?.close();
    this.#channel = null;
  }

  /** Waits in line for the lock; takes it from its holder where that one does not answer. */
  #queue(steal = false): void {
    const { locks, name } = this.#options;
    this.#queued?.abort();
    const queued = (this.#queued = new AbortController());
    const hold = (): Promise<void> => {
      if (queued.signal.aborted) return Promise.resolve();
      this.#lead();
      return new Promise((resolve) => { this.#resign = resolve; });
    };
    const options = steal ? { steal: true } : { signal: queued.signal };
    locks.request(name, options, hold).catch(() => {
      // Given up by us, or taken by a tab that thought us dead: then it is our turn again after it.
      if (queued.signal.aborted || this.#channel === null) return;
      this.#stopLeading();
      this.#queue();
    });
  }

  #lead(): void {
    const { connection, world, tab } = this.#options;
    this.#leader = new Leader(connection, world, {
      arrive: (arrivals) => this.#say({ say: "arrive", tab, arrivals }),
      state: (topics, state) => this.#say({ say: "state", tab, topics, state: { ...state, shared: true } }),
      end: (topic, error) => this.#say({ say: "end", tab, topic, error: plain(error) }),
    });
    this.#say({ say: "lead", tab });
    this.#pulse();
  }

  #stopLeading(): void {
    this.#leader?.close();
    this.#leader = null;
  }

  /** A tab that somebody has come back to may have slept, and so may the leader. */
  #wake(): void {
    this.#wantAll(true);
    if (this.#leader !== null) return this.#leader.wake();
    const { world, tab } = this.#options;
    const asked = world.now();
    this.#say({ say: "ping", tab });
    world.after(PING_MS, () => {
      if (this.#leader === null && this.#channel !== null && this.#heardAt < asked) this.#queue(true);
    });
  }

  /** The leader says that it lives; the others listen for it. */
  #watch(): void {
    const { world } = this.#options;
    this.#unwatch = world.after(PULSE_MS, () => {
      if (this.#leader !== null) {
        this.#pulse();
      } else if (world.now() - this.#heardAt > SILENCE_MS && !world.isHidden()) {
        this.#heardAt = world.now();
        this.#queue(true);
      }
      this.#watch();
    });
  }

  #pulse(): void {
    const { world, tab } = this.#options;
    this.#say({ say: "pulse", tab, hidden: world.isHidden(), live: this.#leader?.isLive ?? false });
    // We have heard ourselves: not even after a sleep is what this tab wants forgotten.
    this.#leader?.tidy();
  }

  // ── Saying and hearing ──

  #wantAll(anew: boolean): void {
    this.#stillAt = this.#options.world.now();
    for (const [topic, readers] of this.#subscribers) this.#want(topic, leastOf(readers), anew);
  }

  #want(topic: string, after: EventId, anew: boolean): void {
    this.#say({ say: "want", tab: this.#options.tab, topic, after, anew });
  }

  /** To the other tabs, and to ourselves: a channel does not bring back what it was told. */
  #say(word: Word): void {
    this.#channel?.postMessage(word);
    this.#hear(word);
  }

  #hear(word: Word): void {
    switch (word.say) {
      case "want":
        return this.#leader?.want(word.tab, word.topic, word.after, word.anew);
      case "drop":
        return this.#leader?.drop(word.tab, word.topic);
      case "ping":
        return this.#leader === null ? undefined : this.#pulse();
      default:
        // All else is said by a tab that leads.
        this.#heardAt = this.#options.world.now();
        return this.#follow(word);
    }
  }

  #follow(word: LeadersWord): void {
    const { world, tab } = this.#options;
    switch (word.say) {
      case "lead":
        // Two cannot lead: who was asleep while its lock was taken hears of it here.
        if (word.tab !== tab) this.#stopLeading();
        return this.#wantAll(true);
      case "pulse":
        if (word.hidden && !word.live && !world.isHidden() && this.#leader === null) this.#queue(true);
        else if (world.now() - this.#stillAt >= STILL_MS) this.#wantAll(false);
        return undefined;
      case "arrive":
        return this.#arrive(word.arrivals);
      case "state":
        return word.topics.forEach((topic) => this.#readersOf(topic).forEach((reader) => reader.state(word.state)));
      case "end":
        return this.#end(word.topic, word.error);
    }
  }

  #arrive(arrivals: readonly Arrival[]): void {
    const missed = new Set<string>();
    for (const arrival of arrivals) {
      for (const subscriber of this.#readersOf(arrival.topic)) {
        // Something before it is still on its way to us, since we came later than the others.
        const isNext = arrival.follows === null || arrival.follows <= subscriber.after();
        if (isNext) subscriber.receive(arrival);
        else missed.add(arrival.topic);
      }
    }
    for (const topic of missed) this.#want(topic, leastOf(this.#subscribers.get(topic)), true);
  }

  #end(topic: string, error: PlainError | null): void {
    const reason = error === null ? null : new TailwaterError(error.code, error.detail, { status: error.status });
    for (const subscriber of this.#readersOf(topic)) subscriber.end(reason);
  }

  #readersOf(topic: string): readonly Subscriber[] {
    return [...(this.#subscribers.get(topic) ?? [])];
  }
}

/** The cursor of the reader that is furthest behind. */
const leastOf = (readers: Iterable<Subscriber> = []): EventId => Math.min(...[...readers].map((reader) => reader.after()), Infinity);

const plain = (error: TailwaterError | null): PlainError | null =>
  error === null ? null : { code: error.code, detail: error.detail, status: error.status };
