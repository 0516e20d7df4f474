// Following the writing: offered when it goes on below the window, ended by scrolling up.
// A reader starts at the top, so the page never scrolls by itself unless asked to.

import type { JobState } from "../src/index.ts";

/** What follows the writing. */
export interface WritingFollower {
  update(state: JobState): void;
  reset(): void;
}

/** The button, and the text it follows. */
export function writingFollower(button: HTMLElement, post: HTMLElement): WritingFollower {
  let following = false;
  let writing = false;
  let last = 0;

  const below = (): boolean => post.getBoundingClientRect().bottom > innerHeight - 40;

  function draw(): void {
    button.hidden = !writing || following || !below();
  }

  function scroll(): void {
    const hidden = post.getBoundingClientRect().bottom - innerHeight + 140;
    if (hidden > 0) scrollBy(0, hidden);
  }

  button.addEventListener("click", () => {
    following = true;
    scroll();
    draw();
  });
  addEventListener("scroll", () => {
    if (scrollY < last - 4) following = false;
    last = scrollY;
    draw();
  }, { passive: true });
  new ResizeObserver(() => {
    if (following && writing) scroll();
    draw();
  }).observe(post);

  return {
    update(state) {
      writing = state.end === null && state.progress.stage === "writing" && state.text !== "";
      draw();
    },
    reset() {
      following = writing = false;
      draw();
    },
  };
}
