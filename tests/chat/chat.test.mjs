// The AI SDK's own client, unchanged, against the real server.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import * as ai5 from "ai5";
import * as ai6 from "ai6";
import * as ai7 from "ai7";

import { openPage, Server, textOf } from "./support.mjs";

const VERSIONS = { "ai 5": ai5, "ai 6": ai6, "ai 7": ai7 };

/** A question whose answer takes a second or so to be written. */
const QUESTION = "Topic: why the sea is salty\nWords: 600";

/** A question whose answer stops in the middle and never ends. */
const ENDLESS = "[stall] Why is the sea salty?";

const hasAnswerOf = (least) => (messages) => messages.at(-1)?.role === "assistant"
  && textOf(messages.at(-1)).length >= least;

const newId = () => `chat-${crypto.randomUUID()}`;

for (const [name, ai] of Object.entries(VERSIONS)) {
  describe(name, () => {
    let server;
    before(async () => { server = await Server.start(); });
    after(() => server.stop());

    /** A page that has sent a message and has some of its answer. */
    async function inTheMiddle(question) {
      const page = openPage(ai, server, newId());
      const sent = page.chat.sendMessage({ text: question });
      await page.state.until(hasAnswerOf(1));
      return { ...page, sent };
    }

    test("a message is answered, piece by piece, to its end", async () => {
      const { chat, state, transient } = openPage(ai, server, newId());
      const lengths = new Set();
      const finished = chat.sendMessage({ text: QUESTION });
      state.until((messages) => {
        if (messages.length === 2) lengths.add(textOf(messages[1]).length);
        return chat.status === "ready" && messages.length === 2;
      });
      await finished;
      assert.equal(chat.status, "ready", String(chat.error));
      const [question, answer] = chat.messages;
      assert.equal(chat.messages.length, 2);
      assert.equal(question.role, "user");
      const job = await server.json(`/api/jobs/${answer.id}`);
      assert.deepEqual([job.kind, job.status], ["chat", "completed"]);
      assert.equal(textOf(answer), await server.markdown(answer.id));
      assert.ok(lengths.size > 3, `the text came in ${lengths.size} pieces`);
      const progress = answer.parts.filter(({ type }) => type === "data-progress");
      assert.equal(progress.length, 1, "progress is updated in place");
      assert.equal(progress[0].data.percent, 100);
      assert.equal(answer.metadata.jobId, answer.id);
      assert.ok(transient.some(({ type }) => type === "data-job"));
      assert.ok(!answer.parts.some(({ type }) => type === "data-job"), "a status is not kept");
    });

    test("a conversation goes on, and asking again replaces the answer", async () => {
      const { chat } = openPage(ai, server, newId());
      await chat.sendMessage({ text: "Topic: salt\nWords: 60" });
      await chat.sendMessage({ text: "Topic: lakes\nWords: 60" });
      const roles = ["user", "assistant", "user", "assistant"];
      assert.deepEqual(chat.messages.map(({ role }) => role), roles);
      const { input } = await server.json(`/api/jobs/${chat.messages[3].id}`);
      assert.deepEqual(input.messages.map(({ role }) => role), roles.slice(0, 3));
      assert.equal(input.messages[1].content, textOf(chat.messages[1]));
      const before = chat.messages[3].id;
      await chat.regenerate();
      assert.equal(chat.messages.length, 4);
      assert.notEqual(chat.messages[3].id, before);
      assert.equal(textOf(chat.messages[3]), await server.markdown(chat.messages[3].id));
    });

    test("a page that reloads in the middle gets the whole answer once", async () => {
      // One page kept the question alone, another the half of the answer too.
      for (const count of [1, 2]) {
        const page = await inTheMiddle(QUESTION);
        await page.chat.stop();
        await page.sent;
        const { chat } = openPage(ai, server, page.chat.id, page.chat.messages.slice(0, count));
        await chat.resumeStream();
        assert.equal(chat.status, "ready", String(chat.error));
        assert.deepEqual(chat.messages.map(({ id }) => id), page.chat.messages.map(({ id }) => id));
        const answer = chat.messages[1];
        assert.equal(textOf(answer), await server.markdown(answer.id));
        assert.equal(answer.parts.filter(({ type }) => type === "text").length, 1);
      }
    });

    test("a chat where nothing goes on has nothing to resume", async () => {
      const page = openPage(ai, server, newId());
      assert.equal(await page.transport.reconnectToStream({ chatId: page.chat.id }), null);
      await page.chat.sendMessage({ text: "Topic: salt\nWords: 60" });
      assert.equal(await page.transport.reconnectToStream({ chatId: page.chat.id }), null);
      const kept = page.chat.messages;
      await page.chat.resumeStream();
      assert.deepEqual([page.chat.status, page.chat.messages], ["ready", kept]);
    });

    test("the parts of a resumed stream fold to the answer", async () => {
      const page = await inTheMiddle(QUESTION);
      const stream = await page.transport.reconnectToStream({ chatId: page.chat.id });
      let folded;
      for await (const message of ai.readUIMessageStream({ stream })) folded = message;
      await page.sent;
      assert.equal(folded.id, page.chat.messages[1].id);
      assert.equal(textOf(folded), await server.markdown(folded.id));
    });

    test("leaving ends nothing, stopping does", async () => {
      const page = await inTheMiddle(ENDLESS);
      const { id } = page.chat.messages[1];
      await page.chat.stop();
      await page.sent;
      assert.equal((await server.json(`/api/jobs/${id}`)).status, "running");
      const stop = `/api/chat/${page.chat.id}/stop`;
      assert.deepEqual(await server.json(stop, { method: "POST" }), { job_id: id, status: "canceled" });
      // Whoever comes back has what was written until then, and is not left waiting.
      const { chat } = openPage(ai, server, page.chat.id, page.chat.messages.slice(0, 1));
      await chat.resumeStream();
      assert.equal(chat.status, "ready", String(chat.error));
      const { text } = await server.json(`/api/jobs/${id}`);
      assert.equal(textOf(chat.messages[1]), text);
      assert.ok(text.startsWith(textOf(page.chat.messages[1])));
    });

    test("a failure is an error of the chat, and what was written stays", async () => {
      const { chat } = openPage(ai, server, newId());
      await chat.sendMessage({ text: "[cut] Why is the sea salty?" });
      assert.equal(chat.status, "error");
      assert.match(chat.error.message, /\w/);
      const { text, error } = await server.json(`/api/jobs/${chat.messages[1].id}`);
      assert.equal(chat.error.message, error.message);
      assert.equal(textOf(chat.messages[1]), text);
      chat.clearError();
      await chat.sendMessage({ text: "Topic: lakes\nWords: 60" });
      assert.equal(chat.status, "ready", String(chat.error));
    });

    test("what cannot be taken is an error that names the field", async () => {
      const { chat } = openPage(ai, server, newId());
      await chat.sendMessage({ text: QUESTION }, { body: { voiceover: "yes" } });
      assert.equal(chat.status, "error");
      assert.match(chat.error.message, /"pointer":"\/voiceover"/);
    });

    test("a narration is a file of the message", async () => {
      const { chat } = openPage(ai, server, newId());
      await chat.sendMessage({ text: "Topic: salt\nWords: 60" }, { body: { voiceover: true } });
      assert.equal(chat.status, "ready", String(chat.error));
      const files = chat.messages[1].parts.filter(({ type }) => type === "file");
      assert.deepEqual(files.map(({ mediaType }) => mediaType), ["audio/wav"]);
      const sound = await fetch(new URL(files[0].url, server.url));
      assert.equal(new TextDecoder("latin1").decode(await sound.arrayBuffer()).slice(0, 4), "RIFF");
    });

    test("an image is a file of the message", async () => {
      const { chat } = openPage(ai, server, newId());
      const body = { kind: "image", model: "bfl/flux-2-klein-4b" };
      await chat.sendMessage({ text: "A lighthouse in fog" }, { body });
      assert.equal(chat.status, "ready", String(chat.error));
      const [file] = chat.messages[1].parts.filter(({ type }) => type === "file");
      assert.match(file.mediaType, /^image\//);
      assert.equal((await fetch(new URL(file.url, server.url))).status, 200);
    });

    test("a server that dies in the middle loses nothing of the answer", async () => {
      const page = await inTheMiddle(QUESTION);
      await server.kill();
      await page.sent;
      const [question] = page.chat.messages;
      await server.start();
      const { chat } = openPage(ai, server, page.chat.id, [question]);
      // Who is there before the job is taken up again has text of the run before: it is told to resume.
      do await chat.resumeStream();
      while (chat.error?.message.endsWith("resume the stream"));
      assert.equal(chat.status, "ready", String(chat.error));
      assert.equal(chat.messages.length, 2);
      assert.equal(textOf(chat.messages[1]), await server.markdown(chat.messages[1].id));
    });
  });
}
