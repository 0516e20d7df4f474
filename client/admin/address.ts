// What the page shows, as its address says it: a filter can be sent to a colleague, a job too.

import { placeIn, sectionAddress as addressOf, type PlaceIn } from "../studio/address.ts";

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

export type Place = PlaceIn<Section>;

/** Reads the part of an address behind `#`. */
export const placeOf = (hash: string): Place => placeIn(SECTIONS, hash);

/** What is said of a query: empty words are left out. */
const said = (query: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(query).filter(([, value]) => value !== ""));

/** The address of a section, with what it should begin with. */
export const sectionAddress = (section: Section, query: Readonly<Record<string, string>> = {}): string =>
  addressOf(section, said(query));

/** The address of the jobs that fit. */
export const jobsAddress = (filter: Partial<Filter>): string => sectionAddress("jobs", { ...filter });

/** What an address asks for of the jobs. */
export const filterOf = (query: URLSearchParams): Filter => ({
  status: query.get("status") ?? "", kind: query.get("kind") ?? "", q: query.get("q") ?? "",
});

/** The stream that the page lives on. */
export function streamAddress(filter: Filter): string {
  const query = new URLSearchParams(said({ ...filter })).toString();
  return query === "" ? "/api/admin/stream" : `/api/admin/stream?${query}`;
}

/** The stream of one job's story. */
export const storyAddress = (id: string): string => `/api/admin/jobs/${encodeURIComponent(id)}/stream`;
