// Whether the tabs of this origin can share.

/**
 * Outside of a browser they cannot, nor on pages that are neither https nor loopback, where browsers
 * have no Web Locks.
 */
export const canShare = (): boolean =>
  typeof location !== "undefined" && typeof navigator !== "undefined" && Boolean(navigator.locks) && typeof BroadcastChannel !== "undefined";
