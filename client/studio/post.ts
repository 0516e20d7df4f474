// The post: Markdown shown while it is being written.
//
// Pieces arrive in bursts of up to 500 characters. They are let out over a fraction of a second, so
// that the text flows instead of jumping; a reader who has catching up to do, who asked for less
// motion or who looks away gets everything at once.

import { type JobState } from "../src/index.ts";
import { growingDocument } from "./markdown/markdown.ts";
import { reconcile } from "./tree.ts";

/** More than this waiting is history, not writing: it is shown at once. */
const HISTORY = 1_600;
/** What waits is let out in about this time. */
const FLOW_MS = 220;

const lessMotion = matchMedia("(prefers-reduced-motion: reduce)");

/** A view of a growing text. */
export interface PostView {
  /** Shows a state of a job. */
  update(state: JobState): void;
  /** Forgets everything: another job is shown. */
  clear(): void;
}

/** A view of a growing text inside `container`. */
export function postView(container: HTMLElement): PostView {
  const caret = document.createElement("span");
  caret.className = "caret";
  caret.setAttribute("aria-hidden", "true");

  let markdown = growingDocument();
  let revision = 0;
  let text = "";
  let writing = false;
  /** How much of `text` is shown, in UTF-16 units. */
  let shown = 0;
  let drawn = { shown: -1, writing: false };
  let lastFrame = 0;
  let frame: number | null = null;

  function draw(now: number): void {
    frame = null;
    const elapsed = Math.min(64, now - lastFrame);
    lastFrame = now;
    const waiting = text.length - shown;
    if (waiting > HISTORY || lessMotion.matches || document.hidden) shown = text.length;
    else shown += Math.ceil(Math.max((waiting * elapsed) / FLOW_MS, elapsed * 0.08));
    shown = wholeCharacter(text, Math.min(shown, text.length));
    paint();
    if (shown < text.length) request();
  }

  function paint(): void {
    const open = writing || shown < text.length;
    if (drawn.shown === shown && drawn.writing === open) return;
    drawn = { shown, writing: open };
    caret.remove();
    reconcile(container, markdown.update(text.slice(0, shown), { open }));
    if (open) lastPlace(container).append(caret);
    container.dataset.shown = shown === text.length ? "all" : "some";
  }

  function request(): void {
    if (frame !== null) return;
    // A hidden tab gets no animation frames.
    if (document.hidden) draw(performance.now());
    else frame = requestAnimationFrame(draw);
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden || frame === null) return;
    cancelAnimationFrame(frame);
    draw(performance.now());
  });

  return {
    update(state) {
      if (state.revision !== revision) {
        revision = state.revision;
        markdown = growingDocument();
        shown = 0;
        drawn = { shown: -1, writing: false };
      }
      text = state.text;
      writing = state.end === null && text !== ""
        && !["narrating", "finishing"].includes(state.progress.stage);
      container.setAttribute("aria-busy", String(writing));
      if (shown < text.length) container.dataset.shown = "some";
      request();
    },
    clear() {
      revision = -1;
      text = "";
      shown = 0;
      drawn = { shown: -1, writing: false };
      markdown = growingDocument();
      container.replaceChildren();
      delete container.dataset.shown;
    },
  };
}

/** Moves an index out of the middle of a surrogate pair. */
function wholeCharacter(text: string, index: number): number {
  const cut = index < text.length && (text.charCodeAt(index) & 0xfc00) === 0xdc00;
  return cut ? index + 1 : index;
}

/** The element in which the last written word stands. */
function lastPlace(container: Element): Element {
  let place = container;
  const holders = /^(?:p|ul|ol|li|blockquote|pre|code|h[1-6])$/;
  for (;;) {
    const last = place.lastElementChild;
    if (last === null || !holders.test(last.localName)) return place;
    // Inline code in a running sentence is not where the sentence goes on.
    if (last.localName === "code" && place.localName !== "pre") return place;
    place = last;
  }
}
