// The jobs, by state and by search. The filter is in the address; the stream brings what fits it.

import { arrange, create, find, setAttribute, setText, showText } from "../studio/dom.ts";
import { jobAddress } from "../studio/address.ts";
import { KINDS } from "../studio/titles.ts";
import { ANY, filterOf, jobsAddress } from "./address.ts";
import type { Filter } from "./address.ts";
import { several } from "./amounts.ts";
import { age, attemptWords, factsOf, isSuspicious, silenceOf, standing, STATES } from "./job-words.ts";
import { keyed } from "./overview.ts";
import type { AdminJob, JobsPage } from "./types.ts";

/** How long somebody who types is waited for. */
const TYPING_MS = 250;

/** The section with the list. */
export interface Jobs {
  show(query: URLSearchParams): void;
  take(page: JobsPage): void;
  /** The clock went on. */
  tick(): void;
}

/** Brings the section to life; `onFilter` is told which jobs are wanted. */
export function jobsSection(section: HTMLElement, onFilter: (filter: Filter) => void): Jobs {
  const form = find("form", section, HTMLFormElement);
  const list = find("#job-rows", section);
  const rows = keyed<AdminJob>(jobRow);
  let filter: Filter = ANY;
  let page: JobsPage | null = null;
  let toldAt = Date.now();
  let typing: ReturnType<typeof setTimeout> | undefined;

  function draw(): void {
    if (section.hidden) return;
    const jobs = page?.jobs ?? [];
    arrange(list, rows(jobs, ({ job_id: id }) => id));
    tick();
    setText(find("#jobs-count", section), page === null ? "" : `${page.more ? "the newest " : ""}${several(jobs.length, "job")}`);
    const isFiltered = Object.values(filter).some((word) => word !== "");
    showText(find("#jobs-none", section), page === null ? "Asking…" : jobs.length > 0 ? "" : isFiltered ? "No job is like that." : "No job was submitted yet.");
    find("#jobs-more", section).hidden = page?.more !== true;
  }

  function tick(): void {
    if (section.hidden) return;
    const now = Date.now();
    const jobs = new Map((page?.jobs ?? []).map((job) => [job.job_id, job]));
    for (const row of list.children) {
      const job = row instanceof HTMLElement ? jobs.get(row.dataset.job ?? "") : undefined;
      if (job === undefined) continue;
      setText(find(".item-standing", row), standing(job, toldAt, now));
      setText(find(".item-age", row), age(job, now));
      const isSilent = isSuspicious(silenceOf(job, toldAt, now));
      setAttribute(row, "data-silent", isSilent);
      setAttribute(find(".state", row), "data-silent", isSilent);
    }
  }

  function wish(): void {
    clearTimeout(typing);
    const said = new FormData(form);
    const next: Filter = { status: String(said.get("status")), kind: String(said.get("kind")), q: String(said.get("q")).trim() };
    if (jobsAddress(next) === jobsAddress(filter)) return;
    filter = next;
    // The list can be sent as it is, and the way back is not filled with every letter.
    history.replaceState(null, "", jobsAddress(filter));
    page = null;
    setText(find("#jobs-count", section), "");
    onFilter(filter);
  }

  find("[name=kind]", form).append(...Object.entries(KINDS).map(([kind, name]) => create("option", { value: kind }, name)));
  form.addEventListener("input", (event) => {
    clearTimeout(typing);
    typing = setTimeout(wish, event.target instanceof HTMLSelectElement ? 0 : TYPING_MS);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    wish();
  });

  return {
    show(query) {
      document.title = "Jobs · Operator · Tailwater";
      const wanted = filterOf(query);
      for (const [name, word] of Object.entries(wanted)) {
        const control = form.elements.namedItem(name);
        if (control instanceof HTMLInputElement || control instanceof HTMLSelectElement) control.value = word;
      }
      if (jobsAddress(wanted) !== jobsAddress(filter)) {
        filter = wanted;
        page = null;
        onFilter(filter);
      }
      draw();
    },
    take(next) {
      page = next;
      toldAt = Date.now();
      draw();
    },
    tick,
  };
}

function jobRow(first: AdminJob): { element: HTMLElement; update(job: AdminJob): void } {
  const title = create("span", { class: "item-title" });
  const facts = create("span", { class: "item-facts" });
  const state = create("span", { class: "state" });
  const readers = create("span", { class: "item-readers" });
  const element = create(
    "li", { "data-job": first.job_id },
    create(
      "a", { href: jobAddress(first.job_id) },
      create("span", { class: "item-words" }, title, facts),
      create("span", { class: "item-state" }, state, create("span", { class: "item-standing" })),
      create("span", { class: "item-numbers" }, create("span", { class: "item-age" }), readers),
    ),
  );
  return {
    element,
    update(job) {
      element.dataset.status = job.status;
      setText(title, job.title || job.job_id);
      setText(facts, [factsOf(job), attemptWords(job.attempt)].filter(Boolean).join(" · "));
      state.dataset.status = job.status;
      setText(state, STATES[job.status] ?? job.status);
      setText(readers, job.readers === 0 ? "" : several(job.readers, "reader"));
    },
  };
}
