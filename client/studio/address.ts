// What the page shows, as its address says it: so that a link, a reload and the back button need
// nothing of their own.

/** The page's sections, in the order of its navigation. */
export const SECTIONS = ["blog", "narration", "image", "video", "lip-sync", "jobs"] as const;
export type Section = (typeof SECTIONS)[number];

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

/** The address of a job. */
export const jobAddress = (id: string): string => `#job=${id}`;

/** The address of a section, with what it should begin with. */
export function sectionAddress(section: Section, query: Readonly<Record<string, string>> = {}): string {
  const said = new URLSearchParams(query).toString();
  return said === "" ? `#/${section}` : `#/${section}?${said}`;
}
