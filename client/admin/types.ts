// What the server tells the operator's page.

import type { Kind, Status } from "../src/index.ts";

/** A moment, in milliseconds since 1970. */
export type Moment = number;

/** The server as it stands, once a second. */
export interface Figures {
  readonly at: Moment;
  readonly version: string;
  /** The node of a cluster. */
  readonly node: number | null;
  readonly ready: boolean;
  readonly reason: string | null;
  readonly degraded: boolean;
  /** Whether the database answers; where it does not, what is counted in it is null. */
  readonly database: boolean;
  readonly uptime_ms: number;
  /** Per second. */
  readonly rates: {
    readonly deliveries: number;
    readonly delivered_bytes: number;
    readonly appends: number;
    readonly requests: number;
    readonly refused: number;
    readonly reconnects: number;
    readonly gaps: number;
  };
  readonly readers: number;
  readonly polls_waiting: number;
  readonly followers_behind: number;
  readonly lag_events_max: number;
  /** Of the last ten seconds; null where nothing was written. */
  readonly append_to_write_ms: { readonly p50: number; readonly p99: number } | null;
  readonly durable_lag_ms: number;
  readonly not_durable: number;
  readonly memory_bytes: number;
  readonly memory_limit_bytes: number;
  readonly logs: number;
  readonly process: {
    /** In cores, as 0.37. */
    readonly cpu: number;
    readonly resident_bytes: number;
    readonly open_fds: number;
    readonly max_fds: number;
  };
  readonly jobs: {
    readonly pending: number | null;
    readonly running: number | null;
    /** The totals are this process's, since it began. */
    readonly completed_total: number;
    readonly failed_total: number;
    readonly canceled_total: number;
  };
  readonly queue: readonly Lane[];
  readonly providers: readonly ProviderHealth[];
  /** In micro-credits. */
  readonly credits: Purse | null;
  /** The totals are this process's, since it began. */
  readonly webhooks: { readonly pending: number | null; readonly delivered_total: number; readonly given_up_total: number };
}

/** The credits of all accounts. */
export interface Purse {
  readonly held: number;
  readonly available: number;
  readonly captured: number;
  readonly granted: number;
}

/** What waits for a provider, and what it works on. */
export interface Lane {
  readonly provider: string;
  readonly waiting: number | null;
  /** How long the first has waited. */
  readonly oldest_ms: number | null;
  readonly running: number;
  /** The longest time since a running job's last sign of life. */
  readonly silence_ms_max: number | null;
  /** Which job that is, where the server says so. */
  readonly silent_job?: string | null;
}

/** How well a provider is. */
export interface ProviderHealth {
  readonly name: string;
  readonly simulated: boolean;
  readonly status: "ok" | "paused" | "failing";
  readonly note: string | null;
  /** When it is tried again, where it is paused. */
  readonly resumes_in_ms?: number | null;
  readonly requests_total: number;
  readonly errors_total: number;
  readonly callbacks_total: number;
  readonly polls_saved_total: number;
}

/** A job, as the list has it. */
export interface AdminJob {
  readonly job_id: string;
  readonly kind: Kind;
  readonly status: Status;
  readonly project_id: string;
  readonly model: string | null;
  readonly provider: string | null;
  readonly attempt: number;
  readonly progress: number;
  readonly stage: string;
  readonly message: string | null;
  readonly created_at: Moment;
  readonly started_at: Moment | null;
  readonly ended_at: Moment | null;
  /** How long ago the last sign of life was. */
  readonly last_sign_ms: number | null;
  readonly waits_for: string | null;
  readonly error_code: string | null;
  readonly error_message: string | null;
  readonly readers: number;
  readonly title: string;
}

/** The newest jobs that fit the filter. */
export interface JobsPage {
  readonly jobs: readonly AdminJob[];
  /** Whether there are older ones. */
  readonly more: boolean;
}

/** A job's webhook. */
export interface JobWebhook {
  readonly id: number | string;
  readonly url: string;
  readonly status: "pending" | "delivered" | "given_up";
  readonly attempts: number;
  readonly next_at: Moment | null;
  readonly last_status: number | null;
  readonly last_error: string | null;
}

/** A job, whole. */
export interface StoryJob extends AdminJob {
  readonly cost: number | null;
  readonly hold: number | null;
  readonly trace_id: string | null;
  readonly input: unknown;
  readonly result: unknown;
  /** `this server`, `node 3`, `nobody`. */
  readonly runner: string;
  readonly lease_ms?: number | null;
  readonly webhooks: readonly JobWebhook[];
  /** Why it stands where it stands, in a sentence. */
  readonly explanation: string;
}

/** What an entry of a story is about. */
export type EntryKind = "submit" | "event" | "lease" | "poll" | "reply" | "request" | "commit" | "credit" | "webhook"
  | "read" | "end" | "note";

/** Something that happened to a job. */
export interface Entry {
  /** A newer entry takes the place of the older one with the same. */
  readonly key: string;
  readonly at: Moment;
  readonly until_at: Moment | null;
  readonly kind: EntryKind;
  readonly title: string;
  readonly detail: string | null;
  /** How often it happened. */
  readonly times: number;
  /** The event's. */
  readonly id: number | null;
  readonly data: unknown;
  readonly level: "info" | "warn" | "error";
}

/** Who reads a job, and how far they are. */
export interface Reading {
  readonly readers: readonly Reader[];
  readonly head: number;
  readonly durable_through: number;
}

/** One of them. */
export interface Reader {
  readonly key: string;
  readonly transport: "stream" | "poll" | "page";
  readonly after: number;
  /** How many events it has not. */
  readonly behind: number;
  /** Null of a reader whom the engine serves: it does not keep that. */
  readonly since: Moment | null;
  /** How long it has taken nothing, where it could. */
  readonly silent_ms: number | null;
}

/** A webhook on its way, as `GET /api/deliveries` lists it. */
export interface Delivery extends JobWebhook {
  readonly job_id: string;
  readonly webhook_id: string;
  readonly attempted_at: Moment | null;
  readonly created_at: Moment;
  readonly ended_at: Moment | null;
}

/** A key; its secret is in the answer that makes it alone. */
export interface Key {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly project_id: string | null;
  readonly created_at: Moment;
  readonly expires_at: Moment | null;
  readonly revoked_at: Moment | null;
  readonly last_used_at: Moment | null;
  readonly key?: string;
}
