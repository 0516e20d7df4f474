// A job in a component.

import { useMemo, useSyncExternalStore } from "react";

import type { Tailwater } from "../client.ts";
import { isOver } from "../questions.ts";
import { JobStore, type JobStoreOptions, type JobView } from "./job-store.ts";
import { useClient } from "./provider.ts";

/** How a job is watched; read when the watch of a job begins. */
export interface JobOptions extends JobStoreOptions {
  /** Made once, outside of the component; the provider's otherwise. */
  readonly client?: Tailwater;
}

/** A job that is being watched. */
export interface WatchedJob extends JobView {
  /** Whether nothing more will happen. */
  readonly isOver: boolean;
  /** Watches again after an `error`. */
  readonly reconnect: () => void;
}

/**
 * Watches a job from its first event to its end, for as long as the component is there.
 *
 * Renders at most once for each frame. Another id is another job from the very next render on; null
 * is none. Leaving ends the watch and never the job.
 */
export function useJob(jobId: string | null, options: JobOptions = {}): WatchedJob {
  const { client: own, ...watching } = options;
  const client = useClient(own);
  const store = useMemo(() => new JobStore(client, jobId, watching), [client, jobId]);
  const view = useSyncExternalStore(store.subscribe, store.view, () => store.first);
  return { ...view, isOver: isOver(view.job), reconnect: store.reconnect };
}
