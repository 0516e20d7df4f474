// How many requests a job costs, against polling every two seconds as it was before.

import { describe, expect, it } from "vitest";

import { file, HoldingServer, json, pass, TestWorld, useFakeTime } from "./support.ts";

const SECOND = 1_000;

/** The requests of a page that asks every two seconds until the job has ended. */
const fixed = (durationMs: number): number => Math.ceil(durationMs / (2 * SECOND)) + 1;

/** The requests of a poll at this server, until it knows of the end. */
async function calls(world: TestWorld, durationMs: number): Promise<number> {
  const result = world.manager.pollFileCompletion("file_1");
  await pass(durationMs + 12 * SECOND);
  expect(await result).toMatchObject({ success: true });
  return world.requests.length;
}

/** A server without tags and waits, as in the old system. */
const plain = (durationMs: number): TestWorld =>
  new TestWorld(({ at }) => json(file(at >= durationMs ? "completed" : "running", { poll_after_ms: 500 })));

/** Our server, whose answer changes at these parts of the job's time. */
function holding(durationMs: number, changes: readonly number[]): TestWorld {
  const server = new HoldingServer({ changes: changes.map((part) => Math.round(part * durationMs)), end: durationMs });
  return new TestWorld(server.handler);
}

/** At which parts of its time a job's answer changes: as jobs of different kinds do. */
const LIVES: readonly [string, readonly number[]][] = [
  ["shows its status alone", [0.02]],
  ["shows its stages: it waits, starts, is generated, is downloaded", [0.02, 0.05, 0.9]],
  ["shows every percent", Array.from({ length: 99 }, (_, index) => (index + 1) / 100)],
];

/** The kinds of servers and jobs. */
const WORLDS: readonly [string, (durationMs: number) => TestWorld][] = [
  ["at a server that holds nothing", plain],
  ...LIVES.map(([name, changes]): [string, (durationMs: number) => TestWorld] => [
    `of a job that ${name}`,
    (durationMs) => holding(durationMs, changes),
  ]),
];

const sum = (counts: readonly number[]): number => counts.reduce((left, right) => left + right, 0);

describe("requests for a job", () => {
  useFakeTime();

  it.each([10, 60, 240])("are_at_least_halved_in_%i_s", async (seconds) => {
    const ours = await calls(holding(seconds * SECOND, [0.02]), seconds * SECOND);
    expect(ours).toBeLessThanOrEqual(fixed(seconds * SECOND) / 2);
  });

  describe.each(WORLDS)("%s", (_, world) => {
    it.each([60, 240])("are_at_least_halved_in_%i_s", async (seconds) => {
      const ours = await calls(world(seconds * SECOND), seconds * SECOND);
      expect(ours).toBeLessThanOrEqual(fixed(seconds * SECOND) / 2);
    });

    it("are_fewer_in_10_s_too_and_a_third_of_what_they_were_in_all", async () => {
      const durations = [10 * SECOND, 60 * SECOND, 240 * SECOND];
      const ours: number[] = [];
      for (const duration of durations) ours.push(await calls(world(duration), duration));
      const before = durations.map(fixed);
      expect(ours[0]).toBeLessThan(before[0] ?? 0);
      expect(sum(ours)).toBeLessThanOrEqual(sum(before) / 3);
    });
  });

  it("are_bounded_whatever_the_job_and_the_server_do", async () => {
    // A generator of its own, so that a failure can be run again.
    let state = 20_261_126;
    const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    for (let round = 0; round < 60; round += 1) {
      const duration = Math.round(random() * 400 * SECOND);
      const changes = Array.from({ length: Math.floor(random() * 300) }, () => random()).sort((a, b) => a - b);
      const world = random() < 0.5 ? plain(duration) : holding(duration, changes);
      // At 0, 1, 3 and 8 s, and every 10 s from then on.
      const bound = 4 + Math.ceil(duration / (10 * SECOND));
      expect(await calls(world, duration), `${duration} ms, round ${round}`).toBeLessThanOrEqual(bound);
      world.expectNothingLeft();
    }
  });
});
