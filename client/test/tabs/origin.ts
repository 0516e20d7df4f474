// An origin without a browser: locks, channels and a server with logs, for as many tabs as a test
// wants. Node has no Web Locks; the browser suites try the same with real ones.

import { Connection } from "../../src/http.ts";
import { isTerminal, type JobEvent } from "../../src/events.ts";
import { Hub, type Channel } from "../../src/tabs/hub.ts";
import type { Word } from "../../src/tabs/words.ts";
import { FIRST_STATE } from "../../src/watch/link.ts";
import { Watcher } from "../../src/watch/watch.ts";
import { realWorld, type World } from "../../src/watch/world.ts";
import { json, Wire, type Asked } from "../watch/script.ts";

interface Holder {
  readonly release: () => void;
  readonly lose: (reason: Error) => void;
}

/** One lock of an origin, by the rules of <https://w3c.github.io/web-locks/>. */
class Lock {
  #holder: Holder | null = null;
  readonly #line: { readonly grant: () => void; readonly signal: AbortSignal | undefined }[] = [];

  request(steal: boolean, signal: AbortSignal | undefined, callback: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const grant = (): void => {
        const holder: Holder = {
          release: () => {
            if (this.#holder !== holder) return;
            this.#holder = null;
            this.#next();
          },
          lose: reject,
        };
        this.#holder = holder;
        queueMicrotask(() => callback().then(resolve, reject).finally(holder.release));
      };
      if (signal?.aborted) return reject(new DOMException("aborted", "AbortError"));
      if (steal) {
        this.#holder?.lose(new DOMException("stolen", "AbortError"));
        return grant();
      }
      signal?.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
      this.#line.push({ grant, signal });
      if (this.#holder === null) this.#next();
    });
  }

  #next(): void {
    let next = this.#line.shift();
    while (next?.signal?.aborted) next = this.#line.shift();
    next?.grant();
  }
}

/** A log of one job, as the server has it. */
interface Log {
  readonly events: { readonly id: number; readonly type: string }[];
}

interface Reader {
  readonly wire: Wire;
  readonly cursors: Map<string, number>;
}

/** A server of jobs, the browser's locks, and its tabs. */
export class Origin {
  readonly #locks = new Map<string, Lock>();
  readonly #channels = new Set<TabChannel>();
  readonly #logs = new Map<string, Log>();
  readonly #readers = new Set<Reader>();
  #head = 0;
  #tabs = 0;
  /** Every stream that was opened. */
  streams: URL[] = [];

  /** How many streams are open now. */
  get open(): number {
    return [...this.#readers].filter(({ wire }) => wire.isOpen).length;
  }

  /** A new tab, with a hub of its own. */
  tab(): Tab {
    this.#tabs += 1;
    const name = `tab${this.#tabs}`;
    const channels: TabChannel[] = [];
    const isFrozen = (): boolean => channels.some((channel) => channel.isFrozen);
    // What a frozen tab was to do later it does not do.
    const world: World = {
      ...realWorld,
      after: (delayMs, work) => realWorld.after(delayMs, () => { if (!isFrozen()) work(); }),
    };
    const connection = new Connection({ baseUrl: "http://test", fetch: (url, init) => this.#fetch(url, init) });
    const locks = {
      request: (lock: string, options: LockOptions, callback: () => Promise<void>) => {
        const held = this.#locks.get(lock) ?? new Lock();
        this.#locks.set(lock, held);
        return held.request(options.steal ?? false, options.signal, callback);
      },
    };
    const hub = new Hub({
      name: "origin",
      connection,
      world,
      locks: locks as Pick<LockManager, "request">,
      channel: () => {
        const channel = new TabChannel(this.#channels);
        channels.push(channel);
        return channel;
      },
      tab: name,
    });
    return new Tab(hub, channels);
  }

  /** Something happens to a job. */
  append(job: string, type = "content"): number {
    const log = this.#log(job);
    this.#head += 1;
    log.events.push({ id: this.#head, type });
    for (const reader of this.#readers) this.#push(reader);
    return this.#head;
  }

  /** Every connection breaks. */
  cut(): void {
    for (const { wire } of this.#readers) if (wire.isOpen) wire.cut();
    this.#readers.clear();
  }

  /** The ids of a job's events. */
  ids(job: string): number[] {
    return this.#log(job).events.map(({ id }) => id);
  }

  #log(job: string): Log {
    const log = this.#logs.get(job) ?? { events: [] };
    this.#logs.set(job, log);
    return log;
  }

  async #fetch(input: string, init: RequestInit = {}): Promise<Response> {
    const asked: Asked = { url: new URL(input), headers: new Headers(init.headers), signal: init.signal ?? null };
    const { pathname, searchParams } = asked.url;
    const single = /^\/api\/jobs\/(.+)\/events$/.exec(pathname);
    if (single?.[1] !== undefined) {
      if (single[1].startsWith("gone")) return json({ status: 404, code: "unknown_job", detail: "gone" }, { status: 404 });
      return json({ events: [], next: 0, ended: false, head: 0, poll_after_ms: null });
    }
    const named = (searchParams.get("job") ?? "").split(",").map((part) => part.split("@"));
    if (named.some(([job]) => job?.startsWith("gone"))) {
      return json({ status: 404, code: "unknown_job", detail: "one is gone" }, { status: 404 });
    }
    this.streams.push(asked.url);
    const reader: Reader = { wire: new Wire(asked.signal), cursors: new Map(named.map(([job, at]) => [job ?? "", Number(at)])) };
    this.#readers.add(reader);
    const jobs = [...reader.cursors].map(([job, at]) => {
      const last = this.#log(job).events.at(-1);
      return { job, status: "running", attempt: 1, over: last !== undefined && isTerminal(last.type) && last.id <= at };
    });
    reader.wire.hello({ jobs });
    this.#push(reader);
    return reader.wire.response;
  }

  #push(reader: Reader): void {
    if (!reader.wire.isOpen) return;
    const due = [...reader.cursors].flatMap(([job, at]) =>
      this.#log(job).events.filter(({ id }) => id > at).map((event) => ({ job, ...event })));
    for (const { job, id, type } of due.sort((left, right) => left.id - right.id)) {
      reader.wire.event(id, type, { job, data: {} });
      reader.cursors.set(job, id);
    }
  }
}

/** A channel whose messages arrive later, as copies, at all others. */
class TabChannel implements Channel {
  onmessage: ((message: MessageEvent<Word>) => void) | null = null;
  readonly #all: Set<TabChannel>;
  #isOpen = true;
  /** Of a tab that froze or died: nothing comes in or goes out any more. */
  isFrozen = false;

  constructor(all: Set<TabChannel>) {
    this.#all = all;
    all.add(this);
  }

  postMessage(word: Word): void {
    if (this.isFrozen) return;
    if (!this.#isOpen) throw new DOMException("closed", "InvalidStateError");
    const copy = structuredClone(word);
    for (const other of this.#all) {
      if (other !== this) setTimeout(() => other.#deliver(copy), 1);
    }
  }

  close(): void {
    this.#isOpen = false;
    this.#all.delete(this);
  }

  #deliver(word: Word): void {
    if (this.#isOpen && !this.isFrozen) this.onmessage?.({ data: word } as MessageEvent<Word>);
  }
}

/** A tab: what it watches, and what it saw. */
export class Tab {
  readonly hub: Hub;
  readonly #channels: readonly TabChannel[];
  readonly watchers: Watcher[] = [];

  constructor(hub: Hub, channels: readonly TabChannel[]) {
    this.hub = hub;
    this.#channels = channels;
  }

  watch(job: string, after = 0): { readonly ids: number[]; readonly watcher: Watcher } {
    const ids: number[] = [];
    const watcher = new Watcher({
      topic: `job:${job}`,
      after,
      first: FIRST_STATE,
      onEvent: ({ id }) => {
        if (id !== null) ids.push(id);
      },
      open: (subscriber) => this.hub.subscribe(subscriber),
      end: () => Promise.resolve({ id: 0, type: "completed", data: {} } satisfies Pick<JobEvent, "id" | "type"> & { data: unknown }),
    });
    this.watchers.push(watcher);
    return { ids, watcher };
  }

  /** Closes in good order. */
  close(): void {
    for (const watcher of this.watchers) watcher.close();
  }

  /** Hears and says nothing any more, and holds on to what it has. */
  freeze(): void {
    for (const channel of this.#channels) channel.isFrozen = true;
  }
}
