// The server's plain requests. Streams are in `stream.js`.

/** An answer that says no: the problem document of RFC 9457, or what can be said without one. */
export class Problem extends Error {
  constructor({ status = 0, title, detail, code, errors = [], retryAfter = null }) {
    super(detail || title || "the request failed");
    this.status = status;
    this.code = code ?? null;
    this.errors = errors;
    this.retryAfter = retryAfter;
  }
}

async function request(url, options = {}) {
  let response;
  try {
    response = await fetch(url, { cache: "no-store", ...options });
  } catch {
    throw new Problem({ detail: "the server could not be reached", code: "unreachable" });
  }
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  const title = `the server answered ${response.status}`;
  const retryAfter = Number(response.headers.get("retry-after")) || null;
  throw new Problem({ title, ...body, status: response.status, retryAfter });
}

const path = (id, rest = "") => `/api/jobs/${encodeURIComponent(id)}${rest}`;

/** Where the events of a job are. */
export const addresses = (id) => ({ streamUrl: path(id, "/stream"), eventsUrl: path(id, "/events") });

/** What the server is: version, simulated providers, the voice. */
export const info = () => request("/api/info");

/** A job as it stands now. */
export const job = (id) => request(path(id));

/** The newest jobs of everybody. */
export async function jobs(limit) {
  const page = await request(`/api/jobs?limit=${limit}`);
  return page.jobs ?? [];
}

/** A model of the catalog, by its slug: its title, and whether it is simulated. */
export const model = (slug) => request(`/api/models/${encodeURIComponent(slug)}`);

/** Submits a job. The same key again gives the same job, so a lost answer can be asked for again. */
export function submit(body, key) {
  const headers = { "content-type": "application/json", "idempotency-key": key };
  return request("/api/jobs", { method: "POST", headers, body: JSON.stringify(body) });
}

/** Asks for a job to stop; its `canceled` event says when it has. */
export function cancel(id) {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ reason: "canceled on the page" });
  return request(path(id, "/cancel"), { method: "POST", headers, body });
}

/** A key that nobody else has. Works without https too, where `randomUUID` is missing. */
export function freshKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
