// What a watch needs of its surroundings: the time, chance, and word of sleep and waking.

/** A timer, whatever the runtime makes of one. */
export type Timer = ReturnType<typeof setTimeout>;

/** The surroundings of a watch; tests bring their own. */
export interface World {
  now(): number;
  /** From 0 to below 1. */
  random(): number;
  setTimeout(work: () => void, delayMs: number): Timer;
  clearTimeout(timer: Timer): void;
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
  setTimeout: (work, delayMs) => setTimeout(work, delayMs),
  clearTimeout: (timer) => clearTimeout(timer),
  isHidden: () => typeof document !== "undefined" && document.visibilityState === "hidden",
  onAttention(wake, hide) {
    if (typeof addEventListener === "undefined" || typeof removeEventListener === "undefined") return () => undefined;
    const look = (): void => (this.isHidden() ? hide() : wake());
    const targets: EventTarget[] = typeof document === "undefined" ? [globalThis as EventTarget] : [globalThis as EventTarget, document];
    for (const target of targets) for (const name of WAKING) target.addEventListener(name, look);
    return () => {
      for (const target of targets) for (const name of WAKING) target.removeEventListener(name, look);
    };
  },
};
