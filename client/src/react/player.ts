// An audio element that plays one narration after the other.

import { Store } from "./store.ts";

/** What is heard. */
export interface Playing {
  readonly isPlaying: boolean;
  /** The browser wants a click before anything may be heard. */
  readonly autoplayBlocked: boolean;
}

const CHANGES = ["play", "pause", "ended"] as const;

/** Plays in whatever element it is given, now or later. */
export class Player {
  readonly #store = new Store<Playing>({ isPlaying: false, autoplayBlocked: false });
  #element: HTMLAudioElement | null = null;
  #url: string | null = null;
  /** Asked for, and not begun yet: there may be no element so far. */
  #isWanted = false;

  readonly view = this.#store.get;
  readonly subscribe = this.#store.subscribe;

  /** The `ref` of the element. */
  readonly attach = (element: HTMLAudioElement | null): void => {
    for (const name of CHANGES) this.#element?.removeEventListener(name, this.#heed);
    for (const name of CHANGES) element?.addEventListener(name, this.#heed);
    this.#element = element;
    this.#load();
  };

  /**
   * Puts a narration into the element; one that is there already goes on. Whether to play at once is
   * settled when it comes: a later choice is about the next one.
   */
  show(url: string | null, autoPlay: boolean): void {
    if (url === this.#url) return;
    this.#url = url;
    this.#isWanted = autoPlay;
    this.#load();
  }

  readonly play = (): void => {
    const element = this.#element;
    if (element === null || this.#url === null) return;
    // An element whose load failed does not try again by itself.
    if (element.error !== null) element.load();
    element.play().catch((error: unknown) => {
      // Everything else passes: another narration came, or the reader paused before it began.
      const isBlocked = error instanceof Error && error.name === "NotAllowedError";
      if (isBlocked && element === this.#element) this.#store.set({ isPlaying: false, autoplayBlocked: true });
    });
  };

  readonly pause = (): void => {
    this.#element?.pause();
  };

  #load(): void {
    const element = this.#element;
    if (element === null) return this.#heed();
    if (this.#url === null) {
      empty(element);
    } else {
      // To set the same address again would begin anew.
      if (element.getAttribute("src") !== this.#url) element.src = this.#url;
      if (this.#isWanted) this.play();
      this.#isWanted = false;
    }
    this.#heed();
  }

  readonly #heed = (): void => {
    const isPlaying = this.#element !== null && !this.#element.paused && !this.#element.ended;
    const before = this.view();
    if (isPlaying !== before.isPlaying || before.autoplayBlocked) this.#store.set({ isPlaying, autoplayBlocked: false });
  };
}

function empty(element: HTMLAudioElement): void {
  if (!element.hasAttribute("src")) return;
  element.pause();
  element.removeAttribute("src");
  element.load();
}
