// Pictures, videos and sounds whose files may not be reachable at first.

/** When a load fails, the next is tried after 1 s, 2 s, 4 s, at most half a minute. */
const RETRY_MS = 1_000;
const RETRY_MOST_MS = 30_000;

/** The network or the server may be away: an element gives up on its first failure, this does not. */
export function loadPatiently(element: HTMLMediaElement | HTMLImageElement, url: string): void {
  let failures = 0;
  element.addEventListener("error", () => {
    const position = element instanceof HTMLMediaElement ? element.currentTime : 0;
    const delay = Math.min(RETRY_MOST_MS, RETRY_MS * 2 ** failures);
    failures += 1;
    setTimeout(() => {
      if (!element.isConnected) return;
      element.src = url;
      if (element instanceof HTMLMediaElement && position > 0) element.currentTime = position;
    }, delay);
  });
  for (const name of ["load", "loadedmetadata"]) element.addEventListener(name, () => { failures = 0; });
  element.src = url;
}
