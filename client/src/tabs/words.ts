// What the tabs of an origin say to each other.

import type { EventId } from "../events.ts";
import type { Arrival } from "../watch/target.ts";
import type { WatchState } from "../watch/types.ts";

/** An error as it goes from tab to tab: an `Error` would lose its fields on the way. */
export interface PlainError {
  readonly code: string;
  readonly detail: string;
  readonly status: number | null;
}

/** What a tab that leads says. */
export type LeadersWord =
  /** It leads from now on: say again what you want. */
  | { readonly say: "lead"; readonly tab: string }
  /** It lives. */
  | { readonly say: "pulse"; readonly tab: string; readonly hidden: boolean; readonly live: boolean }
  | { readonly say: "arrive"; readonly tab: string; readonly arrivals: readonly Arrival[] }
  | { readonly say: "state"; readonly tab: string; readonly topics: readonly string[]; readonly state: WatchState }
  | { readonly say: "end"; readonly tab: string; readonly topic: string; readonly error: PlainError | null };

/** A message on the channel. `tab` is who says it. */
export type Word =
  | LeadersWord
  /** Whoever leads is asked to bring a topic, from behind `after` where `anew`. */
  | { readonly say: "want"; readonly tab: string; readonly topic: string; readonly after: EventId; readonly anew: boolean }
  | { readonly say: "drop"; readonly tab: string; readonly topic: string }
  /** Does whoever leads still live? */
  | { readonly say: "ping"; readonly tab: string };
