// The line at the top of every part: how the server is, and how old that knowledge is.

import { announce } from "../studio/announce.ts";
import { find, setText, showText } from "../studio/dom.ts";
import { span } from "./amounts.ts";
import { healthOf } from "./health.ts";
import type { Figures } from "./types.ts";

/** Older figures are said to be old. */
const STALE_MS = 4_000;

/** The view of the server's health. */
export interface HealthLine {
  take(figures: Figures): void;
  /** The clock went on. */
  tick(): void;
}

/** Brings the line to life. */
export function healthLine(element: HTMLElement): HealthLine {
  let takenAt: number | null = null;
  let before = "";

  function tick(): void {
    const age = takenAt === null ? 0 : Date.now() - takenAt;
    const isStale = age > STALE_MS;
    document.body.toggleAttribute("data-stale", isStale);
    showText(find("#stale", element), isStale ? `These figures are ${span(age)} old: the stream is broken.` : "");
  }

  return {
    take(figures) {
      takenAt = Date.now();
      const { state, words, why } = healthOf(figures);
      element.hidden = false;
      element.dataset.state = state;
      setText(find("#health-state", element), words);
      setText(find("#health-why", element), why);
      const node = figures.node === null ? "" : `node ${figures.node}`;
      setText(find("#health-facts", element), [figures.version, node, `up ${span(figures.uptime_ms)}`].filter(Boolean).join(" · "));
      if (before !== "" && before !== state) announce(`The server is ${words.toLowerCase()}. ${why}`);
      before = state;
      tick();
    },
    tick,
  };
}
