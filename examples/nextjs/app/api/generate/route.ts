// Submits, on the server: Tailwater's key never reaches a browser.

import { Tailwater, TailwaterError } from "tailwater";

const server = process.env.TAILWATER_SERVER ?? "http://localhost:8080";
const tailwater = new Tailwater({ baseUrl: server, token: process.env.TAILWATER_API_KEY });

export async function POST(request: Request) {
  // Here you would look who asks, and what they may.
  const { topic } = await request.json();
  try {
    const { job_id, stream_url } = await tailwater.submit({ kind: "blog", input: { topic, words: 120 } });
    return Response.json({ jobId: job_id, streamUrl: stream_url }, { status: 202 });
  } catch (error) {
    if (!(error instanceof TailwaterError)) throw error;
    return Response.json({ error: error.message }, { status: error.status ?? 502 });
  }
}
