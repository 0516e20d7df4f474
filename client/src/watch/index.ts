// Watching: `watchJob` and `watchProject`, and what brings their events.

import { aborted, failure } from "../errors.ts";
import type { EventId, JobEvent } from "../events.ts";
import type { Connection } from "../http.ts";
import { canShare } from "../tabs/share.ts";
import type { Job } from "../types.ts";
import { keep, recall } from "./cursor.ts";
import { JobTarget } from "./job-target.ts";
import { FIRST_STATE, Link, type Sink } from "./link.ts";
import type { Open, Source, Subscriber } from "./source.ts";
import { jobPath, type RawEvent, type Target } from "./target.ts";
import type { ProjectEvent, ProjectWatch, ProjectWatchOptions, Watch, WatchOptions, WatchState } from "./types.ts";
import { Watcher } from "./watch.ts";
import { realWorld } from "./world.ts";

/** Watches a job from a cursor to its end. */
export function watchJob<Custom = unknown>(connection: Connection, jobId: string, options: WatchOptions<Custom> = {}): Watch<Custom> {
  const { remember = false, streamUrl } = options;
  const watcher = new Watcher<JobEvent<Custom>>({
    ...options,
    topic: `job:${jobId}`,
    after: options.after ?? (remember ? recall(connection.url(""), jobId) : 0),
    onCursor: remember ? (at) => keep(connection.url(""), jobId, at) : undefined,
    end: () => endOf(connection, jobId),
    ...sourceOf(connection, options, async (after) => new JobTarget(jobId, after, streamUrl)),
  });
  return Object.assign(watcher, { jobId });
}

/** Watches all jobs of a project, new ones too; begins with a `snapshot` of what is there. */
export function watchProject(connection: Connection, projectId: string, options: ProjectWatchOptions = {}): ProjectWatch {
  const watcher = new Watcher<ProjectEvent>({
    ...options,
    topic: `project:${projectId}`,
    after: options.after ?? 0,
    // A project has no end; what asks for it has been closed.
    end: () => Promise.reject(aborted(options.signal)),
    ...sourceOf(connection, options, async (after) => new (await later()).ProjectTarget(projectId, after)),
  });
  return Object.assign(watcher, { projectId });
}

/** What of a watch's options says how its events are to come. */
type Carrying = Pick<WatchOptions, "share" | "transport" | "streamUrl" | "retry" | "types">;

const later = (): Promise<typeof import("./later.ts")> => import("./later.ts");

/** Where the events come from: what the tabs share, where they can and nothing speaks against it. */
function sourceOf(
  connection: Connection,
  { share = true, transport = "auto", streamUrl, retry, types }: Carrying,
  target: (after: EventId) => Promise<Target>,
): { first: WatchState; open: Open } {
  const alone = async (subscriber: Subscriber): Promise<Source> => {
    const sink: Sink = { ...subscriber, arrive: (arrivals) => arrivals.forEach(subscriber.receive) };
    return new Link({ connection, target: await target(subscriber.after()), world: realWorld, transport, retry, types, sink });
  };
  // An address with a ticket in it opens one job's stream and no other.
  const isPlain = transport === "auto" && retry === undefined && !streamUrl?.includes("?");
  if (!share || !isPlain || !canShare()) return { first: FIRST_STATE, open: opening(alone) };
  const together = async (subscriber: Subscriber): Promise<Source> => (await later()).hubOf(connection).subscribe(subscriber);
  const open = opening((subscriber) => together(subscriber).catch(() => alone(subscriber)));
  return { first: { ...FIRST_STATE, shared: true }, open };
}

/** A source that is there later than its reader, who may be gone by then. */
const opening = (open: (subscriber: Subscriber) => Promise<Source>): Open => (subscriber) => {
  let source: Source | null = null;
  let isClosed = false;
  open(subscriber).then(
    (opened) => {
      if (isClosed) return opened.close();
      source = opened;
      opened.start?.();
    },
    (error: unknown) => subscriber.end(failure(error)),
  );
  return {
    close() {
      isClosed = true;
      source?.close();
    },
  };
};

/** How a job ended, in the words of its terminal event. */
async function endOf(connection: Connection, jobId: string): Promise<RawEvent> {
  const { last_event_id: id, status: type, result, error, reason } = await connection.json<Job>(jobPath(jobId));
  return { id, type, data: result ?? error ?? { reason } };
}
