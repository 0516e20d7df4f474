// The address decides what is shown.

import { expect, test } from "vitest";

import { jobAddress, placeOf, sectionAddress } from "../../studio/address.ts";

test("a job's link opens the job", () => {
  expect(placeOf(jobAddress("job_1"))).toEqual({ job: "job_1" });
});

test("a section opens with what its address brings", () => {
  const address = sectionAddress("image", { model: "bfl/flux-2-pro", prompt: "a & b?" });
  const place = placeOf(address);
  expect("section" in place && place.section).toBe("image");
  expect("section" in place && Object.fromEntries(place.query)).toEqual({ model: "bfl/flux-2-pro", prompt: "a & b?" });
  expect(sectionAddress("jobs")).toBe("#/jobs");
});

test("what is no place of the page is its first section", () => {
  for (const hash of ["", "#", "#/", "#/nothing", "#job=", "#/blog/x"]) {
    const place = placeOf(hash);
    expect("section" in place && place.section, hash).toBe("blog");
  }
});
