// The water behind the page rises with the work, and is gone when there is something to read.

import { find } from "./dom.js";
import { isOver, overallPercent } from "./state.js";

const RESTING_VH = 15;
const HIGHEST_VH = 13;

/** Shows the level of a job, or without one, the resting level. */
export function setWater(state) {
  const water = find("#water");
  const level = state === null ? RESTING_VH : (HIGHEST_VH * overallPercent(state)) / 100;
  water.style.setProperty("--level", `${level}vh`);
  water.toggleAttribute("data-behind", state !== null);
  water.toggleAttribute("data-calm", state !== null && isOver(state));
}
