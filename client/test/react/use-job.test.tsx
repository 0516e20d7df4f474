// A job in a component, over a server that the test writes.

import { eventually, frame, framesWaiting, mount, shows, turn, wait } from "./page.ts";

import { StrictMode, type ReactElement } from "react";
import { renderToString } from "react-dom/server";
import { expect, test, vi } from "vitest";

import { TailwaterProvider, useJob, type JobOptions, type WatchedJob } from "../../src/react/index.ts";
import { initialState, reduce } from "../../src/state.ts";
import { COMPLETED, RUNNING, ScriptedServer, content, refused } from "./scripted.ts";

/** What a component got in each of its renders. */
type Renders = { readonly id: string | null; readonly seen: WatchedJob }[];

interface ViewProps {
  readonly id: string | null;
  readonly renders?: Renders;
  readonly options?: JobOptions;
}

function View({ id, renders, options }: ViewProps): ReactElement {
  const seen = useJob(id, options);
  renders?.push({ id, seen });
  return <p>{seen.job.text}</p>;
}

const STREAM = "GET /api/jobs/job_1/stream";

test("a_job_is_shown_from_its_first_event_to_its_end", async () => {
  const server = new ScriptedServer();
  const renders: Renders = [];
  const { container } = await mount(<View id="job_1" renders={renders} options={{ client: server.client }} />);
  expect(renders.at(-1)?.seen).toMatchObject({ job: initialState(), connection: { phase: "connecting" }, error: null, isOver: false });
  server.add("job_1", RUNNING, content(0, "The tides"));
  await shows(() => expect(container.textContent).toBe("The tides"));
  expect(renders.at(-1)?.seen).toMatchObject({ job: { status: "running" }, connection: { phase: "live", carrier: "fetch" } });
  server.add("job_1", content(9, " rise."), COMPLETED);
  await shows(() => expect(renders.at(-1)?.seen).toMatchObject({ isOver: true, connection: { phase: "ended" }, error: null }));
  expect(container.textContent).toBe("The tides rise.");
  expect(server.requests).toEqual([STREAM]);
});

test("however_many_pieces_come_there_is_one_render_for_each_frame", async () => {
  const server = new ScriptedServer();
  const renders: Renders = [];
  const { container } = await mount(<View id="job_1" renders={renders} options={{ client: server.client }} />);
  await shows(() => expect(renders.at(-1)?.seen.connection?.phase).toBe("live"));
  const before = renders.length;
  for (let piece = 0; piece < 100; piece += 1) {
    server.add("job_1", content(piece, "x"));
    await turn();
  }
  await eventually(() => expect([...server.streams].map(({ body }) => body.desiredSize)).toEqual([1]));
  expect(framesWaiting()).toBe(1);
  expect(renders.length).toBe(before);
  await frame();
  expect(container.textContent).toBe("x".repeat(100));
  expect(renders.length).toBe(before + 1);
});

test("a_page_that_gets_no_frames_goes_on_all_the_same", async () => {
  const server = new ScriptedServer();
  const { container } = await mount(<View id="job_1" options={{ client: server.client }} />);
  server.add("job_1", content(0, "unseen"));
  await eventually(() => expect(framesWaiting()).toBe(1));
  expect(container.textContent).toBe("");
  await eventually(() => expect(container.textContent).toBe("unseen"), () => wait(100));
});

test("another_id_shows_nothing_of_the_job_before_it", async () => {
  const server = new ScriptedServer();
  const renders: Renders = [];
  const options = { client: server.client };
  const { container, render } = await mount(<View id="job_1" renders={renders} options={options} />);
  server.add("job_1", content(0, "first"));
  await shows(() => expect(container.textContent).toBe("first"));
  server.add("job_2", content(0, "second"));
  await render(<View id="job_2" renders={renders} options={options} />);
  // What still comes of the first is nobody's.
  server.add("job_1", content(5, " and more"));
  await shows(() => expect(container.textContent).toBe("second"));
  const texts = renders.filter(({ id }) => id === "job_2").map(({ seen }) => seen.job.text);
  expect(new Set(texts)).toEqual(new Set(["", "second"]));
  expect([...server.streams].map(({ jobId }) => jobId)).toEqual(["job_2"]);
  await render(<View id={null} renders={renders} options={options} />);
  expect(renders.at(-1)?.seen).toMatchObject({ job: initialState(), connection: null, isOver: false });
  await eventually(() => expect(server.streams.size).toBe(0));
});

test("strict_mode_opens_one_stream", async () => {
  const server = new ScriptedServer();
  const watch = vi.spyOn(server.client, "watch");
  const { container } = await mount(<StrictMode><View id="job_1" options={{ client: server.client }} /></StrictMode>);
  server.add("job_1", content(0, "once"));
  await shows(() => expect(container.textContent).toBe("once"));
  expect(watch).toHaveBeenCalledTimes(1);
  expect(server.requests).toEqual([STREAM]);
  expect(server.streams.size).toBe(1);
});

test("after_its_end_a_component_neither_watches_nor_renders_and_the_job_goes_on", async () => {
  const server = new ScriptedServer();
  const renders: Renders = [];
  const { unmount } = await mount(<View id="job_1" renders={renders} options={{ client: server.client }} />);
  server.add("job_1", content(0, "seen"));
  await shows(() => expect(renders.at(-1)?.seen.job.text).toBe("seen"));
  server.add("job_1", content(4, " or not"));
  await eventually(() => expect(framesWaiting()).toBe(1));
  const before = renders.length;
  await unmount();
  await eventually(() => expect(server.streams.size).toBe(0));
  expect(framesWaiting()).toBe(0);
  expect(renders.length).toBe(before);
  expect(server.requests).toEqual([STREAM]);
});

test("a_server_renders_the_first_state_and_asks_nothing", async () => {
  const server = new ScriptedServer();
  const renders: Renders = [];
  expect(renderToString(<View id="job_1" renders={renders} />)).toBe("<p></p>");
  const initial = reduce(initialState(), { id: 7, type: "content", data: { offset: 0, text: "so far", attempt: 1 } });
  const known = { client: server.client, initial };
  const html = renderToString(<View id="job_1" options={known} />);
  expect(html).toBe("<p>so far</p>");
  expect(renders.map(({ seen }) => seen.connection?.phase)).toEqual(["connecting"]);
  expect(server.requests).toEqual([]);
});

test("a_page_goes_on_behind_what_its_server_rendered", async () => {
  const server = new ScriptedServer();
  server.add("job_1", content(0, "so far"), content(6, ", so good"));
  const initial = reduce(initialState(), { id: 1, type: "content", data: { offset: 0, text: "so far", attempt: 1 } });
  const view = <View id="job_1" options={{ client: server.client, initial }} />;
  const { container } = await mount(view, renderToString(view));
  await shows(() => expect(container.textContent).toBe("so far, so good"));
  expect([...server.streams].map(({ after }) => after)).toEqual([1]);
});

test("a_job_that_is_known_to_be_over_is_not_watched", async () => {
  const server = new ScriptedServer();
  const renders: Renders = [];
  const initial = reduce(initialState(), { id: 1, type: "completed", data: {} });
  await mount(<View id="job_1" renders={renders} options={{ client: server.client, initial }} />);
  await turn();
  expect(renders.at(-1)?.seen).toMatchObject({ isOver: true, connection: null });
  expect(server.requests).toEqual([]);
});

test("a_watch_that_is_refused_says_why_and_can_be_begun_again_where_it_was", async () => {
  const server = new ScriptedServer();
  const renders: Renders = [];
  const { container } = await mount(<View id="job_1" renders={renders} options={{ client: server.client }} />);
  server.add("job_1", content(0, "before"));
  await shows(() => expect(container.textContent).toBe("before"));
  server.intercept = () => refused(403, "not_yours");
  for (const stream of server.streams) stream.body.close();
  server.streams.clear();
  await eventually(
    () => expect(renders.at(-1)?.seen.error).toMatchObject({ code: "not_yours", status: 403 }),
    () => wait(1_000),
  );
  expect(renders.at(-1)?.seen).toMatchObject({ isOver: false, connection: { phase: "ended" }, job: { text: "before" } });
  server.intercept = () => null;
  server.add("job_1", content(6, " and after"));
  renders.at(-1)?.seen.reconnect();
  await shows(() => expect(container.textContent).toBe("before and after"));
  expect(renders.at(-1)?.seen).toMatchObject({ error: null, connection: { phase: "live" } });
  expect([...server.streams].map(({ after }) => after)).toEqual([1]);
});

test("the_client_is_the_hooks_own_else_the_providers_else_the_pages", async () => {
  const [own, provided] = [new ScriptedServer(), new ScriptedServer()];
  const asked: string[] = [];
  vi.stubGlobal("location", { origin: "https://page.example" });
  vi.stubGlobal("fetch", (input: string) => {
    asked.push(input);
    return own.fetch(`https://page.example${input}`);
  });
  await mount(
    <TailwaterProvider client={provided.client}>
      <View id="job_1" options={{ client: own.client }} />
      <View id="job_2" />
    </TailwaterProvider>,
  );
  await mount(<View id="job_3" />);
  await eventually(() => expect(asked).toEqual(["/api/jobs/job_3/stream"]));
  expect(own.requests).toEqual([STREAM, "GET /api/jobs/job_3/stream"]);
  expect(provided.requests).toEqual(["GET /api/jobs/job_2/stream"]);
});
