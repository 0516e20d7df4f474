// What the page shows, as its address says it: so that a link, a reload and the back button need
// nothing of their own.

/** The page's sections, in the order of its navigation. */
export const SECTIONS = ["blog", "narration", "image", "video", "lip-sync", "jobs"] as const;
export type Section = (typeof SECTIONS)[number];

/** A section with what its address asks for, or a job. */
export type PlaceIn<S extends string> =
  | { readonly section: S; readonly query: URLSearchParams }
  | { readonly job: string };
export type Place = PlaceIn<Section>;

/** Reads the part of an address behind `#`, of a page with these sections. What is no place of it is the first. */
export function placeIn<S extends string>(sections: readonly [S, ...S[]], hash: string): PlaceIn<S> {
  const text = hash.replace(/^#/, "");
  const job = new URLSearchParams(text).get("job");
  if (job !== null && job !== "") return { job };
  const [path = "", query = ""] = text.replace(/^\//, "").split(/\?(.*)/s);
  const section = sections.find((name) => name === path) ?? sections[0];
  return { section, query: new URLSearchParams(query) };
}

/** The same of the studio. */
export const placeOf = (hash: string): Place => placeIn(SECTIONS, hash);

/** The address of a job. */
export const jobAddress = (id: string): string => `#job=${id}`;

/** The address of a section, with what it should begin with. */
export function sectionAddress(section: string, query: Readonly<Record<string, string>> = {}): string {
  const said = new URLSearchParams(query).toString();
  return said === "" ? `#/${section}` : `#/${section}?${said}`;
}
