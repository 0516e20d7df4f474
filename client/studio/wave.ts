// The shape of a narration, drawn from its own samples.

const BARS = 72;
const WIDTH = 288;
const HEIGHT = 40;
/** Bigger files are not decoded only for their looks. */
const BYTES_LIMIT = 32 << 20;
/** Enough for loudness, and a sixth of the memory. */
const SAMPLE_RATE = 8_000;
/** An eighth of a second, in samples. */
const MOMENT = SAMPLE_RATE / 8;

/** What is drawn until the shape is known, or when it cannot be. */
export const flatWave = (): string => draw(new Array<number>(BARS).fill(0));

/** The shape of the sound at this address as an SVG path, or null. */
export async function waveOf(url: string, bytes: number): Promise<string | null> {
  if (bytes > BYTES_LIMIT) return null;
  try {
    // Past the cache: a media element may hold the cache's entry while it waits to be played.
    const response = await fetch(url, { cache: "no-store" });
    if (!response.ok) return null;
    const sound = await response.arrayBuffer();
    const decoder = new OfflineAudioContext(1, 1, SAMPLE_RATE);
    const decoded = await decoder.decodeAudioData(sound);
    return draw(loudness(decoded.getChannelData(0)));
  } catch {
    return null;
  }
}

/**
 * The loudness at each bar's beginning, the loudest being 1. Over its whole time, a bar of some
 * seconds would be as loud as the next.
 */
function loudness(samples: Float32Array): number[] {
  const step = Math.max(1, Math.floor(samples.length / BARS));
  const size = Math.min(step, MOMENT);
  const bars = Array.from({ length: BARS }, (_, bar) => {
    let sum = 0;
    for (const sample of samples.subarray(bar * step, bar * step + size)) sum += sample * sample;
    return Math.sqrt(sum / size);
  });
  const loudest = Math.max(...bars, 1e-6);
  return bars.map((bar) => bar / loudest);
}

function draw(bars: readonly number[]): string {
  const step = WIDTH / BARS;
  return bars.map((bar, index) => {
    const half = Math.max(1, (bar * (HEIGHT - 4)) / 2);
    const x = ((index + 0.5) * step).toFixed(1);
    return `M${x} ${(HEIGHT / 2 - half).toFixed(1)}V${(HEIGHT / 2 + half).toFixed(1)}`;
  }).join("");
}
