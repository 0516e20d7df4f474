// Writes tailwater.json, the dashboard for Grafana: node packaging/grafana/make.mjs
//
// The JSON is made here because every panel repeats the same sixty lines; what is worth reading of a panel
// is its name, its expressions and what to do about it. tests/watch/ checks that the file is fresh.
//
// A number about one process is summed over the nodes or shown by `instance`. What all nodes of a cluster
// share (the queue, jobs, credits) is said by each of them, so it is their `max` and never a sum.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const datasource = { type: "prometheus", uid: "${datasource}" };
/** The nodes that were chosen above the dashboard. */
const CHOSEN = 'job="$job", instance=~"$instance"';

const GREEN = "green", ORANGE = "orange", RED = "red", BLUE = "blue";
const OPERATOR = {
  title: "Operator's page", type: "link", icon: "external link", url: "${url}/admin",
  tooltip: "Live figures, and one job's whole story",
  targetBlank: true, asDropdown: false, includeVars: false, keepTime: false, tags: [],
};

let lastId = 0;

/** A query: `expression` is PromQL in which `{…}` stands for the nodes that were chosen. */
const query = (expression, legendFormat = "__auto", more = {}) => ({
  datasource,
  editorMode: "code",
  expr: expression.replaceAll("{…", `{${CHOSEN}`),
  legendFormat,
  range: true,
  ...more,
});

/** Queries by name: the name is the legend. */
const queries = (named) => Object.entries(named).map(([legend, expression], place) =>
  ({ ...query(expression, legend), refId: String.fromCharCode(65 + place) }));

const steps = (first, rest) =>
  [{ color: first, value: null }, ...rest.map(([value, color]) => ({ color, value }))];

const panel = (type, title, description, size, named, defaults, options, overrides = []) => ({
  id: lastId += 1,
  type,
  title,
  description,
  datasource,
  gridPos: { h: size.h, w: size.w, x: 0, y: 0 },
  links: [OPERATOR],
  targets: queries(named),
  fieldConfig: { defaults, overrides },
  options,
});

/** One number, large. `mappings` are words for values; `from` are the values where it turns orange and red. */
function stat(title, named, { unit = "short", mappings, from = [], colour = GREEN, ...rest }, description) {
  const texts = mappings && [{
    type: "value",
    options: Object.fromEntries(Object.entries(mappings)
      .map(([value, [text, color]], index) => [value, { text, color, index }])),
  }];
  return panel("stat", title, description, { h: 4, w: rest.w ?? 3 }, named, {
    unit,
    color: { mode: "thresholds" },
    thresholds: { mode: "absolute", steps: steps(colour, from) },
    mappings: texts ?? [],
    ...(rest.decimals === undefined ? {} : { decimals: rest.decimals }),
  }, {
    colorMode: mappings ? "background" : "value",
    graphMode: mappings ? "none" : "area",
    justifyMode: "auto",
    orientation: "auto",
    percentChangeColorMode: "standard",
    reduceOptions: { calcs: ["lastNotNull"], fields: "", values: false },
    showPercentChange: false,
    textMode: rest.textMode ?? "auto",
    wideLayout: true,
  });
}

/** Lines over time. `from` draws a red line where an alert begins; `stack` fills and stacks. */
function lines(title, named, { unit = "short", from, stack = false, w = 8, h = 8, min = 0, max, log, legend = [] }, description) {
  return panel("timeseries", title, description, { h, w }, named, {
    unit,
    ...(min === null ? {} : { min }),
    ...(max === undefined ? {} : { max }),
    color: { mode: "palette-classic" },
    thresholds: { mode: "absolute", steps: from === undefined ? steps(GREEN, []) : steps(GREEN, [[from, RED]]) },
    custom: {
      drawStyle: "line",
      lineInterpolation: "linear",
      lineWidth: 1,
      fillOpacity: stack ? 30 : 8,
      gradientMode: "none",
      showPoints: "never",
      spanNulls: false,
      stacking: { mode: stack ? "normal" : "none", group: "A" },
      scaleDistribution: log ? { type: "log", log: 10 } : { type: "linear" },
      axisPlacement: "auto",
      // Nothing at all is a line at the bottom, and not in the middle of a hundred.
      ...(unit === "short" ? { axisSoftMax: 1 } : {}),
      thresholdsStyle: { mode: from === undefined ? "off" : "line" },
    },
  }, {
    legend: { calcs: legend, displayMode: "list", placement: "bottom", showLegend: true },
    tooltip: { mode: "multi", sort: "desc" },
  });
}

function heatmap(title, expression, description) {
  const made = panel("heatmap", title, description, { h: 8, w: 8 }, { "{{le}}": expression }, {
    custom: { hideFrom: { legend: false, tooltip: false, viz: false }, scaleDistribution: { type: "linear" } },
  }, {
    calculate: false,
    cellGap: 1,
    color: { mode: "scheme", scheme: "Oranges", steps: 64, reverse: false, exponent: 0.5, fill: "dark-orange", scale: "exponential" },
    exemplars: { color: "rgba(255,0,255,0.7)" },
    filterValues: { le: 1e-9 },
    legend: { show: true },
    rowsFrame: { layout: "auto" },
    showValue: "never",
    tooltip: { mode: "single", showColorScale: false, yHistogram: false },
    yAxis: { axisPlacement: "left", reverse: false, unit: "s" },
    cellValues: {},
  });
  made.targets = made.targets.map((target) => ({ ...target, format: "heatmap" }));
  return made;
}

const quantile = (share, by, metric, more = "") =>
  `histogram_quantile(${share}, sum by (${[...by, "le"].join(", ")}) (rate(${metric}_bucket{…${more}}[$__rate_interval])))`;
const perSecond = (by, metric, more = "") => `sum by (${by}) (rate(${metric}{…${more}}[$__rate_interval]))`;
/** What all nodes of a cluster say alike. */
const shared = (by, metric, more = "") => `max by (${by}) (${metric}{…${more}})`;

const rows = {
  "Is it well?": [
    stat("Ready", { ready: "min(tailwater_ready{…})" },
      { mappings: { 1: ["ready", GREEN], 0: ["takes no jobs", RED] } },
      "Whether every node takes new jobs. Not: GET /readyz of the node names the reason, which is draining, database, memory or journal. Open streams go on."),
    stat("Nodes missing", { missing: "count(up{…} == 0) or vector(0)" }, { from: [[1, RED]] },
      "Nodes whose /metrics does not answer. Look whether the process runs and whether its key and address are still those of the scrape configuration."),
    stat("Cluster's log", { degraded: "max(tailwater_degraded{…})" },
      { mappings: { 0: ["reached", GREEN], 1: ["out of reach", RED] } },
      "Whether every node reaches the log that the nodes share. Out of reach: readers get what other nodes make by way of the database, later. A single server always reaches its own."),
    stat("Alerts", { firing: 'count(ALERTS{alertname=~"Tailwater.*", alertstate="firing", job=~"$job|"}) or vector(0)' },
      { from: [[1, RED]] },
      "Alerts of this server that fire. Each links to its section of docs/guides/watch.md. 0 as well while Prometheus has not loaded tailwater.rules.yml."),
    stat("Readers", { readers: "sum(tailwater_readers{…})" }, { colour: BLUE },
      "Streams that are open and polls that wait. A fall to nothing while jobs run: a proxy or the network in front; `tailwater doctor --url` says which."),
    stat("Jobs running", { running: 'max(tailwater_jobs{…, status="running"})' }, { colour: BLUE },
      "Jobs that somebody works at. The same at every node of a cluster."),
    stat("Durable lag", { lag: "max(tailwater_durable_lag_seconds{…})" },
      { unit: "s", from: [[1, ORANGE], [5, RED]] },
      "How old the oldest event is that is not in the database. Usually 0 or some milliseconds. It grows: the database is slow or away; a crash would take these events."),
    stat("Longest silence", { silence: 'max(tailwater_job_silence_seconds_max{…, provider!="external"}) or vector(0)' },
      { unit: "s", from: [[75, ORANGE], [240, RED]] },
      "How long the quietest running job has said nothing new. Find the job at /admin by its provider; its time line says what was asked last and what came."),
  ],

  "Readers and deliveries": [
    lines("Deliveries", { "{{instance}}": perSecond("instance", "tailwater_deliveries_total") }, { unit: "ops" },
      "Events written to readers, by node. It falls while readers stay: jobs say less, or writes stall; compare with Appended and Append to write."),
    lines("Append to write", {
      "p50 {{instance}}": quantile(0.5, ["instance"], "tailwater_append_to_write_seconds"),
      "p99 {{instance}}": quantile(0.99, ["instance"], "tailwater_append_to_write_seconds"),
    }, { unit: "s", from: 0.5, log: true, min: null },
      "From the append of an event until it is written to the socket of who waits for it. Well under 10 ms on a healthy machine; the red line is where the alert begins. Slow: look at CPU below, then at what else runs on the machine."),
    heatmap("Append to write, all of it", "sum by (le) (increase(tailwater_append_to_write_seconds_bucket{…}[$__rate_interval]))",
      "The same as a picture of all deliveries. Two bands: two kinds of readers or nodes. A band that climbs: load. Single cells far up: a pause of the process or of the machine."),
    lines("Readers", { "{{transport}}": "sum by (transport) (tailwater_readers{…})" }, { stack: true },
      "Streams and waiting polls. Many polls: browsers for which streams do not get through; run `tailwater doctor --url` against the address that they use."),
    lines("Readers behind", { "{{instance}}": "sum by (instance) (tailwater_followers_behind{…})" }, {},
      "Readers that do not have all that there is yet. A few come and go. Many at once, for long: the way out is too narrow; a reader that takes no byte is closed after --stall-timeout."),
    lines("Furthest behind", { "{{instance}}": "max by (instance) (tailwater_follower_lag_events_max{…})" }, {},
      "How many events the slowest reader lacks. It costs the server no memory and slows nobody. /admin shows the readers of a job, and how far behind each is."),
    lines("Reconnects", { "{{instance}}": perSecond("instance", "tailwater_reconnects_total") }, { unit: "ops", w: 6 },
      "Streams that came with a cursor: readers who were cut and came back. A steady wave: a proxy cuts streams after a fixed time, which `tailwater doctor --url` measures. A spike: a deploy."),
    lines("Gaps told", { "{{reason}}": "sum by (reason) (increase(tailwater_gaps_total{…}[$__rate_interval]))" }, { w: 6 },
      "Readers that were told that events are missing, and got a snapshot. lost_in_crash, unknown_epoch and ahead_of_head: a crash, an older database, or a client that makes ids up. trimmed: older than what is kept. invalid_cursor: no id at all."),
    lines("Refused", { "{{code}}": perSecond("code", "tailwater_refused_total") }, { unit: "reqps", w: 6 },
      "Requests refused for a limit. too_many_requests: one client, look at --requests-per-key and its neighbours. unavailable: the server itself is full; look at Ready and Memory of logs."),
    lines("Delivered bytes", { "{{instance}}": perSecond("instance", "tailwater_delivered_bytes_total") }, { unit: "Bps", w: 6 },
      "Bytes of events written to readers. Near what the network card or the plan allows: Readers behind grows next."),
  ],

  "Queue and jobs": [
    lines("Waiting", { "{{provider}}": shared("provider", "tailwater_queue_jobs") }, { stack: true },
      "Jobs that wait, by the provider that they wait for; no line means that none waits. It grows and Running stands still: raise --concurrency or --requests-per-minute, if the provider allows more."),
    lines("Oldest waiting", { "{{provider}}": shared("provider", "tailwater_queue_oldest_seconds") }, { unit: "s", from: 120 },
      "How long the first in each queue has waited. Steadily up: nothing is let through; look whether the provider is up. The red line is where the alert begins."),
    lines("Wait until claimed", { "p95 {{provider}}": quantile(0.95, ["provider"], "tailwater_queue_wait_seconds") }, { unit: "s" },
      "p95 from submit until a worker takes the job. It is what a customer waits before anything moves."),
    lines("Running", { "{{provider}}": shared("provider", "tailwater_jobs_running") }, { stack: true },
      "Jobs that run, by provider. As many as --concurrency lets run at once, while Waiting grows: it is full. None, while jobs wait: Providers below says who is not asked."),
    lines("Silence", { "{{provider}}": shared("provider", "tailwater_job_silence_seconds_max") }, { unit: "s", from: 240 },
      "The longest time without a sign of life of a running job: an event, or an answer of the provider with something new in it. A saw with small teeth is healthy; a ramp is a stuck job. The red line is for media; a text is stuck at 75 s."),
    lines("Submitted", { "{{kind}}": `60 * ${perSecond("kind", "tailwater_jobs_submitted_total")}` }, { unit: "short", stack: true },
      "Jobs submitted in a minute, by kind. A spike: look whether one project fills the queue, at /admin. Nothing, when there should be something: your backend, its key, or Refused above."),
    lines("Ended", { "{{kind}} {{status}}": `60 * ${perSecond("kind, status", "tailwater_jobs_ended_total")}` }, { w: 12, stack: true },
      "Jobs ended in a minute, by kind and by how. Failed ones: /admin lists them with their codes; Errors by code below says what the provider answers."),
    lines("From submit to end", {
      "p50 {{kind}}": quantile(0.5, ["kind"], "tailwater_job_seconds", ', status="completed"'),
      "p95 {{kind}}": quantile(0.95, ["kind"], "tailwater_job_seconds", ', status="completed"'),
    }, { w: 12, unit: "s" },
      "How long jobs that completed took altogether. Longer without more waiting: the provider is slower, see Latency."),
  ],

  "Providers": [
    stat("Providers", { "{{provider}}": shared("provider", "tailwater_provider_up") },
      { w: 24, mappings: { 1: ["asked", GREEN], 0: ["not asked", RED] }, textMode: "value_and_name" },
      "Whether a provider is asked: not while it fails or has said that it is too much. Its jobs wait meanwhile. /admin shows its last error."),
    lines("Requests", { "{{provider}} {{outcome}}": perSecond("provider, outcome", "tailwater_provider_requests_total") }, { unit: "reqps" },
      "Requests to providers, by how they went. Many polls for few jobs: callbacks do not arrive, so set --public-url."),
    lines("Errors by code", { "{{provider}} {{code}}": `60 * ${perSecond("provider, code", "tailwater_provider_errors_total")}` }, {},
      "Requests that failed, a minute, by code. rate_limited: lower --requests-per-minute. unauthorised or out_of_funds: the key or the account. timeout, transport: the provider or the way to it."),
    lines("Latency", { "p95 {{provider}} {{operation}}": quantile(0.95, ["provider", "operation"], "tailwater_provider_request_seconds") }, { unit: "s" },
      "How long providers take to answer. Higher for one: that provider. Higher for all: the way out of this machine, or its DNS."),
    lines("Callbacks and polls saved", {
      "callbacks {{provider}}": `60 * ${perSecond("provider", "tailwater_callbacks_total")}`,
      "polls saved {{provider}}": `60 * ${perSecond("provider", "tailwater_polls_saved_total")}`,
    }, { w: 24, h: 6 },
      "Callbacks of providers, and polls that they made needless, a minute. None while jobs run: no --public-url, or the providers do not reach it."),
  ],

  "Journal and memory": [
    lines("Durable lag by node", { "{{instance}}": "max by (instance) (tailwater_durable_lag_seconds{…})" }, { unit: "s", from: 5 },
      "How old the oldest event is that is not in the database. Past the red line: the database is slow or away; /readyz and the log lines of the journal say which."),
    lines("Not durable", { "{{instance}}": "max by (instance) (tailwater_events_not_durable{…})" }, {},
      "Events that readers have and the database has not. Bounded by --journal-limit; at the limit workers wait, and no job is taken."),
    lines("Commit", {
      "p50 {{instance}}": quantile(0.5, ["instance"], "tailwater_journal_commit_seconds"),
      "p99 {{instance}}": quantile(0.99, ["instance"], "tailwater_journal_commit_seconds"),
    }, { unit: "s" },
      "How long one commit of the journal takes. Slow: the disk (SQLite) or the way to Postgres. Readers do not wait for it, ends of jobs do."),
    lines("Memory of logs", {
      "{{instance}}": "max by (instance) (tailwater_log_memory_bytes{…})",
      "limit {{instance}}": "max by (instance) (tailwater_log_memory_limit_bytes{…})",
    }, { unit: "bytes" },
      "What the events in memory take, and may take. At the limit new jobs are refused with 503: raise --memory-limit, shorten --retention-memory, or look for a job that writes without end."),
    lines("Logs and evictions", {
      "logs {{instance}}": "max by (instance) (tailwater_logs{…})",
      "evicted a minute {{instance}}": `60 * ${perSecond("instance", "tailwater_log_evictions_total")}`,
    }, {},
      "Logs in memory, one a job, and how many are taken out. Evictions are as they should be: the log of a job that ended is read from the database afterwards."),
    lines("Appended", { "{{source}}": perSecond("source", "tailwater_events_appended_total") }, { unit: "ops", stack: true },
      "Events appended, by who made them. producer: workers of your own over HTTP. reconciler: found in the database, written by somebody else."),
  ],

  "Credits and webhooks": [
    lines("Credits", {
      available: "max(tailwater_credits_available_microcredits{…}) / 1e6",
      held: "max(tailwater_credits_held_microcredits{…}) / 1e6",
    }, {},
      "What new jobs may hold, and what running ones hold, of all projects together. Held and never less while nothing runs: jobs that do not end. Grant more at /admin or POST /api/credits/grant."),
    lines("Webhooks pending", { pending: "max(tailwater_webhooks_pending{…})" }, {},
      "Ends of jobs that some backend has not heard yet. It grows: the receiver is down or slow. They are tried for about a day."),
    lines("Webhook attempts", { "{{outcome}}": `60 * ${perSecond("outcome", "tailwater_webhook_deliveries_total")}` }, {},
      "Attempts to tell a backend, a minute. given_up: nobody tries again until it is replayed, at /admin or POST /api/deliveries/{id}/replay."),
  ],

  "Process and HTTP": [
    lines("Processor", { "{{instance}}": "rate(process_cpu_seconds_total{…}[$__rate_interval])" }, { w: 6 },
      "Cores that the process uses. At the number of cores of the machine deliveries become slow: spread readers over more nodes."),
    lines("Resident memory", { "{{instance}}": "process_resident_memory_bytes{…}" }, { unit: "bytes", w: 6 },
      "What the system has given the process: logs, connections, buffers. It may stay high after a peak. Steadily up with the same load: please report it."),
    lines("Files and connections", { "{{instance}}": "process_open_fds{…} / (process_max_fds{…} > 0)" },
      { unit: "percentunit", w: 6, max: 1, from: 0.8 },
      "How much of what may be open is open; each reader is one. Near 1: raise LimitNOFILE of the unit, or `ulimit -n`. No line: there is no limit."),
    lines("Uptime", { "{{instance}}": "time() - process_start_time_seconds{…}" }, { unit: "s", w: 6 },
      "Since when the process runs. A line that falls to nothing again and again: it crashes; its last log lines, or the kernel's, say why."),
    lines("Requests by status", { "{{status}}": perSecond("status", "tailwater_http_requests_total") }, { unit: "reqps", w: 12, stack: true },
      "Requests that were answered. 5xx: the log has a line for each, with its trace_id. 401 and 403: keys."),
    lines("Slowest routes", { "{{route}}": `topk(5, ${quantile(0.99, ["route"], "tailwater_http_request_seconds")})` }, { unit: "s", w: 12 },
      "p99 until the head of an answer, of the five slowest routes. Polls wait on purpose."),
  ],
};

/** Lays panels out from left to right, as many as fit beside each other. */
function lay(rows) {
  const laid = [];
  let y = 0;
  for (const [title, panels] of Object.entries(rows)) {
    laid.push({ id: lastId += 1, type: "row", title, collapsed: false, gridPos: { h: 1, w: 24, x: 0, y }, panels: [] });
    y += 1;
    let x = 0, high = 0;
    for (const one of panels) {
      if (x + one.gridPos.w > 24) [x, y, high] = [0, y + high, 0];
      laid.push({ ...one, gridPos: { ...one.gridPos, x, y } });
      x += one.gridPos.w;
      high = Math.max(high, one.gridPos.h);
    }
    y += high;
  }
  return laid;
}

const variable = (name, label, query, more = {}) => ({
  type: "query",
  name,
  label,
  datasource,
  query: { qryType: 1, query, refId: "PrometheusVariableQueryEditor-VariableQuery" },
  refresh: 2,
  sort: 1,
  regex: "",
  multi: false,
  includeAll: false,
  options: [],
  hide: 0,
  ...more,
});

const mark = (name, iconColor, expr, titleFormat, textFormat) => ({
  name, iconColor, expr, titleFormat, textFormat, datasource, enable: true, hide: false, step: "15s", useValueForTime: false,
});

const dashboard = {
  uid: "tailwater",
  title: "Tailwater",
  description: "A server, or a cluster, that streams slow jobs. Each panel says what it means and what to do; docs/guides/watch.md says more.",
  tags: ["tailwater"],
  timezone: "browser",
  editable: true,
  graphTooltip: 1,
  refresh: "15s",
  schemaVersion: 42,
  version: 1,
  fiscalYearStartMonth: 0,
  time: { from: "now-1h", to: "now" },
  timepicker: {},
  links: [OPERATOR],
  templating: {
    list: [
      { type: "datasource", name: "datasource", label: "Prometheus", query: "prometheus", refresh: 1, regex: "", multi: false, includeAll: false, options: [], hide: 0 },
      variable("job", "Server or cluster", "label_values(tailwater_build_info, job)"),
      variable("instance", "Node", 'label_values(tailwater_build_info{job="$job"}, instance)',
        { multi: true, includeAll: true, allValue: ".*", current: { selected: true, text: ["All"], value: ["$__all"] } }),
      // Where the links go; what Prometheus calls an instance is often an address inside.
      { type: "textbox", name: "url", label: "Address", query: "http://127.0.0.1:8080", hide: 0, options: [],
        current: { selected: true, text: "http://127.0.0.1:8080", value: "http://127.0.0.1:8080" } },
    ],
  },
  annotations: {
    list: [
      { builtIn: 1, name: "Annotations & Alerts", type: "dashboard", datasource: { type: "grafana", uid: "-- Grafana --" }, enable: true, hide: true, iconColor: "rgba(0, 211, 255, 1)" },
      mark("Starts", BLUE, `resets(process_cpu_seconds_total{${CHOSEN}}[1m]) > 0`, "Started", "{{instance}}"),
      mark("Alerts", RED, 'ALERTS{alertname=~"Tailwater.*", alertstate="firing", job=~"$job|"}', "{{alertname}}", "{{instance}} {{provider}}"),
    ],
  },
  panels: lay(rows),
};

const path = fileURLToPath(new URL("tailwater.json", import.meta.url));
const text = `${JSON.stringify(dashboard, null, 2)}\n`;
if (process.argv[2] === "--check") {
  if (readFileSync(path, "utf8") !== text) {
    console.error("packaging/grafana/tailwater.json is not what make.mjs writes: node packaging/grafana/make.mjs");
    process.exitCode = 1;
  }
} else {
  writeFileSync(path, text);
}
