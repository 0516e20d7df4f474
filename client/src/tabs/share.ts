// Whether the tabs of this origin can share.

/**
 * Outside of a browser they cannot, nor on pages that are neither https nor loopback, where browsers
 * have no Web Locks.
 */
export const canShare = (): boolean => {
  const { location, navigator, BroadcastChannel } = globalThis;
  // What a runtime does not have is not there, whatever the types of a browser say.
  return Boolean(location && navigator?.locks && BroadcastChannel);
};
