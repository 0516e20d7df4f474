// A page without a browser: a document, and frames and timers that come when a test says so. It has to
// be imported before `react-dom`, which looks for the document once.

import { Window } from "happy-dom";
import { act as reactAct, type ReactNode } from "react";
import { afterEach, beforeEach, expect, onTestFinished, vi } from "vitest";

const window = new Window({ url: "https://page.example/" });
Object.assign(globalThis, { window, document: window.document });
// Some versions of Node have one of their own, which cannot be assigned to.
Object.defineProperty(globalThis, "navigator", { value: window.navigator, configurable: true });

/** So many turns of the event loop, and what a test waits for does not come. */
const PATIENCE_TURNS = 2_000;

/** Does something and all that comes of it; outside of this, React keeps its own time as in a browser. */
async function act<Value>(work: () => Promise<Value>): Promise<Value> {
  Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });
  try {
    return await reactAct(work);
  } finally {
    Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: false });
  }
}

const waiting = new Map<number, FrameRequestCallback>();
let requested = 0;

/** The frames that were asked for and are not drawn. */
export const framesWaiting = (): number => waiting.size;

/** Draws a frame. */
export async function frame(): Promise<void> {
  const callbacks = [...waiting.values()];
  waiting.clear();
  await act(async () => callbacks.forEach((callback) => callback(0)));
}

/** Lets everything happen that is under way, without a frame. */
export async function turn(): Promise<void> {
  await act(() => new Promise<void>((resolve) => setImmediate(resolve)));
}

/** Lets time pass. */
export async function wait(ms: number): Promise<void> {
  await act(async () => void vi.advanceTimersByTime(ms));
  await turn();
}

/** Waits until a claim holds, without a frame. */
export async function eventually(claim: () => void, pause: () => Promise<void> = turn): Promise<void> {
  for (let turns = 0; ; turns += 1) {
    await pause();
    try {
      return claim();
    } catch (error) {
      if (turns === PATIENCE_TURNS) throw error;
    }
  }
}

/** Waits until the page shows what is claimed; draws frames meanwhile. */
export const shows = (claim: () => void): Promise<void> =>
  eventually(claim, async () => {
    await turn();
    await frame();
  });

/** A component on the page. */
export interface Mounted {
  readonly container: HTMLElement;
  render(node: ReactNode): Promise<void>;
  unmount(): Promise<void>;
}

/** Puts a component on the page until the test is over; over what a server rendered where that is given. */
export async function mount(node: ReactNode, html?: string): Promise<Mounted> {
  const { createRoot, hydrateRoot } = await import("react-dom/client");
  const container = document.createElement("div");
  container.innerHTML = html ?? "";
  document.body.append(container);
  const root = await act(async () => (html === undefined ? createRoot(container) : hydrateRoot(container, node)));
  const render = (next: ReactNode): Promise<void> => act(async () => root.render(next));
  const unmount = (): Promise<void> => act(async () => root.unmount());
  onTestFinished(async () => {
    await unmount();
    container.remove();
  });
  if (html === undefined) await render(node);
  return { container, render, unmount };
}

/** React says there what a component did that it must not do, such as to render after its end. */
const complained = vi.fn();

beforeEach(() => {
  // The loop itself goes on: only what waits for a time waits for the test.
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  vi.stubGlobal("requestAnimationFrame", (callback: FrameRequestCallback): number => {
    requested += 1;
    waiting.set(requested, callback);
    return requested;
  });
  vi.stubGlobal("cancelAnimationFrame", (handle: number) => waiting.delete(handle));
  vi.spyOn(console, "error").mockImplementation(complained);
  complained.mockClear();
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
  expect(complained.mock.calls).toEqual([]);
});
