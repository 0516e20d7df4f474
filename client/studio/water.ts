// The water behind the page rises with the work, and is gone when there is something to read.

import { isOver, overallPercent } from "../src/index.ts";
import type { JobState } from "../src/index.ts";
import { find } from "./dom.ts";

const RESTING_VH = 15;
const HIGHEST_VH = 13;

/** Shows the level of a job, or without one, the resting level. */
export function setWater(state: JobState | null): void {
  const water = find("#water");
  const level = state === null ? RESTING_VH : (HIGHEST_VH * overallPercent(state)) / 100;
  water.style.setProperty("--level", `${level}vh`);
  water.toggleAttribute("data-behind", state !== null);
  water.toggleAttribute("data-calm", state !== null && isOver(state));
}
