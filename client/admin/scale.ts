// Where a moment stands on a time line. A job may wait for hours and then end within seconds: stretches
// in which nothing happened are drawn shorter than they are, and say so.

/** How much of the line one empty stretch may take. */
const BREAK_SHARE = 0.16;
/** A stretch is empty where nothing happened for so much of the whole. */
const EMPTY_SHARE = 0.3;
/** A job that was this short is to scale, whatever is empty in it. */
const SHORT_MS = 60_000;
/** No more stretches than that are shortened, or nothing on the line is to scale any more. */
const MOST_BREAKS = 3;
/** A stretch that is drawn shorter than it is; places are shares of the line. */
export interface Break {
  readonly from: number;
  readonly to: number;
  readonly left: number;
  readonly right: number;
}

/** A time line from its first moment to its last. */
export interface Scale {
  readonly from: number;
  readonly to: number;
  readonly breaks: readonly Break[];
  /** Where a moment stands, from 0 to 1. */
  at(moment: number): number;
}

/** Makes the scale on which these moments have a place. */
export function scaleOf(moments: readonly number[], from: number, to: number): Scale {
  const end = Math.max(to, from + 1);
  const inside = [...new Set([from, ...moments.filter((moment) => moment > from && moment < end), end])].sort((left, right) => left - right);
  const whole = end - from;
  const long = inside.slice(1)
    .map((moment, index) => ({ from: inside[index] ?? from, to: moment }))
    .filter((gap) => gap.to - gap.from > whole * EMPTY_SHARE)
    // One gap alone is to scale whatever its length: there is nothing that it could squeeze.
    .filter(() => inside.length > 3 && whole > SHORT_MS)
    .sort((left, right) => (right.to - right.from) - (left.to - left.from))
    .slice(0, MOST_BREAKS)
    .sort((left, right) => left.from - right.from);
  const shortened = long.reduce((sum, gap) => sum + gap.to - gap.from, 0);
  const perMs = (1 - long.length * BREAK_SHARE) / Math.max(1, whole - shortened);
  // Where the rest is next to nothing, a shortened stretch must not become longer than it would be.
  const isOfUse = long.length > 0 && shortened / whole > long.length * BREAK_SHARE;
  const breaks: Break[] = [];
  let left = 0;
  let before = from;
  for (const gap of isOfUse ? long : []) {
    left += (gap.from - before) * perMs;
    breaks.push({ ...gap, left, right: left + BREAK_SHARE });
    left += BREAK_SHARE;
    before = gap.to;
  }
  const rate = isOfUse ? perMs : 1 / whole;
  return { from, to: end, breaks, at: (moment) => placeOf(Math.min(end, Math.max(from, moment)), { from, breaks, rate }) };
}

function placeOf(moment: number, { from, breaks, rate }: { from: number; breaks: readonly Break[]; rate: number }): number {
  let anchor = { moment: from, left: 0 };
  for (const gap of breaks) {
    if (moment <= gap.from) break;
    if (moment < gap.to) return gap.left + ((moment - gap.from) / (gap.to - gap.from)) * (gap.right - gap.left);
    anchor = { moment: gap.to, left: gap.right };
  }
  return Math.min(1, anchor.left + (moment - anchor.moment) * rate);
}

/** A label below the line: where it stands, and how long after the beginning that is. */
export interface Tick {
  readonly left: number;
  readonly after: number;
}

const STEPS_MS = [1, 2, 5].flatMap((digit) => [1, 10, 100].map((ten) => digit * ten))
  .concat([1, 2, 5, 10, 15, 30].map((seconds) => seconds * 1_000))
  .concat([1, 2, 5, 10, 15, 30].map((minutes) => minutes * 60_000))
  .concat([1, 2, 3, 6, 12, 24, 48, 168].map((hours) => hours * 3_600_000))
  .sort((left, right) => left - right);

/** The labels of a line; each takes `room` of it, and each stretch that is to scale has its own step. */
export function ticksOf(scale: Scale, room: number): Tick[] {
  const ticks: Tick[] = [{ left: 0, after: 0 }];
  const starts = [scale.from, ...scale.breaks.map(({ to }) => to)];
  const ends = [...scale.breaks.map(({ from }) => from), scale.to];
  starts.forEach((start, index) => {
    const end = ends[index] ?? scale.to;
    const width = scale.at(end) - scale.at(start);
    const step = STEPS_MS.find((ms) => width > 0 && (ms / Math.max(1, end - start)) * width >= room) ?? Infinity;
    if (index > 0) push(start);
    if (step === Infinity) return;
    for (let after = Math.ceil((start - scale.from + 1) / step) * step; scale.from + after <= end; after += step) push(scale.from + after);
  });
  return ticks;

  function push(moment: number): void {
    const left = scale.at(moment);
    const before = ticks.at(-1)?.left ?? 0;
    // At the right end a label would hang over.
    if (left - before >= room && left <= 1 - room) ticks.push({ left, after: moment - scale.from });
  }
}
