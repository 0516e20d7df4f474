// What the operator's page shows is in its address, and what it asks for in its streams'.

import { expect, test } from "vitest";

import { ANY, filterOf, jobsAddress, placeOf, sectionAddress, storyAddress, streamAddress } from "../../admin/address.ts";

test("a filter comes back from the address that was sent to a colleague", () => {
  const filter = { status: "failed", kind: "video", q: "kite & sea" };
  const place = placeOf(jobsAddress(filter));
  expect(place).toMatchObject({ section: "jobs" });
  expect("query" in place && filterOf(place.query)).toEqual(filter);
  expect(jobsAddress(ANY)).toBe("#/jobs");
});

test("a job has an address, and what is no place is the overview", () => {
  expect(placeOf("#job=job_1")).toEqual({ job: "job_1" });
  for (const hash of ["", "#", "#/nowhere", "#job="]) expect(placeOf(hash)).toMatchObject({ section: "overview" });
  expect(sectionAddress("webhooks", { status: "" })).toBe("#/webhooks");
});

test("streams are asked for what fits, and ids are no paths", () => {
  expect(streamAddress(ANY)).toBe("/api/admin/stream");
  expect(streamAddress({ status: "running", kind: "", q: "a&b" })).toBe("/api/admin/stream?status=running&q=a%26b");
  expect(storyAddress("../keys")).toBe("/api/admin/jobs/..%2Fkeys/stream");
});
