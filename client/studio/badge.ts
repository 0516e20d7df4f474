// The badge: how this page hears of the job right now, and why in this way.

import type { WatchState } from "../src/index.ts";
import { find, setText } from "./dom.ts";
import { sentence } from "./titles.ts";

/** What carries the events, as people may read it. */
const CARRIERS: Readonly<Record<NonNullable<WatchState["carrier"]>, string>> = {
  "fetch": "a stream",
  "eventsource": "the browser's own event stream",
  "long-poll": "requests that wait for news",
  "poll": "a request now and then",
};

/** A view of a connection. */
export interface Badge {
  update(state: WatchState): void;
  /** Nothing is being watched. */
  clear(): void;
}

/** A view inside the badge. */
export function badge(element: HTMLElement): Badge {
  const words = find(".badge-words", element);
  const reason = find(".badge-why", element);
  let state: WatchState | null = null;
  let timer: number | undefined;

  function draw(): void {
    clearTimeout(timer);
    element.hidden = state === null;
    if (state === null) return;
    element.dataset.phase = state.phase;
    const said = withNetwork(state, navigator.onLine);
    element.dataset.reason = said.reason ?? "";
    setText(words, badgeWords(said, Date.now()));
    setText(reason, badgeReason(said));
    if (state.retryAt !== null && state.retryAt > Date.now()) timer = window.setTimeout(draw, 250);
  }

  for (const name of ["online", "offline"]) addEventListener(name, draw);
  document.addEventListener("click", (event) => {
    if (event.target instanceof Node && !element.contains(event.target)) element.removeAttribute("open");
  });
  draw();

  return {
    update(next) {
      state = next;
      draw();
    },
    clear() {
      state = null;
      element.removeAttribute("open");
      draw();
    },
  };
}

/** A device without a network is why nothing comes, whatever else was said. */
export const withNetwork = (state: WatchState, isOnline: boolean): WatchState => (
  isOnline || state.phase !== "reconnecting" ? state : { ...state, reason: "this device is offline", retryAt: null }
);

/** The badge's own words, with a countdown while another try is planned. */
export function badgeWords({ phase, retryAt }: WatchState, now: number): string {
  if (phase === "ended") return "done";
  const seconds = retryAt === null ? 0 : Math.ceil((retryAt - now) / 1000);
  return phase === "reconnecting" && seconds > 0 ? `reconnecting in ${seconds} s` : phase;
}

/** Why it is so, in a sentence or two. */
export function badgeReason({ phase, reason, carrier, shared }: WatchState): string {
  const cause = reason === null ? "" : sentence(reason);
  const way = carrier === null ? "" : `Events come by ${CARRIERS[carrier]}.`;
  const whose = shared ? "One connection serves all tabs." : "";
  const end = phase === "ended" && reason === null ? "The job is over, and everything of it is here." : "";
  return [cause, end, phase === "ended" ? "" : way, whose].filter((part) => part !== "").join(" ");
}
