// The badge: how this page hears of the job right now.

import { find, setText } from "./dom.js";

/** A view inside the badge. */
export function badge(element) {
  const words = find("span", element);
  let phase = { name: "connecting", retryAt: null };
  let timer = null;

  function draw() {
    clearTimeout(timer);
    const offline = phase.name === "reconnecting" && !navigator.onLine;
    element.dataset.phase = offline ? "offline" : phase.name;
    setText(words, offline ? "offline" : wordsFor(phase));
    if (phase.retryAt !== null && phase.retryAt > Date.now()) timer = setTimeout(draw, 250);
  }

  addEventListener("offline", draw);
  addEventListener("online", draw);

  return {
    /** Shows a phase of `stream.js`. */
    update(next) {
      phase = next;
      draw();
    },
    clear() {
      phase = { name: "connecting", retryAt: null };
      draw();
    },
  };
}

function wordsFor({ name, retryAt }) {
  if (name === "ended") return "done";
  if (name !== "reconnecting") return name;
  const seconds = retryAt === null ? 0 : Math.ceil((retryAt - Date.now()) / 1000);
  return seconds > 0 ? `reconnecting in ${seconds} s` : "reconnecting";
}
