// Figures as people read them at a glance.

const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** A size, as `482 MB`. */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(value) : threeDigits(value)} ${UNITS[unit] ?? "B"}`;
}

/** Memory, in the units in which it is limited (`512M` is 512 MiB). */
export function memoryOf(count: number): string {
  const unit = count >= 2 ** 30 ? 3 : count >= 2 ** 20 ? 2 : count >= 2 ** 10 ? 1 : 0;
  return `${threeDigits(count / 1024 ** unit)} ${["B", "KiB", "MiB", "GiB"][unit] ?? "B"}`;
}

/** A number in its first three digits: `0.37`, `4.2`, `128`, `3,410`. */
export function count(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString("en") : threeDigits(value);
}

/** A large number in few letters, as `12.4 k`. */
export function short(value: number): string {
  if (value < 9_999.5) return count(value);
  return value < 999_500 ? `${threeDigits(value / 1_000)} k` : `${threeDigits(value / 1_000_000)} M`;
}

function threeDigits(value: number): string {
  const size = Math.abs(value);
  const places = size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : 2;
  return String(Number(value.toFixed(places)));
}

/** A time that passed, as `0.4 ms`, `850 ms`, `12 s`, `4 min 10 s`, `2 h 5 min`, `3 d 4 h`. */
export function span(ms: number): string {
  if (ms < 10) return `${Number(Math.max(0, ms).toFixed(1))} ms`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return twoParts(seconds, 60, "min", 1, "s");
  if (seconds < 86_400) return twoParts(seconds, 3_600, "h", 60, "min");
  return twoParts(seconds, 86_400, "d", 3_600, "h");
}

function twoParts(seconds: number, large: number, largeUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((seconds % large) / small);
  const whole = `${Math.floor(seconds / large)} ${largeUnit}`;
  return rest === 0 ? whole : `${whole} ${rest} ${smallUnit}`;
}

/** A share of a whole, as `37 %`. */
export const percent = (part: number, whole: number): string => (whole > 0 ? `${Math.round((part / whole) * 100)} %` : "–");

/** `1 job`, `2 jobs`. */
export const several = (number: number, one: string, many = `${one}s`): string => `${number === 1 ? 1 : number.toLocaleString("en")} ${number === 1 ? one : many}`;

/** A figure in these words, or a dash where it is not known. */
export const known = <T>(value: T | null | undefined, words: (value: T) => string): string => (
  value === null || value === undefined ? "–" : words(value)
);
