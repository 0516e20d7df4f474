// The jobs of the project: one stream for all of them, a list that does not move under the pointer.

import type { ProjectEvent, ProjectWatch } from "../src/index.ts";
import { sectionAddress } from "./address.ts";
import type { Badge } from "./badge.ts";
import { arrange, create, find, setText, showText } from "./dom.ts";
import { jobRow } from "./jobs-row.ts";
import type { Row } from "./jobs-row.ts";
import { fitting, fold, undescribed, withSummaries } from "./project.ts";
import type { Filter, Listed, Project } from "./project.ts";
import { PROJECT, server } from "./server.ts";
import { KINDS } from "./titles.ts";

/** How many jobs a snapshot has, and how many older ones are fetched at once. */
const PAGE = 100;

/** The section with the list. */
export interface Jobs {
  show(query: URLSearchParams): void;
  hide(): void;
}

/** Brings the list in `section` to life. */
export function jobsSection(section: HTMLElement, connection: Badge): Jobs {
  const list = find(".jobs-list", section);
  const form = find("#jobs-filter", section, HTMLFormElement);
  const fresh = find("#jobs-new", section);
  /** While somebody points here, nothing moves: at the list, or at the way to what is newer. */
  const still = [list, find(".jobs-new", section)];
  const more = find("#jobs-more", section, HTMLButtonElement);
  const rows = new Map<string, Row>();
  let project: Project = new Map();
  let watch: ProjectWatch | null = null;
  let frame: number | null = null;
  let ticking: number | undefined;
  /** What is in the list; what is newer waits while somebody points at it. */
  let shown = new Set<string>();
  let filter: Filter = { text: "", status: "", kind: "" };
  let asking = false;
  /** Whether only the newest jobs are here so far. */
  let isFirstPage = true;

  function take(event: ProjectEvent): void {
    project = fold(project, event);
    if (undescribed(project).length > 0) void describe();
    request();
  }

  /** The stream names new jobs by their ids; what they are about is asked for once, for all of them. */
  async function describe(): Promise<void> {
    if (asking) return;
    asking = true;
    const before = undescribed(project);
    const { jobs } = await server.list({ project_id: PROJECT, limit: PAGE }).catch(() => ({ jobs: [] }));
    asking = false;
    project = withSummaries(project, jobs.filter(({ id }) => before.includes(id)));
    request();
    // Some may have been named meanwhile, and nothing more be said of them.
    if (undescribed(project).some((id) => !before.includes(id))) void describe();
  }

  function request(): void {
    frame ??= requestAnimationFrame(draw);
  }

  function draw(): void {
    frame = null;
    if (watch === null) return;
    const fits = fitting(project, filter);
    const isPointedAt = still.some((place) => place.matches(":hover") || place.contains(document.activeElement));
    const newer = fits.filter(({ id }) => !shown.has(id));
    if (!isPointedAt || shown.size === 0) shown = new Set(fits.map(({ id }) => id));
    const visible = fits.filter(({ id }) => shown.has(id));
    const waiting = newer.filter(({ id }) => !shown.has(id)).length;
    arrange(list, visible.map((job) => rowOf(job).element));
    fresh.hidden = waiting === 0;
    setText(fresh, waiting === 1 ? "1 new job" : `${waiting} new jobs`);
    if (isFirstPage) more.hidden = project.size < PAGE;
    drawCount(fits);
  }

  function rowOf(job: Listed): Row {
    let row = rows.get(job.id);
    if (row === undefined) {
      row = jobRow(job);
      rows.set(job.id, row);
    }
    row.update(job);
    row.tick(Date.now());
    return row;
  }

  function drawCount(fits: readonly Listed[]): void {
    const active = [...project.values()].filter(({ state }) => state.end === null).length;
    const words = project.size === 0 ? "" : `${project.size} ${project.size === 1 ? "job" : "jobs"}, ${active} being made`;
    setText(find("#jobs-count"), words);
    const none = project.size === 0 ? "Nothing has been made yet." : "No job is like that.";
    showText(find(".jobs-none", section), fits.length === 0 ? none : "");
  }

  function readFilter(): void {
    const said = new FormData(form);
    filter = { text: String(said.get("text")), status: String(said.get("status")), kind: String(said.get("kind")) };
    const chosen = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== ""));
    // The list can be linked as it is, and the way back is not filled with every letter.
    history.replaceState(null, "", sectionAddress("jobs", chosen));
    shown.clear();
    request();
  }

  async function older(): Promise<void> {
    const oldest = fitting(project, { text: "", status: "", kind: "" }).at(-1);
    if (oldest === undefined) return;
    more.disabled = true;
    const page = await server.list({ project_id: PROJECT, limit: PAGE, before: oldest.id }).catch(() => null);
    more.disabled = false;
    if (page === null) return;
    project = withSummaries(project, page.jobs);
    for (const { id } of page.jobs) shown.add(id);
    isFirstPage = false;
    more.hidden = page.next === null;
    request();
  }

  find("[name=kind]", form).append(
    ...Object.entries(KINDS).map(([kind, name]) => create("option", { value: kind }, name)),
  );
  form.addEventListener("input", readFilter);
  form.addEventListener("submit", (event) => event.preventDefault());
  fresh.addEventListener("click", () => {
    shown.clear();
    request();
  });
  for (const place of still) {
    for (const name of ["pointerleave", "focusout"]) place.addEventListener(name, request);
  }
  more.addEventListener("click", () => void older());

  return {
    show(query) {
      for (const name of ["text", "status", "kind"]) {
        const control = form.elements.namedItem(name);
        if (control instanceof HTMLInputElement || control instanceof HTMLSelectElement) control.value = query.get(name) ?? "";
      }
      shown.clear();
      watch = server.watchProject(PROJECT, { onEvent: take, onState: (state) => connection.update(state) });
      // A watch tells of changes only.
      connection.update(watch.state);
      readFilter();
      ticking = window.setInterval(() => {
        for (const row of rows.values()) row.tick(Date.now());
      }, 1_000);
    },
    hide() {
      watch?.close();
      if (watch !== null) connection.clear();
      watch = null;
      clearInterval(ticking);
    },
  };
}
