// Watching: `watchJob` and `watchProject`, and what brings their events.

import { aborted } from "../errors.ts";
import type { EventId, Status } from "../events.ts";
import type { Connection } from "../http.ts";
import { SHARED_STATE } from "../tabs/hub.ts";
import { hubOf } from "../tabs/share.ts";
import { keep, recall } from "./cursor.ts";
import { JobTarget, jobTopic } from "./job-target.ts";
import { FIRST_STATE, Link } from "./link.ts";
import { ProjectTarget, projectTopic } from "./project-target.ts";
import type { Source, Subscriber } from "./source.ts";
import { fields, jobPath, type RawEvent, type Target } from "./target.ts";
import type { ProjectWatchOptions, Watch, WatchOptions } from "./types.ts";
import { JobWatch, ProjectWatch, Watcher } from "./watch.ts";
import { realWorld } from "./world.ts";


/** Watches a job from a cursor to its end. */
export function watchJob<Custom = unknown>(connection: Connection, jobId: string, options: WatchOptions<Custom> = {}): Watch<Custom> {
  const { remember = false, streamUrl } = options;
  const after = options.after ?? (remember ? recall(connection.name, jobId) : 0);
  const watcher = new Watcher({
    topic: jobTopic(jobId),
    after,
    signal: options.signal,
    // Which types there are is the caller's word (`Custom`); the wire does not tell.
    onEvent: options.onEvent as ((event: RawEvent) => void) | undefined,
    onState: options.onState,
    onCursor: remember ? (at) => keep(connection.name, jobId, at) : undefined,
    end: () => endOf(connection, jobId),
    ...sourceOf(connection, options, (at) => new JobTarget(jobId, at, streamUrl)),
  });
  return new JobWatch(jobId, watcher);
}

/** Watches all jobs of a project, new ones too; begins with a `snapshot` of what is there. */
export function watchProject(connection: Connection, projectId: string, options: ProjectWatchOptions = {}): ProjectWatch {
  const watcher = new Watcher({
    topic: projectTopic(projectId),
    after: options.after ?? 0,
    signal: options.signal,
    onEvent: options.onEvent as ((event: RawEvent) => void) | undefined,
    onState: options.onState,
    // A project has no end; what asks for it has been closed.
    end: () => Promise.reject(aborted(options.signal)),
    ...sourceOf(connection, options, (at) => new ProjectTarget(projectId, at)),
  });
  return new ProjectWatch(projectId, watcher);
}

/** What of a watch's options says how its events are to come. */
type Carrying = Pick<WatchOptions, "share" | "transport" | "streamUrl" | "retry" | "types">;

/** Where the events come from: the tabs' hub where they can share and nothing speaks against it. */
function sourceOf(
  connection: Connection,
  { share = true, transport = "auto", streamUrl, retry, types }: Carrying,
  target: (after: EventId) => Target,
): { first: typeof FIRST_STATE; open: (subscriber: Subscriber) => Source } {
  // An address with a ticket in it opens one job's stream and no other.
  const isPlain = transport === "auto" && retry === undefined && !(streamUrl ?? "").includes("?");
  const hub = share && isPlain ? hubOf(connection) : null;
  if (hub !== null) return { first: SHARED_STATE, open: (subscriber) => hub.subscribe(subscriber) };
  const open = (subscriber: Subscriber): Source => {
    const link = new Link({
      connection,
      target: target(subscriber.after()),
      world: realWorld,
      transport,
      retry,
      types,
      sink: {
        arrive: (arrivals) => arrivals.forEach((arrival) => subscriber.receive(arrival)),
        state: (state) => subscriber.state(state),
        end: (error) => subscriber.end(error),
      },
    });
    // Not before the caller has what this returns: a link may have something to say at once.
    queueMicrotask(() => link.start());
    return link;
  };
  return { first: FIRST_STATE, open };
}

/** How a job ended, in the words of its terminal event. */
async function endOf(connection: Connection, jobId: string): Promise<RawEvent> {
  const job = await connection.json<{ status: Status; last_event_id: EventId }>(jobPath(jobId));
  const { result, error, reason } = fields(job);
  return { id: job.last_event_id, type: job.status, data: result ?? error ?? { reason } };
}
