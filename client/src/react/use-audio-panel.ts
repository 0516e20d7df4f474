// A narration in a component: how far it is, then the narration itself, at once.

import { useEffect, useMemo, useSyncExternalStore, type RefCallback } from "react";

import { isMedia, narrationProgress, wantsVoice, type NarrationProgress } from "../questions.ts";
import type { JobState } from "../state.ts";
import { Player, type Playing } from "./player.ts";
import { useClient } from "./provider.ts";
import { useJob, type JobOptions } from "./use-job.ts";

/** How a narration is watched and played. */
export interface AudioPanelOptions extends JobOptions {
  /** Plays it as soon as it is there, if the browser allows that (default false). */
  readonly autoPlay?: boolean;
}

/** A narration. Its `percent` is 100 with `tts_completed`, and at no other time. */
export interface AudioPanel extends NarrationProgress, Playing {
  /** Where the narration is; null until it can be played. */
  readonly url: string | null;
  readonly durationMs: number | null;
  readonly voice: string | null;
  /** For the element that plays it, as in `<audio ref={audioRef} />`; it gets its `src` from here. */
  readonly audioRef: RefCallback<HTMLAudioElement>;
  readonly play: () => void;
  readonly pause: () => void;
}

/**
 * The narration of a job that is watched already, as by `useJob`, or of one that is named by its id
 * and watched here.
 */
export function useAudioPanel(job: JobState | string | null, options: AudioPanelOptions = {}): AudioPanel {
  const { autoPlay = false, ...watching } = options;
  const client = useClient(options.client);
  const watched = useJob(typeof job === "string" ? job : null, watching);
  const state = job === null || typeof job === "string" ? watched.job : job;
  const player = useMemo(() => new Player(), []);
  const playing = useSyncExternalStore(player.subscribe, player.view, player.view);
  const { narration } = state;
  const url = narration === null ? null : (client?.connection.url(narration.url) ?? narration.url);
  useEffect(() => player.show(url, autoPlay), [player, url, autoPlay]);
  return {
    ...progressOf(job === null ? null : state),
    ...playing,
    url,
    durationMs: narration?.durationMs ?? null,
    voice: narration?.voice ?? null,
    audioRef: player.attach,
    play: player.play,
    pause: player.pause,
  };
}

function progressOf(state: JobState | null): NarrationProgress {
  if (state === null || !mayHaveVoice(state)) return { phase: "absent", percent: 0, part: null, parts: null };
  return narrationProgress(state);
}

/** A narration cannot be ruled out before it is known what the job makes. */
function mayHaveVoice(state: JobState): boolean {
  if (wantsVoice(state)) return true;
  return !isMedia(state) && state.kind !== "chat" && !(state.kind === "blog" && state.input !== null);
}
