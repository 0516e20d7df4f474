// What a page asks of a job's state, answered in one place so that no two views disagree.

import type { Artifact, Kind } from "./events.ts";
import type { JobState } from "./state.ts";

/** What a model of the catalog makes. */
const MEDIA: ReadonlySet<Kind | null> = new Set<Kind>(["video", "image", "lipsync"]);

/** Whether nothing more will happen. */
export const isOver = (state: Pick<JobState, "end">): boolean => state.end !== null;

/** Whether the job makes something to look at, by a model of the catalog. */
export const isMedia = ({ kind }: Pick<JobState, "kind">): boolean => MEDIA.has(kind);

/** The videos and images that it made. */
export const pictures = ({ artifacts }: Pick<JobState, "artifacts">): readonly Artifact[] => (
  artifacts.filter(({ kind }) => kind === "video" || kind === "image")
);

/** What became of a job's credits, in micro-credits. */
export interface Cost {
  /** `held` until the end, then `cost` or `released`; null where nothing is known. */
  readonly what: "held" | "cost" | "released" | null;
  readonly micro: number;
}

/** What became of the credits. */
export function costOf({ hold, end }: Pick<JobState, "hold" | "end">): Cost {
  const nothing: Cost = { what: null, micro: 0 };
  if (end?.type === "completed") {
    const { cost } = end.data;
    return typeof cost === "number" && Number.isFinite(cost) ? { what: "cost", micro: cost } : nothing;
  }
  if (hold === null || hold <= 0) return nothing;
  return { what: end === null ? "held" : "released", micro: hold };
}

/** Whether the job makes (or made) something to listen to. */
export const wantsVoice = (state: JobState): boolean => state.kind === "voiceover"
  || Boolean(state.input?.voiceover)
  || state.narration !== null
  || state.progress.stage === "narrating";

/** How far the job is: 100 only once the narration can be played, or the job is complete. */
export function overallPercent(state: JobState): number {
  if (state.status === "completed" || state.narration !== null) return 100;
  return Math.round(state.progress.percent);
}

/** How far a narration is. */
export interface NarrationProgress {
  /** `waiting` for its text, `making`, `ready` to be played, or `absent` when there will be none. */
  readonly phase: "waiting" | "making" | "ready" | "absent";
  /** 100 only with `tts_completed`. */
  readonly percent: number;
  readonly part: number | null;
  readonly parts: number | null;
}

/** How far the narration is. */
export function narrationProgress(state: JobState): NarrationProgress {
  if (state.narration !== null) return { phase: "ready", percent: 100, part: null, parts: null };
  const { stage, part, parts } = state.progress;
  const percent = part !== null && parts !== null && parts > 0 ? Math.min(99, Math.round((100 * part) / parts)) : 0;
  if (isOver(state)) return { phase: "absent", percent, part, parts };
  const phase = stage === "narrating" || stage === "finishing" ? "making" : "waiting";
  return { phase, percent, part, parts };
}
