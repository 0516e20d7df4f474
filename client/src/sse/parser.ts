// The event stream format, to the letter of the WHATWG text:
// https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
//
// It is our own since the watchdog needs the comments, the memory needs a bound, and an event must
// be out the moment that its blank line is: `eventsource-parser` holds back an event whose chunk
// ends in a lone CR until the next byte comes, which may be the next event.
//
// `vectors/sse.json` holds it and the server's parser to the same answers.

import { unreadable } from "../errors.ts";

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
  readonly limit?: number | undefined;
}

const LIMIT = 32 * 1024 * 1024;
const BYTE_ORDER_MARK = "\uFEFF";
// Only these end a line. U+2028, U+2029 and U+0085 are text.
const LINE_END = /\r\n|[\r\n]/;
// One space after the colon belongs to the colon, further ones to the value.
const FIELD = /^([^:]*)(?:: ?(.*))?$/s;
const DIGITS = /^[0-9]+$/;

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
  /** What the next characters are passed over for being: the mark, or the LF of a CR. */
  #passedOver = BYTE_ORDER_MARK;
  #line = "";
  #data = "";
  #type = "";
  #idBuffer = "";
  #lastEventId = "";
  #items: Item[] = [];
  #isTooLarge = false;

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
   * Throws a `TailwaterError` for an event above the limit, once everything before that event has
   * been given; the stream is of no use from then on.
   */
  push(bytes: Uint8Array): Item[] {
    this.#read(this.#decoder.decode(bytes, { stream: true }));
    const items = this.#items;
    this.#items = [];
    if (this.#isTooLarge && items.length === 0) {
      throw unreadable(`an event of the stream holds more than ${this.#limit} characters`, { status: 200 });
    }
    return items;
  }

  #read(decoded: string): void {
    if (decoded === "") return;
    const [first = "", ...rest] = decoded.slice(decoded.startsWith(this.#passedOver) ? this.#passedOver.length : 0).split(LINE_END);
    // A lone CR ends the line now; should its LF be still on its way, it is passed over then.
    this.#passedOver = decoded.endsWith("\r") ? "\n" : "";
    const lines = [this.#line + first, ...rest];
    this.#line = lines.pop() ?? "";
    for (const line of lines) if (this.#fits(line)) this.#take(line);
    this.#fits(this.#line);
  }

  #fits(line: string): boolean {
    this.#isTooLarge ||= this.#data.length + line.length > this.#limit;
    return !this.#isTooLarge;
  }

  #take(line: string): void {
    const [, name, value = ""] = FIELD.exec(line) ?? [];
    if (line === "") this.#dispatch();
    else if (name === "") this.#items.push({ kind: "comment", text: value });
    else if (name === "event") this.#type = value;
    else if (name === "data") this.#data += `${value}\n`;
    else if (name === "id" && !value.includes("\0")) this.#idBuffer = value;
    else if (name === "retry" && DIGITS.test(value)) {
      this.#items.push({ kind: "retry", ms: Math.min(Number(value), Number.MAX_SAFE_INTEGER) });
    }
  }

  #dispatch(): void {
    this.#lastEventId = this.#idBuffer;
    // An empty `data:` leaves a LF in the buffer, so its event is dispatched, with empty data.
    if (this.#data !== "") {
      this.#items.push({ kind: "event", type: this.#type || "message", data: this.#data.slice(0, -1), id: this.#lastEventId });
    }
    this.#data = this.#type = "";
  }
}
