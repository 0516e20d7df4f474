// The machine of a watch, held to the table that the Rust client is held to as well.

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

import { newMachine, step, type Command, type Happening, type Machine, type MachineOptions } from "../../src/watch/machine.ts";

interface Case {
  readonly name: string;
  readonly options: Partial<MachineOptions>;
  readonly steps: readonly {
    readonly at: number;
    readonly draw: number;
    readonly happening: Happening;
    readonly then: Pick<Machine, "phase" | "reason" | "busy" | "deadline" | "retryAt">;
    readonly commands: readonly Command[];
  }[];
}

const file = new URL("../../vectors/machine.json", import.meta.url);
const cases = JSON.parse(readFileSync(file, "utf8")) as readonly Case[];

describe("vectors/machine.json", () => {
  test.each(cases)("$name", ({ options, steps }) => {
    let machine = newMachine(options);
    for (const { at, draw, happening, then, commands } of steps) {
      const done = step(machine, happening, at, draw);
      machine = done.machine;
      const { phase, reason, busy, deadline, retryAt } = machine;
      expect({ at, phase, reason, busy, deadline, retryAt, commands: done.commands })
        .toEqual({ at, ...then, commands });
    }
  });
});

/** A small generator with a seed, so that a failure can be repeated. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return (state ^ (state >>> 13)) / 2 ** 32;
  };
}

const HAPPENINGS: readonly Happening[] = [
  { what: "hello", keepAliveMs: 5_000 },
  { what: "heard", idle: true },
  { what: "heard", idle: false },
  { what: "retry", ms: 1_500 },
  { what: "bye", retryMs: 2_000 },
  { what: "bye", retryMs: null },
  { what: "broken", reason: "broke" },
  { what: "closed" },
  { what: "refused", status: 503, retryAfterMs: 0, reason: "503" },
  { what: "refused", status: 429, retryAfterMs: 4_000, reason: "429" },
  { what: "refused", status: 401, retryAfterMs: 0, reason: "401" },
  { what: "failed", reason: "failed" },
  { what: "page", events: 0, pollAfterMs: 1_000 },
  { what: "page", events: 3, pollAfterMs: null },
  { what: "renewed" },
  { what: "changed" },
  { what: "wake" },
  { what: "hidden", hidden: true },
  { what: "hidden", hidden: false },
  { what: "tick" },
];

/** What is open after these commands: every `open` or `poll` that nothing ended. */
function openAfter(open: number, happening: Happening, before: Machine, commands: readonly Command[]): number {
  const ends: readonly string[] =
    before.busy === "stream" ? ["broken", "closed", "refused"]
    : before.busy === "nothing" ? []
    : ["page", "refused", "failed", ...(before.busy === "renew" ? ["renewed"] : [])];
  const isAnswer = before.busy === "renew" ? happening.what !== "page" : true;
  let count = ends.includes(happening.what) && isAnswer ? open - 1 : open;
  for (const command of commands) {
    if (command.do === "drop") count = 0;
    if (command.do === "open" || command.do === "poll" || command.do === "renew") count += 1;
  }
  return count;
}

describe("whatever happens", () => {
  test("a stream and a poll never run together, and something is always due", () => {
    const wrong: string[] = [];
    for (let seed = 1; seed <= 400; seed += 1) {
      const random = generator(seed);
      let now = 0;
      let open = 0;
      let machine = newMachine();
      const take = (happening: Happening): void => {
        const before = machine;
        const done = step(machine, happening, now, random());
        machine = done.machine;
        open = openAfter(open, happening, before, done.commands);
        if (open !== (machine.busy === "nothing" ? 0 : 1)) wrong.push(`seed ${seed}: ${open} open after ${happening.what}`);
        if (machine.phase !== "ended" && machine.deadline === null) wrong.push(`seed ${seed}: nothing is due`);
      };
      take({ what: "start" });
      for (let count = 0; count < 200 && machine.phase !== "ended"; count += 1) {
        now += Math.floor(random() * 8_000);
        if (machine.deadline !== null && now >= machine.deadline) take({ what: "tick" });
        take(HAPPENINGS[Math.floor(random() * HAPPENINGS.length)] ?? { what: "tick" });
      }
    }
    expect(wrong).toEqual([]);
  });
});
