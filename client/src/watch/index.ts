// Watching: `watchJob` and `watchProject`, and what brings their events.

import { aborted } from "../errors.ts";
import type { EventId, JobEvent } from "../events.ts";
import type { Connection } from "../http.ts";
import { canShare, sharedSource } from "../tabs/share.ts";
import type { Job } from "../types.ts";
import { keep, recall } from "./cursor.ts";
import { jobTopic } from "./job-reader.ts";
import { JobTarget } from "./job-target.ts";
import { FIRST_STATE, Link } from "./link.ts";
import { ProjectTarget, projectTopic } from "./project-target.ts";
import type { Open } from "./source.ts";
import { jobPath, type Arrival, type RawEvent, type Target } from "./target.ts";
import type { ProjectEvent, ProjectWatch, ProjectWatchOptions, Watch, WatchOptions, WatchState } from "./types.ts";
import { Watcher } from "./watch.ts";
import { realWorld } from "./world.ts";

/** Watches a job from a cursor to its end. */
export function watchJob<Custom = unknown>(connection: Connection, jobId: string, options: WatchOptions<Custom> = {}): Watch<Custom> {
  const { remember = false, streamUrl } = options;
  const watcher = new Watcher<JobEvent<Custom>>({
    ...options,
    topic: jobTopic(jobId),
    after: options.after ?? (remember ? recall(connection.name, jobId) : 0),
    onCursor: remember ? (at) => keep(connection.name, jobId, at) : undefined,
    end: () => endOf(connection, jobId),
    ...sourceOf(connection, options, (at) => new JobTarget(jobId, at, streamUrl)),
  });
  return Object.assign(watcher, { jobId });
}

/** Watches all jobs of a project, new ones too; begins with a `snapshot` of what is there. */
export function watchProject(connection: Connection, projectId: string, options: ProjectWatchOptions = {}): ProjectWatch {
  const watcher = new Watcher<ProjectEvent>({
    ...options,
    topic: projectTopic(projectId),
    after: options.after ?? 0,
    // A project has no end; what asks for it has been closed.
    end: () => Promise.reject(aborted(options.signal)),
    ...sourceOf(connection, options, (at) => new ProjectTarget(projectId, at)),
  });
  return Object.assign(watcher, { projectId });
}

/** What of a watch's options says how its events are to come. */
type Carrying = Pick<WatchOptions, "share" | "transport" | "streamUrl" | "retry" | "types">;

/** Where the events come from: what the tabs share, where they can and nothing speaks against it. */
function sourceOf(
  connection: Connection,
  { share = true, transport = "auto", streamUrl, retry, types }: Carrying,
  target: (after: EventId) => Target,
): { first: WatchState; open: Open } {
  const open: Open = (subscriber) => {
    const sink = {
      ...subscriber,
      arrive: (arrivals: readonly Arrival[]): void => arrivals.forEach((arrival) => subscriber.receive(arrival)),
    };
    const link = new Link({ connection, target: target(subscriber.after()), world: realWorld, transport, retry, types, sink });
    // Not before the caller has what this returns: a link may have something to say at once.
    queueMicrotask(() => link.start());
    return link;
  };
  // An address with a ticket in it opens one job's stream and no other.
  const isPlain = transport === "auto" && retry === undefined && !streamUrl?.includes("?");
  return share && isPlain && canShare()
    ? { first: { ...FIRST_STATE, shared: true }, open: sharedSource(connection, open) }
    : { first: FIRST_STATE, open };
}

/** How a job ended, in the words of its terminal event. */
async function endOf(connection: Connection, jobId: string): Promise<RawEvent> {
  const { last_event_id: id, status: type, result, error, reason } = await connection.json<Job>(jobPath(jobId));
  return { id, type, data: result ?? error ?? { reason } };
}
