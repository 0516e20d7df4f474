// The parser against the vectors that the server's parser is held to as well, and against itself.

import { readFileSync } from "node:fs";

import { describe, expect, test } from "vitest";

import { TailwaterError } from "../src/errors.ts";
import { EventStreamParser, type Item } from "../src/sse/parser.ts";
import { pick, seeded } from "./random.ts";

interface Vector {
  readonly name: string;
  /** Base64, each what one read gives. */
  readonly chunks: readonly string[];
  readonly items: readonly Item[];
  readonly last_event_id: string;
  /** The most characters that one event may hold, where the vector is about it. */
  readonly limit?: number;
  readonly error?: "event_too_large";
}

interface Outcome {
  readonly items: readonly Item[];
  readonly last_event_id: string;
  readonly error?: "event_too_large";
}

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL("../vectors/sse.json", import.meta.url), "utf8"),
);

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const NOTHING = new Uint8Array(0);

const parse = (chunks: readonly Uint8Array[], limit?: number): Outcome => {
  const parser = new EventStreamParser(limit === undefined ? {} : { limit });
  const items: Item[] = [];
  try {
    for (const chunk of [...chunks, NOTHING]) {
      items.push(...parser.push(chunk));
    }
  } catch (error) {
    if (!(error instanceof TailwaterError && error.code === "unreadable")) {
      throw error;
    }
    return { items, last_event_id: parser.lastEventId, error: "event_too_large" };
  }
  return { items, last_event_id: parser.lastEventId };
};

const joined = (chunks: readonly Uint8Array[]): Uint8Array => Buffer.concat(chunks);

const splitAnywhere = (bytes: Uint8Array, random: () => number): Uint8Array[] => {
  const chunks: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = start + Math.floor(random() * pick(random, [2, 4, 16]));
    chunks.push(bytes.subarray(start, end));
    start = end;
  }
  return chunks;
};

describe("vectors/sse.json", () => {
  test.each(vectors)("$name", ({ chunks, items, last_event_id, limit, error }) => {
    const bytes = chunks.map((chunk) => Buffer.from(chunk, "base64"));
    const expected: Outcome = { items, last_event_id, ...(error === undefined ? {} : { error }) };
    expect(parse(bytes, limit)).toEqual(expected);
    expect(parse([joined(bytes)], limit)).toEqual(expected);
    expect(parse([...joined(bytes)].map((byte) => Uint8Array.of(byte)), limit)).toEqual(expected);
  });
});

// Pieces that the format treats in ways of its own, broken bytes among them.
const PIECES: readonly [Uint8Array, ...Uint8Array[]] = [
  utf8("\n"),
  ...["\r", "\r\n", "\n\n", "\r\r", "\ufeff", "data", "data:", "data: ", "event: ", "id: ", "id", "retry: ", "12", ":"].map(utf8),
  ...[" ", "\0", "text", "é", "🌊", "\u2028", "\u0085", "data: x\n\n", "id: 1\ndata: y\r\n\r\n"].map(utf8),
  Uint8Array.of(0xff),
  Uint8Array.of(0xe2, 0x82),
  Uint8Array.of(0xf0, 0x9f, 0x8c),
  Uint8Array.of(0xed, 0xa0, 0x80),
];

test("any_bytes_split_anywhere_say_the_same", () => {
  for (let seed = 0; seed < 2_000; seed += 1) {
    const random = seeded(seed);
    const bytes = joined(Array.from({ length: 1 + Math.floor(random() * 24) }, () => pick(random, PIECES)));
    const limit = pick(random, [8, 16, 1_000_000]);
    expect(parse(splitAnywhere(bytes, random), limit), `seed ${seed}`).toEqual(parse([bytes], limit));
  }
});

test("what_a_chunk_completes_comes_out_with_it", () => {
  const parser = new EventStreamParser();
  const steps: readonly (readonly [string, readonly string[]])[] = [
    ["data: a\r", []],
    ["\r", ["a"]],
    ["\ndata: b\n\r", ["b"]],
    ["data: c\r\n\r", ["c"]],
    ["\n", []],
  ];
  for (const [chunk, data] of steps) {
    const events = parser.push(utf8(chunk)).filter((item) => item.kind === "event");
    expect(events.map((event) => event.data)).toEqual(data);
  }
});

test("a_stream_that_was_too_large_says_so_for_ever", () => {
  const parser = new EventStreamParser({ limit: 16 });
  expect(parser.push(utf8("data: a\n\ndata: 0123456789ab\n\n"))).toHaveLength(1);
  expect(() => parser.push(NOTHING)).toThrow(TailwaterError);
  expect(() => parser.push(utf8("data: b\n\n"))).toThrow("more than 16 characters");
});
