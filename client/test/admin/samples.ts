// Figures, jobs and entries as the server sends them, with what a test is about put over them.

import type { AdminJob, Entry, Figures, Lane, ProviderHealth, StoryJob } from "../../admin/types.ts";

export const figures = (over: Partial<Figures> = {}): Figures => ({
  at: 1_000_000, version: "0.1.0", node: null, ready: true, reason: null, degraded: false, database: true, uptime_ms: 60_000,
  rates: { deliveries: 0, delivered_bytes: 0, appends: 0, requests: 0, refused: 0, reconnects: 0, gaps: 0 },
  readers: 0, polls_waiting: 0, followers_behind: 0, lag_events_max: 0, append_to_write_ms: null,
  durable_lag_ms: 0, not_durable: 0, memory_bytes: 0, memory_limit_bytes: 536_870_912, logs: 0,
  process: { cpu: 0.1, resident_bytes: 1, open_fds: 40, max_fds: 1_000 },
  jobs: { pending: 0, running: 0, completed_total: 0, failed_total: 0, canceled_total: 0 },
  queue: [], providers: [],
  credits: { held: 0, available: 0, captured: 0, granted: 0 },
  webhooks: { pending: 0, delivered_total: 0, given_up_total: 0 },
  ...over,
});

export const lane = (over: Partial<Lane> = {}): Lane => (
  { provider: "fal", waiting: 0, oldest_ms: 0, running: 1, silence_ms_max: null, ...over }
);

export const provider = (over: Partial<ProviderHealth> = {}): ProviderHealth => ({
  name: "fal", simulated: false, status: "ok", note: null, requests_total: 0, errors_total: 0, callbacks_total: 0, polls_saved_total: 0, ...over,
});

export const job = (over: Partial<AdminJob> = {}): AdminJob => ({
  job_id: "job_1", kind: "blog", status: "running", project_id: "default", model: null, provider: "chat", attempt: 1, progress: 30,
  stage: "writing", message: null, created_at: 1_000, started_at: 2_000, ended_at: null, last_sign_ms: 0, waits_for: null,
  error_code: null, error_message: null, readers: 0, title: "Tides", ...over,
});

export const storyJob = (over: Partial<StoryJob> = {}): StoryJob => ({
  ...job(), cost: null, hold: null, trace_id: null, input: {}, result: null, runner: "this server", webhooks: [], explanation: "It runs.", ...over,
});

export const entry = (over: Partial<Entry> = {}): Entry => ({
  key: "a", at: 1_000, until_at: null, kind: "event", title: "status", detail: null, times: 1, id: null, data: null, level: "info", ...over,
});
