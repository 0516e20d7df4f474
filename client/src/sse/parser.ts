// The event stream format, to the letter of the WHATWG text:
// https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
//
// It is our own since the watchdog needs the comments, the memory needs a bound, and an event must
// be out the moment that its blank line is: `eventsource-parser` holds back an event whose chunk
// ends in a lone CR until the next byte comes, which may be the next event.
//
// `vectors/sse.json` holds it and the server's parser to the same answers.

import { EventTooLargeError } from "./too-large.ts";

/** An event that was dispatched. */
export interface EventItem {
  readonly kind: "event";
  /** `message` where the stream names none. */
  readonly type: string;
  readonly data: string;
  /** The last event id of the stream, which events without one of their own inherit. */
  readonly id: string;
}

/** A line that pages never see, and by which a watchdog knows that the connection lives. */
export interface CommentItem {
  readonly kind: "comment";
  readonly text: string;
}

/** The time after which the server wants to be connected to again. */
export interface RetryItem {
  readonly kind: "retry";
  readonly ms: number;
}

/** What a stream says, in its order. */
export type Item = EventItem | CommentItem | RetryItem;

/** How a stream is parsed. */
export interface ParserOptions {
  /** The most characters that one event may hold, the line that is being read included (32 Mi). */
  readonly limit?: number;
}

const LIMIT = 32 * 1024 * 1024;
const BYTE_ORDER_MARK = "\uFEFF";
const DIGITS = /^[0-9]+$/;
// Only these end a line. U+2028, U+2029 and U+0085 are text.
const LINE_END = /[\r\n]/g;

/**
 * The parser of one connection: bytes go in as they come, split anywhere, and what they complete
 * comes out. What is incomplete when the connection ends was never sent, by the specification; so
 * there is nothing to finish, and the next connection takes a new parser.
 */
export class EventStreamParser {
  readonly #limit: number;
  // The mark is taken off below: a decoder's own idea of where a stream begins differs by runtime
  // when the mark's bytes come one by one.
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #begun = false;
  #skipLineFeed = false;
  #line = "";
  #data = "";
  #type = "";
  #idBuffer = "";
  #lastEventId = "";
  #items: Item[] = [];
  #failure: EventTooLargeError | null = null;

  constructor({ limit = LIMIT }: ParserOptions = {}) {
    this.#limit = limit;
  }

  /** The id to go on from: set by every blank line, one that ends no event too. */
  get lastEventId(): string {
    return this.#lastEventId;
  }

  /**
   * Takes the next bytes and gives what they complete.
   *
   * Throws an `EventTooLargeError` for an event above the limit, once everything before that event
   * has been given; the stream is of no use from then on.
   */
  push(bytes: Uint8Array): Item[] {
    if (this.#failure === null) {
      this.#read(this.#decoder.decode(bytes, { stream: true }));
    }
    const items = this.#items;
    this.#items = [];
    if (this.#failure !== null && items.length === 0) {
      throw this.#failure;
    }
    return items;
  }

  #read(decoded: string): void {
    let start = this.#whereTextBegins(decoded);
    LINE_END.lastIndex = start;
    for (let end = LINE_END.exec(decoded); end !== null; end = LINE_END.exec(decoded)) {
      const line = this.#line + decoded.slice(start, end.index);
      this.#line = "";
      start = end.index + 1;
      if (end[0] === "\r") {
        // A lone CR ends the line now; should its LF be still on its way, it is passed over then.
        if (start === decoded.length) {
          this.#skipLineFeed = true;
        } else if (decoded[start] === "\n") {
          start += 1;
        }
        LINE_END.lastIndex = start;
      }
      if (this.#isTooLarge(line)) {
        return;
      }
      this.#take(line);
    }
    this.#line += decoded.slice(start);
    this.#isTooLarge(this.#line);
  }

  /** Passes over a leading byte order mark, and the LF of a CR that ended the last chunk. */
  #whereTextBegins(decoded: string): number {
    if (decoded === "") {
      return 0;
    }
    const skip =
      (!this.#begun && decoded.startsWith(BYTE_ORDER_MARK)) || (this.#skipLineFeed && decoded.startsWith("\n"));
    this.#begun = true;
    this.#skipLineFeed = false;
    return skip ? 1 : 0;
  }

  #isTooLarge(line: string): boolean {
    if (this.#data.length + line.length > this.#limit) {
      this.#failure = new EventTooLargeError(this.#limit);
    }
    return this.#failure !== null;
  }

  #take(line: string): void {
    if (line === "") {
      this.#dispatch();
      return;
    }
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    // One space after the colon belongs to the colon, further ones to the value.
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (colon === 0) {
      this.#items.push({ kind: "comment", text: value });
    } else {
      this.#field(name, value);
    }
  }

  #field(name: string, value: string): void {
    switch (name) {
      case "event":
        this.#type = value;
        break;
      case "data":
        this.#data += `${value}\n`;
        break;
      case "id":
        if (!value.includes("\0")) {
          this.#idBuffer = value;
        }
        break;
      case "retry":
        if (DIGITS.test(value)) {
          this.#items.push({ kind: "retry", ms: Math.min(Number(value), Number.MAX_SAFE_INTEGER) });
        }
        break;
      default: // "The field is ignored."
    }
  }

  #dispatch(): void {
    this.#lastEventId = this.#idBuffer;
    // An empty `data:` leaves a LF in the buffer, so its event is dispatched, with empty data.
    if (this.#data !== "") {
      const type = this.#type === "" ? "message" : this.#type;
      this.#items.push({ kind: "event", type, data: this.#data.slice(0, -1), id: this.#lastEventId });
    }
    this.#data = "";
    this.#type = "";
  }
}
