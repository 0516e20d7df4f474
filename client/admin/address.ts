// What the page shows, as its address says it: a filter can be sent to a colleague, a job too.

/** The page's sections, in the order of its navigation. */
export const SECTIONS = ["overview", "jobs", "webhooks", "keys", "credits"] as const;
export type Section = (typeof SECTIONS)[number];

/** Which jobs are asked for; an empty word asks for any. */
export interface Filter {
  readonly status: string;
  readonly kind: string;
  readonly q: string;
}

/** Every job. */
export const ANY: Filter = { status: "", kind: "", q: "" };

/** A section with what its address asks for, or a job. */
export type Place =
  | { readonly section: Section; readonly query: URLSearchParams }
  | { readonly job: string };

/** Reads the part of an address behind `#`. What is no place of the page is its first section. */
export function placeOf(hash: string): Place {
  const text = hash.replace(/^#/, "");
  const job = new URLSearchParams(text).get("job");
  if (job !== null && job !== "") return { job };
  const [path = "", query = ""] = text.replace(/^\//, "").split(/\?(.*)/s);
  const section = SECTIONS.find((name) => name === path) ?? SECTIONS[0];
  return { section, query: new URLSearchParams(query) };
}

/** The address of a section, with what it should begin with; empty words are left out. */
export function sectionAddress(section: Section, query: Readonly<Record<string, string>> = {}): string {
  const said = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "")).toString();
  return said === "" ? `#/${section}` : `#/${section}?${said}`;
}

/** The address of the jobs that fit. */
export const jobsAddress = (filter: Partial<Filter>): string => sectionAddress("jobs", { ...filter });

/** What an address asks for of the jobs. */
export const filterOf = (query: URLSearchParams): Filter => ({
  status: query.get("status") ?? "", kind: query.get("kind") ?? "", q: query.get("q") ?? "",
});

/** The stream that the page lives on. */
export function streamAddress(filter: Filter): string {
  const said = new URLSearchParams(Object.entries(filter).filter(([, value]) => value !== "")).toString();
  return said === "" ? "/api/admin/stream" : `/api/admin/stream?${said}`;
}

/** The stream of one job's story. */
export const storyAddress = (id: string): string => `/api/admin/jobs/${encodeURIComponent(id)}/stream`;
