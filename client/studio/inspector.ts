// The inspector: what came over the wire, event by event, and when. It keeps the last 500, and draws
// only while it is open.

import type { EventId } from "../src/index.ts";
import { create, find, setText } from "./dom.ts";
import { streamCommand } from "./curl.ts";
import { timeOfDay } from "./times.ts";

const KEPT = 500;
/** How much of an event's data a closed row shows. */
const LINE = 240;

/** An event as it came. */
export interface Seen {
  readonly id: EventId | null;
  readonly type: string;
  readonly data: unknown;
}

/** An event with when it came. */
interface Kept extends Seen {
  readonly text: string;
  readonly arrived: number;
  /** Milliseconds since the event before it. */
  readonly after: number | null;
  /** Milliseconds since the server appended it, by the two clocks. */
  readonly lag: number | null;
}

/** A view of the events of a job. */
export interface Inspector {
  add(event: Seen): void;
  /** Another job is inspected. */
  open(job: string): void;
  clear(): void;
}

/** A view inside the `details` element. */
export function inspector(details: HTMLDetailsElement): Inspector {
  const body = find("tbody", details);
  const rows = find(".rows", details);
  const filter = find("#event-filter", details, HTMLInputElement);
  const control = find("#event-control", details, HTMLInputElement);
  const curl = find("#copy-curl", details);
  let job = "";
  let kept: Kept[] = [];
  let count = 0;
  /** Events that came since the last drawing. */
  let fresh: Kept[] = [];
  let frame: number | null = null;

  const matches = ({ id, type, text }: Kept): boolean => {
    if (id === null && !control.checked) return false;
    const wanted = filter.value.trim().toLowerCase();
    return wanted === "" || `${id ?? ""} ${type} ${text}`.toLowerCase().includes(wanted);
  };

  function draw(): void {
    frame = null;
    setText(find(".count", details), String(count));
    const dropped = find(".dropped", details);
    dropped.hidden = count <= KEPT;
    setText(dropped, `the last ${KEPT} of ${count}`);
    if (!details.open) return;
    const atEnd = rows.scrollTop + rows.clientHeight >= rows.scrollHeight - 24;
    body.append(...fresh.filter(matches).map(row));
    fresh = [];
    while (body.childElementCount > KEPT) body.firstElementChild?.remove();
    if (atEnd) rows.scrollTop = rows.scrollHeight;
  }

  function redraw(): void {
    body.replaceChildren();
    fresh = [...kept];
    draw();
    rows.scrollTop = rows.scrollHeight;
  }

  details.addEventListener("toggle", redraw);
  filter.addEventListener("input", redraw);
  control.addEventListener("change", redraw);
  curl.addEventListener("click", () => void copyInto(curl, streamCommand(location.origin, job)));

  return {
    add(event) {
      count += 1;
      const seen = timed(event, kept.at(-1)?.arrived ?? null);
      kept.push(seen);
      fresh.push(seen);
      if (kept.length > KEPT) kept = kept.slice(-KEPT);
      if (fresh.length > KEPT) fresh = fresh.slice(-KEPT);
      frame ??= requestAnimationFrame(draw);
    },
    open(wanted) {
      job = wanted;
    },
    clear() {
      kept = [];
      count = 0;
      redraw();
    },
  };
}

/** Copies a text and says so on the button for a moment. */
export async function copyInto(button: HTMLElement, text: string): Promise<void> {
  const before = button.textContent;
  // Without https there is no clipboard.
  const copied = await navigator.clipboard?.writeText(text).then(() => true, () => false);
  setText(button, copied ? "Copied" : "Not allowed here");
  setTimeout(() => setText(button, before), 2_000);
}

function timed(event: Seen, before: number | null): Kept {
  const arrived = Date.now();
  const { data } = event;
  const at = typeof data === "object" && data !== null && "at" in data && typeof data.at === "number" ? data.at : null;
  return {
    ...event,
    text: JSON.stringify(data) ?? "",
    arrived,
    after: before === null ? null : arrived - before,
    lag: at === null ? null : arrived - at,
  };
}

function row({ id, type, data, text, arrived, after, lag }: Kept): HTMLElement {
  const short = text.length > LINE ? `${text.slice(0, LINE)}…` : text;
  const frame = [...(id === null ? [] : [`id: ${id}`]), `event: ${type}`, `data: ${text}`].join("\n");
  const whole = create("pre", {}, frame, "\n\n", JSON.stringify(data, null, 2) ?? "");
  return create(
    "tr",
    { "class": id === null ? "control" : null, "data-type": type },
    create("td", {}, id === null ? "–" : String(id)),
    create("td", {}, timeOfDay(arrived)),
    create("td", {}, after === null ? "" : `+${duration(after)}`),
    create("td", {}, lag === null ? "" : duration(lag)),
    create("td", {}, type),
    create("td", {}, create("details", {}, create("summary", {}, short), whole)),
  );
}

/** A short time, as `12 ms` or `1.4 s`; a history has long ones. */
function duration(ms: number): string {
  if (Math.abs(ms) < 1_000) return `${ms} ms`;
  return Math.abs(ms) < 100_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
}
