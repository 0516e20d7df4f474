// When a page draws next.

/** A page that nobody sees gets no frames, and its state has to go on: a narration begins there too. */
const LATEST_MS = 100;

/** Calls once, with the next frame or without one; not at all once the returned function is called. */
export function nextFrame(draw: () => void): () => void {
  const forget = (): void => {
    clearTimeout(timer);
    if (frame !== null) cancelAnimationFrame(frame);
  };
  const run = (): void => {
    forget();
    draw();
  };
  const timer = setTimeout(run, LATEST_MS);
  const frame = typeof requestAnimationFrame === "undefined" ? null : requestAnimationFrame(run);
  return forget;
}
