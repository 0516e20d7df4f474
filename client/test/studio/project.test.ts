// The list of a project's jobs, folded from its one stream; and what is news to a visit.

import { expect, test } from "vitest";

import type { ProjectEvent } from "../../src/index.ts";
import type { JobSummary } from "../../src/types.ts";
import { liveness } from "../../studio/liveness.ts";
import { creditsOfJob, fitting, fold, percentOf, undescribed, withSummaries } from "../../studio/project.ts";
import type { Project } from "../../studio/project.ts";

const summary = (id: string, more: Partial<JobSummary> = {}): JobSummary => ({
  id, kind: "image", status: "running", attempt: 1, project_id: "default", model: "bfl/flux-2-pro",
  progress: { percent: 30, stage: "generating" }, input: { prompt: `prompt of ${id}` },
  created_at: Number(id.replace(/\D/g, "")), updated_at: 0, ended_at: null, ...more,
});
const snapshot = (...jobs: JobSummary[]): ProjectEvent => (
  { id: 10, type: "snapshot", job: null, data: { project: "default", jobs } }
);
const everything = { text: "", status: "", kind: "" };
const ids = (project: Project, filter = everything): string[] => fitting(project, filter).map(({ id }) => id);
const empty: Project = new Map();

test("a snapshot lists the jobs, newest first, as far as they are", () => {
  const done = summary("job_2", {
    status: "completed", progress: { percent: 100, stage: "finishing" }, ended_at: 9,
    result: { artifacts: ["file_2"], cost: 60_000 },
  });
  const project = fold(empty, snapshot(summary("job_1"), done));
  expect(ids(project)).toEqual(["job_2", "job_1"]);
  const [second, first] = fitting(project, everything);
  expect(second && [percentOf(second), second.file, creditsOfJob(second)])
    .toEqual([100, "/api/artifacts/file_2/content", { what: "cost", micro: 60_000 }]);
  expect(first && [percentOf(first), first.file]).toEqual([30, null]);
});

test("events move a job on, and one that comes twice changes nothing", () => {
  const before = fold(empty, snapshot(summary("job_1")));
  const event: ProjectEvent = { id: 11, type: "progress", job: "job_1", data: { percent: 60, stage: "generating" } };
  const after = fold(before, event);
  expect(fitting(after, everything).map(percentOf)).toEqual([60]);
  expect(fold(after, event).get("job_1")).toBe(after.get("job_1"));
  const end: ProjectEvent = { id: 12, type: "failed", job: "job_1", data: { code: "x", message: "no", retryable: false, at: 7 } };
  expect(fold(after, end).get("job_1")).toMatchObject({ endedAt: 7, state: { status: "failed" } });
});

test("a job that the stream names first is there at once, and described later without losing its way", () => {
  const named = fold(empty, { id: 11, type: "progress", job: "job_9", data: { percent: 40, stage: "writing" } });
  expect(ids(named)).toEqual(["job_9"]);
  expect(undescribed(named)).toEqual(["job_9"]);
  const described = withSummaries(named, [summary("job_9", { progress: { percent: 1, stage: "starting" } })]);
  expect(undescribed(described)).toEqual([]);
  expect(fitting(described, everything).map(percentOf)).toEqual([40]);
});

test("the list narrows by status, kind and words", () => {
  const project = fold(empty, snapshot(
    summary("job_1"), summary("job_2", { kind: "blog", model: null, input: { topic: "Rivers" } }),
    summary("job_3", { status: "failed", error: { code: "x", message: "no", retryable: false } }),
  ));
  expect(ids(project, { ...everything, status: "active" })).toEqual(["job_2", "job_1"]);
  expect(ids(project, { ...everything, status: "failed" })).toEqual(["job_3"]);
  expect(ids(project, { ...everything, kind: "blog" })).toEqual(["job_2"]);
  expect(ids(project, { ...everything, text: " RIVERS" })).toEqual(["job_2"]);
  expect(ids(project, { ...everything, text: "flux" })).toEqual(["job_3", "job_1"]);
});

test("what happened before the visit is history, and what comes behind the head is news", () => {
  const live = liveness();
  expect(live.take({ id: 1, type: "status", data: {} })).toBe(false);
  live.take({ id: null, type: "hello", data: { head: 5 } });
  expect(live.take({ id: 5, type: "tts_completed", data: {} })).toBe(false);
  expect(live.take({ id: 6, type: "tts_completed", data: {} })).toBe(true);
  live.take({ id: null, type: "hello", data: { head: 90 } });
  expect(live.take({ id: 7, type: "completed", data: {} }), "a reconnect is no new visit").toBe(true);
});
