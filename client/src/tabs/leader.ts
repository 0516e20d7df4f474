// The tab that holds the connections for all tabs of an origin: one for their jobs, one for each
// project that somebody watches.

import type { TailwaterError } from "../errors.ts";
import type { EventId } from "../events.ts";
import type { Connection } from "../http.ts";
import { JobsTarget, MOST_JOBS } from "../watch/jobs-target.ts";
import { Link, type Sink } from "../watch/link.ts";
import { ProjectTarget } from "../watch/project-target.ts";
import type { Arrival, Target } from "../watch/target.ts";
import type { WatchState } from "../watch/types.ts";
import type { World } from "../watch/world.ts";

/** Who hears of what a leader's links bring. */
export interface LeaderSink {
  arrive(arrivals: readonly Arrival[]): void;
  state(topics: readonly string[], state: WatchState): void;
  end(topic: string, error: TailwaterError | null): void;
}

/** Topics that are wanted within this time are asked for by one connection, not by one each. */
const GATHER_MS = 30;
/** A tab that said nothing for so long is gone, without having said so. */
const FORGET_MS = 90_000;

interface Line {
  readonly target: Target;
  readonly link: Link;
  started: boolean;
}

interface Want {
  /** The tabs that want it, each with when it last said so. */
  readonly tabs: Map<string, number>;
  readonly line: Line;
}

/** The leader's side of the sharing. */
export class Leader {
  readonly #connection: Connection;
  readonly #world: World;
  readonly #sink: LeaderSink;
  readonly #wants = new Map<string, Want>();
  readonly #changed = new Set<Line>();
  #gathering: (() => void) | null = null;

  constructor(connection: Connection, world: World, sink: LeaderSink) {
    this.#connection = connection;
    this.#world = world;
    this.#sink = sink;
  }

  /** Whether every connection is live. */
  get isLive(): boolean {
    return [...this.#wants.values()].every(({ line }) => line.link.state.phase === "live");
  }

  /** A tab wants a topic: `anew` from behind a cursor; otherwise it only says that it is still there. */
  want(tab: string, topic: string, after: EventId, anew: boolean): void {
    const known = this.#wants.get(topic);
    const want = known ?? { tabs: new Map<string, number>(), line: this.#lineFor(topic) };
    this.#wants.set(topic, want);
    want.tabs.set(tab, this.#world.now());
    if (known !== undefined && !anew) return;
    this.#bring(want.line, topic, after);
    // Where the line's state stays what it is, nobody else tells it.
    this.#sink.state([topic], want.line.link.state);
  }

  drop(tab: string, topic: string): void {
    const want = this.#wants.get(topic);
    want?.tabs.delete(tab);
    if (want?.tabs.size === 0) this.#forget(topic);
  }

  /** Lets go of what only tabs want that are gone. */
  tidy(): void {
    const oldest = this.#world.now() - FORGET_MS;
    for (const [topic, { tabs }] of this.#wants) {
      for (const [tab, seen] of tabs) if (seen < oldest) this.drop(tab, topic);
    }
  }

  wake(): void {
    for (const line of this.#lines()) line.link.wake();
  }

  close(): void {
    this.#gathering?.();
    for (const line of this.#lines()) line.link.close();
    this.#wants.clear();
  }

  #lines(): ReadonlySet<Line> {
    return new Set([...this.#wants.values()].map(({ line }) => line));
  }

  /** Jobs go together as long as one connection may name them; each project has its own. */
  #lineFor(topic: string): Line {
    if (!topic.startsWith("job:")) return this.#newLine(new ProjectTarget(nameOf(topic)));
    for (const line of this.#lines()) {
      if (line.target instanceof JobsTarget && line.target.size < MOST_JOBS) return line;
    }
    return this.#newLine(new JobsTarget());
  }

  #newLine(target: Target): Line {
    const sink: Sink = {
      arrive: (arrivals) => this.#sink.arrive(arrivals),
      state: (state) => this.#sink.state(this.#topicsOf(line), state),
      end: (error, topic) => this.#ended(line, error, topic),
    };
    const link = new Link({ connection: this.#connection, target, sink, world: this.#world });
    const line: Line = { target, link, started: false };
    return line;
  }

  #bring(line: Line, topic: string, after: EventId): void {
    const { target } = line;
    if (target instanceof ProjectTarget) target.rewind(after);
    if (target instanceof JobsTarget && !target.want(nameOf(topic), after)) return;
    this.#changed.add(line);
    this.#gathering ??= this.#world.after(GATHER_MS, () => this.#connect());
  }

  #connect(): void {
    this.#gathering = null;
    const changed = [...this.#changed];
    this.#changed.clear();
    for (const line of changed) {
      if (line.started) line.link.changed();
      else line.link.start();
      line.started = true;
    }
  }

  #topicsOf(line: Line): string[] {
    return [...this.#wants].filter(([, want]) => want.line === line).map(([topic]) => topic);
  }

  #ended(line: Line, error: TailwaterError | null, topic?: string): void {
    const topics = topic === undefined ? this.#topicsOf(line) : [topic];
    for (const ended of topics) {
      this.#wants.delete(ended);
      this.#sink.end(ended, error);
    }
  }

  #forget(topic: string): void {
    const want = this.#wants.get(topic);
    this.#wants.delete(topic);
    if (want === undefined) return;
    if (want.line.target instanceof JobsTarget) want.line.target.drop(nameOf(topic));
    if (this.#topicsOf(want.line).length === 0) want.line.link.close();
  }
}

const nameOf = (topic: string): string => topic.slice(topic.indexOf(":") + 1);
