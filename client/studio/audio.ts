// The audio panel: how far the narration is, then the narration itself, at once.

import { narrationProgress } from "../src/index.ts";
import type { JobState, Narration, NarrationProgress } from "../src/index.ts";
import { find, setText } from "./dom.ts";
import { player } from "./player.ts";

/** More parts than this are drawn as one bar. */
const PARTS_DRAWN = 24;
/** Whether a narration begins by itself is the reader's own choice, kept by the browser. */
const AUTOPLAY_KEY = "tailwater.autoplay";

/** The file of a narration. */
export interface NarrationFile {
  /** What it is called when it is saved. */
  readonly name: string;
  readonly bytes: number;
}

/** A view of a narration. */
export interface AudioPanel {
  update(state: JobState, file: NarrationFile): void;
  /** The narration has just been made in front of the reader: it is played, if the browser allows that. */
  playAtOnce(): void;
  /** Stops and forgets: another job is shown. */
  clear(): void;
}

/** A view of the narration inside `panel`. */
export function audioPanel(panel: HTMLElement): AudioPanel {
  const making = find(".audio-making", panel);
  const ready = find(".audio-ready", panel);
  const parts = find(".parts", panel);
  const autoplay = find(".autoplay input", panel, HTMLInputElement);
  const sound = player(ready);
  let wanted = false;

  function showMaking(progress: NarrationProgress): void {
    panel.dataset.phase = progress.phase;
    setText(find(".audio-stage", panel), makingWords(progress));
    find(".autoplay", panel).hidden = progress.phase === "absent";
    drawParts(parts, progress);
  }

  function showReady(narration: Narration, file: NarrationFile): void {
    panel.dataset.phase = "ready";
    parts.setAttribute("aria-valuenow", "100");
    setText(find(".voice", panel), narration.voice === null ? "" : `Voice: ${narration.voice}`);
    sound.load(narration, file);
    if (wanted && autoplay.checked) sound.play();
    wanted = false;
  }

  autoplay.checked = remembered() !== "off";
  autoplay.addEventListener("change", () => remember(autoplay.checked ? "on" : "off"));

  return {
    update(state, file) {
      const progress = narrationProgress(state);
      const { narration } = state;
      making.hidden = narration !== null;
      ready.hidden = narration === null;
      if (narration !== null) showReady(narration, file);
      else {
        sound.clear();
        showMaking(progress);
      }
    },
    playAtOnce() {
      wanted = true;
    },
    clear() {
      wanted = false;
      sound.clear();
    },
  };
}

function makingWords({ phase, part, parts }: NarrationProgress): string {
  if (phase === "waiting") return "Begins when the text is written.";
  if (phase === "absent") return "No narration was made.";
  if (parts === null || parts <= 1) return "Recording";
  return `Recording, part ${Math.min(parts, (part ?? 0) + 1)} of ${parts}`;
}

function drawParts(bar: HTMLElement, { phase, percent, part, parts }: NarrationProgress): void {
  const count = parts ?? 1;
  const drawn = count > PARTS_DRAWN ? 1 : Math.max(1, count);
  bar.hidden = phase === "absent";
  bar.setAttribute("aria-valuenow", String(percent));
  while (bar.childElementCount > drawn) bar.lastElementChild?.remove();
  while (bar.childElementCount < drawn) bar.append(document.createElement("i"));
  bar.querySelectorAll("i").forEach((segment, index) => {
    segment.classList.toggle("done", drawn > 1 && index < (part ?? 0));
    segment.classList.toggle("active", index === (part ?? 0) || drawn === 1);
    segment.style.setProperty("--filled", drawn === 1 ? `${percent}%` : "0%");
  });
}

function remembered(): string | null {
  try {
    return localStorage.getItem(AUTOPLAY_KEY);
  } catch {
    return null;
  }
}

function remember(choice: string): void {
  try {
    localStorage.setItem(AUTOPLAY_KEY, choice);
  } catch {
    // A private window may refuse; then the choice holds for this visit.
  }
}
