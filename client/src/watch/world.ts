// What a watch needs of its surroundings: the time, chance, and word of sleep and waking.

/** The surroundings of a watch; tests bring their own. */
export interface World {
  now(): number;
  /** From 0 to below 1. */
  random(): number;
  /** Calls once after so many milliseconds, unless the returned function is called before. */
  after(delayMs: number, work: () => void): () => void;
  /** Whether nobody can see the page. */
  isHidden(): boolean;
  /**
   * Tells when the page comes to the front, comes back from the browser's cache, thaws, or the
   * network returns (`wake`), and when it is hidden (`hide`); until the returned function is called.
   */
  onAttention(wake: () => void, hide: () => void): () => void;
}

/** Every event that may mean that a connection died unseen, or works again. */
const WAKING = ["online", "pageshow", "resume", "visibilitychange"] as const;

/** The surroundings as they are: a page, a worker or a server. */
export const realWorld: World = {
  now: () => Date.now(),
  random: () => Math.random(),
  after(delayMs, work) {
    const timer = setTimeout(work, delayMs);
    return () => clearTimeout(timer);
  },
  // What a runtime does not have is not there, whatever the types of a browser say.
  isHidden: () => globalThis.document?.visibilityState === "hidden",
  onAttention(wake, hide) {
    const look = (): void => (this.isHidden() ? hide() : wake());
    const end = new AbortController();
    for (const target of [globalThis, globalThis.document]) {
      for (const name of WAKING) target?.addEventListener?.(name, look, { signal: end.signal });
    }
    return () => end.abort();
  },
};
