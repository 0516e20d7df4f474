// How long to wait before trying again.

/** A source of numbers from 0 to below 1. */
export type Random = () => number;

/**
 * Full jitter: a delay drawn from 0 to min(cap, base · 2^failures), in milliseconds.
 *
 * The cap comes first and the draw after it. The other way round every client that waits long
 * would wait exactly the cap, and a fleet would come back together.
 * (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>)
 *
 * @param failures how many failed before this one; 0 after the first
 */
export function fullJitter(failures: number, base: number, cap: number, random: Random = Math.random): number {
  // Beyond 2^30 every base is at its cap; an endless outage must not reach Infinity · 0.
  const highest = Math.min(cap, base * 2 ** Math.min(failures, 30));
  return random() * highest;
}
