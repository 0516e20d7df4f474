"use client";

import { useMemo, useState, type FormEvent } from "react";
import { Tailwater } from "tailwater";
import { useJob } from "tailwater/react";

interface Submitted {
  readonly jobId: string;
  readonly streamUrl: string;
}

/** A form, and the post that is written while one looks. */
export function Post({ server }: { server: string }) {
  const client = useMemo(() => new Tailwater({ baseUrl: server }), [server]);
  const [submitted, setSubmitted] = useState<Submitted | null>(null);
  const [refused, setRefused] = useState("");
  const { job, connection, error } = useJob(submitted?.jobId ?? null, { client, streamUrl: submitted?.streamUrl });

  async function write(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const topic = new FormData(event.currentTarget).get("topic");
    const answer = await fetch("/api/generate", { method: "POST", body: JSON.stringify({ topic }) });
    const said = await answer.json();
    setRefused(said.error ?? "");
    if (answer.ok) setSubmitted(said);
  }

  return (
    <main>
      <h1>Write a post</h1>
      <form onSubmit={write}>
        <label>Topic <input name="topic" defaultValue="Why the sea is salty" required /></label>{" "}
        <button>Write</button>
      </form>
      <p role="status">{refused || error?.message || job.end?.type || connection?.phase}</p>
      <progress max={100} value={job.end === null ? job.progress.percent : 100} />
      <article style={{ whiteSpace: "pre-wrap" }}>{job.text}</article>
    </main>
  );
}
