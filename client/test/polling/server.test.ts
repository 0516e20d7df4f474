// Polls at the real server, in real time.

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { SmartPollingManager } from "../../src/polling/index.ts";
import { PATIENCE_MS, startServer, type RunningServer } from "./server.ts";

interface Submitted {
  readonly job_id: string;
  readonly file_id: string;
  readonly cancel_url: string;
}

describe("at the real server", { timeout: PATIENCE_MS }, () => {
  let server: RunningServer;
  let manager: SmartPollingManager;

  beforeAll(async () => {
    server = await startServer();
    manager = new SmartPollingManager({ baseUrl: server.url });
  }, PATIENCE_MS);
  afterAll(() => server?.stop());

  const post = async (path: string, body: unknown): Promise<Response> =>
    fetch(server.url + path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

  const submit = async (project: string, body: object): Promise<Submitted> => {
    const answer = await post("/api/jobs", { project_id: project, ...body });
    expect(answer.status).toBe(202);
    // P01 says so.
    return (await answer.json()) as Submitted;
  };

  const blog = { kind: "blog", input: { topic: "water below dams", words: 60 } };

  it("a_file_is_polled_for_until_it_is_there_and_can_be_fetched", async () => {
    const { file_id: fileId, job_id: jobId } = await submit("files", blog);
    const result = await manager.pollFileCompletion(fileId, { initialInterval: 100 });
    expect(result).toMatchObject({
      success: true,
      method: "polling",
      data: { id: fileId, job_id: jobId, completed: true, status: "completed", media_type: "text/markdown" },
    });
    const bytes = await (await fetch(server.url + (result.data?.url ?? ""))).arrayBuffer();
    expect(bytes.byteLength).toBe(result.data?.bytes);
  });

  it("a_project_is_polled_for_until_none_of_its_jobs_is_going", async () => {
    const submitted = await submit("projects", blog);
    const result = await manager.pollProjectCompletion("projects", { initialInterval: 100 });
    expect(result).toMatchObject({
      success: true,
      data: { active: 0, completed: true, jobs: [{ id: submitted.job_id, status: "completed" }] },
    });
  });

  it("a_job_that_is_canceled_meanwhile_ends_the_poll_without_success", async () => {
    const long = { kind: "blog", input: { topic: "every river on earth", words: 5_000 } };
    const submitted = await submit("canceled", long);
    let first = (): void => undefined;
    const begun = new Promise<void>((resolve) => (first = resolve));
    const result = manager.pollFileCompletion(submitted.file_id, { initialInterval: 100, onProgress: () => first() });
    await begun;
    await post(submitted.cancel_url, {});
    expect(await result).toMatchObject({ success: false, method: "polling", error: "The job was canceled" });
  });

  it("a_timeout_leaves_the_job_going_and_its_handle_sees_the_end", async () => {
    const submitted = await submit("handles", { kind: "external", input: {} });
    const { method, handle } = await manager.pollProjectCompletion("handles", { maxDuration: 300 });
    expect(method).toBe("timeout");
    const events = `/api/jobs/${submitted.job_id}/events`;
    expect((await post(events, { type: "completed", data: {} })).status).toBe(200);
    expect(await handle?.resume({ maxDuration: PATIENCE_MS })).toMatchObject({ success: true });
  });

  it("a_file_that_there_is_not_is_waited_for", async () => {
    const result = await manager.pollFileCompletion("file_none", { maxDuration: 300, initialInterval: 100 });
    expect(result).toMatchObject({ success: false, method: "timeout" });
  });

  it("nothing_is_left", () => {
    expect(manager.getPollingStatus()).toEqual([]);
  });
});
