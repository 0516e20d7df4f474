// What the page asks of its server beside its streams: short questions, and what the operator does.

import type { Credits, LedgerEntry, LedgerPage } from "../src/types.ts";
import { server } from "../studio/server.ts";
import type { Delivery, Key } from "./types.ts";

/** A page of deliveries, newest first. */
export interface DeliveriesPage {
  readonly deliveries: readonly Delivery[];
  readonly next: number | null;
}

/** A key that is wanted. */
export interface NewKey {
  readonly name?: string;
  readonly scopes: readonly string[];
  readonly project_id?: string;
  readonly expires_in_days?: number;
}

const { connection } = server;
const ofJob = (id: string): string => `/api/jobs/${encodeURIComponent(id)}`;
const ofOperator = (id: string): string => `/api/admin/jobs/${encodeURIComponent(id)}`;
/** Only what is said is asked for. */
const project = (id: string): { project_id?: string } => (id === "" ? {} : { project_id: id });

export const cancel = (id: string): Promise<unknown> => connection.call(`${ofJob(id)}/cancel`, { method: "POST" });
export const requeue = (id: string): Promise<unknown> => connection.call(`${ofOperator(id)}/requeue`, { method: "POST" });
/** The same `token` is the same new job, however often it is sent. */
export const retry = (id: string, token: string): Promise<{ readonly job_id: string }> => (
  connection.json(`${ofOperator(id)}/retry`, { method: "POST", headers: { "idempotency-key": token } })
);
/** Whether there is such a job; throws what the server says where there is none. */
export const exists = (id: string): Promise<unknown> => connection.call(ofJob(id));

export const deliveries = (status: string, before: number | null): Promise<DeliveriesPage> => connection.json("/api/deliveries", {
  query: { limit: 50, ...(status === "" ? {} : { status }), ...(before === null ? {} : { before }) },
});
export const replay = (id: number | string): Promise<unknown> => connection.call(`/api/deliveries/${id}/replay`, { method: "POST" });

export const keys = async (): Promise<readonly Key[]> => (await connection.json<{ keys: readonly Key[] }>("/api/keys")).keys;
export const makeKey = (key: NewKey): Promise<Key> => connection.json("/api/keys", { method: "POST", json: key });
export const revokeKey = (id: string): Promise<unknown> => connection.call(`/api/keys/${encodeURIComponent(id)}`, { method: "DELETE" });
export const openSession = (key: string): Promise<unknown> => connection.json("/api/session", { method: "POST", json: { key } });

export const credits = (account: string): Promise<Credits> => connection.json("/api/credits", { query: project(account) });
export const ledger = (account: string, before: number | null): Promise<LedgerPage> => connection.json("/api/credits/ledger", {
  query: { limit: 50, ...project(account), ...(before === null ? {} : { before }) },
});
/** The same `token` is the same grant, however often it is sent. */
export const grant = (account: string, amount: number, note: string, token: string): Promise<LedgerEntry> => (
  connection.json("/api/credits/grant", {
    method: "POST", json: { amount, note, ...project(account) }, headers: { "idempotency-key": token },
  })
);
