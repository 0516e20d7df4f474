// A chat as the AI SDK's own documentation builds it: `useChat` with its own transport and `resume`.
// `?chat=…` is its id. The messages are kept by the page, as an application keeps them in its database.

import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport } from "ai";
import { useEffect } from "react";
import { createRoot } from "react-dom/client";

const id = new URLSearchParams(location.search).get("chat");
const transport = new DefaultChatTransport({ api: "/api/chat" });
const kept = JSON.parse(localStorage.getItem(id) ?? "[]");

const textOf = ({ parts }) => parts.filter(({ type }) => type === "text").map(({ text }) => text).join("");

function Message({ message }) {
  const progress = message.parts.find(({ type }) => type === "data-progress");
  return (
    <li data-role={message.role} data-id={message.id}>
      <pre>{textOf(message)}</pre>
      {progress && <progress max="100" value={progress.data.percent} />}
    </li>
  );
}

function Chat() {
  const { messages, status, error, sendMessage, stop } = useChat({ id, messages: kept, transport, resume: true });
  useEffect(() => localStorage.setItem(id, JSON.stringify(messages)), [messages]);

  async function ask(event) {
    event.preventDefault();
    await sendMessage({ text: new FormData(event.target).get("question") });
  }

  /** The SDK's `stop` lets go of the answer; the server is told that nobody wants the rest. */
  async function end() {
    await stop();
    const answer = await fetch(`/api/chat/${id}/stop`, { method: "POST" });
    // An answer that may not be stored is over for the browser only when somebody has read it.
    await answer.json();
  }

  return (
    <main data-status={status} data-error={error?.message}>
      <ol>{messages.map((message) => <Message key={message.id} message={message} />)}</ol>
      <form onSubmit={ask}>
        <textarea name="question" />
        <button id="ask">Ask</button>
        <button id="stop" type="button" onClick={end}>Stop</button>
      </form>
    </main>
  );
}

createRoot(document.querySelector("#root")).render(<Chat />);
