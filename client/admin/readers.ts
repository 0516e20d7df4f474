// Who reads a job, and how far behind they are.

import { arrange, create, find, setAttribute, setText } from "../studio/dom.ts";
import { several, span } from "./amounts.ts";
import { keyed } from "./overview.ts";
import type { Reader, Reading } from "./types.ts";

const TRANSPORTS: Readonly<Record<Reader["transport"], string>> = { stream: "Stream", poll: "Long poll", page: "Page of events" };

/** Who has taken nothing for longer may be gone. */
const SILENT_MS = 15_000;

/** Draws them into the card. */
export function readersView(card: HTMLElement): (reading: Reading | null, now: number) => void {
  let clock = 0;
  const rows = keyed<Reader>((first) => {
    const name = create("b");
    const place = create("span", { class: "reader-place" });
    const since = create("span", { class: "reader-since" });
    const element = create("li", { "data-reader": first.key }, create("p", {}, name, place), since);
    return {
      element,
      update(reader) {
        setText(name, TRANSPORTS[reader.transport] ?? reader.transport);
        setText(place, reader.behind === 0 ? "has everything" : `${several(reader.behind, "event")} behind`);
        setText(since, placeWords(reader, clock));
        setAttribute(element, "data-behind", reader.behind > 0);
      },
    };
  });
  return (reading, now) => {
    clock = now;
    const readers = reading?.readers ?? [];
    arrange(find("#readers", card), rows(readers, ({ key }) => key));
    setText(find("#readers-head", card), reading === null ? "Nobody reads it now." : readingWords(reading));
  };
}

/** How long somebody reads, where that is known, and what they have. */
function placeWords({ since, after, silent_ms: silent }: Reader, now: number): string {
  return [
    since === null ? "" : `since ${span(Math.max(0, now - since))}`,
    `at event ${after}`,
    silent !== null && silent > SILENT_MS ? `took nothing for ${span(silent)}` : "",
  ].filter(Boolean).join(", ");
}

/** How many read it, and what there is to read. */
export function readingWords({ readers, head, durable_through: durable }: Reading): string {
  const who = readers.length === 0 ? "Nobody reads it now" : several(readers.length, "reader");
  if (head === 0) return `${who}; there is no event yet.`;
  const stored = durable >= head ? "all of it stored" : `stored up to ${durable}`;
  return `${who}; the newest event is ${head}, ${stored}.`;
}
