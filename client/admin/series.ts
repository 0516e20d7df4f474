// The last five minutes of a figure, and how they are drawn.

/** How long a figure is remembered. */
export const KEPT_MS = 300_000;
/** Two samples further apart than that have a hole between them: the stream was broken. */
const HOLE_MS = 3_500;

/** A figure at a moment; null where there was none to have. */
export interface Sample {
  readonly at: number;
  readonly value: number | null;
}

/** Takes a sample, and lets go of what is too old. */
export function withSample(series: readonly Sample[], sample: Sample): readonly Sample[] {
  const from = sample.at - KEPT_MS;
  const first = series.findIndex(({ at }) => at >= from);
  const kept = first === -1 ? [] : series.slice(first);
  // A clock that was put back: what is later than now is no history.
  return [...kept.filter(({ at }) => at < sample.at), sample];
}

/** The largest value, or nothing. */
export const largest = (series: readonly Sample[]): number => Math.max(0, ...series.map(({ value }) => value ?? 0));

/** A drawing of a series, in a box of `width` times `height`: its line, and the area below it. */
export interface Drawing {
  readonly line: string;
  readonly area: string;
}

/**
 * Draws a series up to `now`. The right edge is now, the left one five minutes ago; the top is `top`
 * or the largest value.
 */
export function draw(series: readonly Sample[], now: number, width: number, height: number, top = 0): Drawing {
  const most = Math.max(top, largest(series)) || 1;
  const x = (at: number): number => round(width * (1 - (now - at) / KEPT_MS));
  // Half a line's width stays above and below, or the line is cut at the edges.
  const y = (value: number): number => round(height - 1 - (height - 2) * Math.min(1, value / most));
  const runs = runsOf(series).map((run) => run.map(({ at, value }) => [x(at), y(value)] as const));
  const line = runs.map((run) => `M${run.map(([left, down]) => `${left} ${down}`).join("L")}${run.length === 1 ? "h.1" : ""}`).join("");
  const area = runs.map((run) => {
    const [first, last] = [run[0], run.at(-1)];
    return first && last ? `M${first[0]} ${height}L${run.map(([left, down]) => `${left} ${down}`).join("L")}L${last[0]} ${height}Z` : "";
  }).join("");
  return { line, area };
}

/** What hangs together, without the holes. */
function runsOf(series: readonly Sample[]): { at: number; value: number }[][] {
  const runs: { at: number; value: number }[][] = [];
  let before: number | null = null;
  for (const { at, value } of series) {
    if (value === null) {
      before = null;
      continue;
    }
    if (before === null || at - before > HOLE_MS) runs.push([]);
    runs.at(-1)?.push({ at, value });
    before = at;
  }
  return runs;
}

const round = (value: number): number => Math.round(value * 10) / 10;
