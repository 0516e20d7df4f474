// A submit and what may be done about it: again, canceled, forgotten.

import type { Tailwater } from "../client.ts";
import { failure, TailwaterError } from "../errors.ts";
import { initialState, withJob, type JobState } from "../state.ts";
import type { SubmitBody } from "../types.ts";
import { clientOf } from "./provider.ts";
import { Store } from "./store.ts";

/** Where a submit is. */
export interface Submitted {
  /** Null until the server has taken it. */
  readonly jobId: string | null;
  /** What the submit itself tells of the job, which no event repeats. */
  readonly initial: JobState;
  readonly isSubmitting: boolean;
  /** Why the submit, or a cancel after it, came to nothing. */
  readonly error: TailwaterError | null;
}

const NOTHING: Submitted = { jobId: null, initial: initialState(), isSubmitting: false, error: null };

/** The newest of the submits of one component. */
export class Submission {
  readonly #client: Tailwater | null;
  readonly #store = new Store(NOTHING);
  #body: SubmitBody | null = null;
  #underWay = new AbortController();
  #jobId: Promise<string | null> = Promise.resolve(null);

  constructor(client: Tailwater | null) {
    this.#client = client;
  }

  readonly view = this.#store.get;
  readonly subscribe = this.#store.subscribe;

  readonly submit = (body: SubmitBody): Promise<string | null> => {
    const signal = this.#supersede();
    this.#body = body;
    this.#store.set({ ...NOTHING, initial: withJob(initialState(), factsOf(body)), isSubmitting: true });
    this.#jobId = this.#send(body, signal);
    return this.#jobId;
  };

  readonly retry = async (): Promise<string | null> => {
    const { jobId } = this.view();
    const body = this.#body;
    if (body === null) return null;
    // Where the submit itself failed there is no job to name, other than the one it was to retry.
    return this.submit(jobId === null ? body : { ...body, retry_of: jobId });
  };

  readonly cancel = async (reason?: string): Promise<void> => {
    // A job whose id is still on its way would run on, and cost, unseen.
    const jobId = await this.#jobId;
    if (jobId === null) return;
    const isShown = (): boolean => this.view().jobId === jobId;
    try {
      await clientOf(this.#client).cancel(jobId, reason);
      if (isShown()) this.#update({ error: null });
    } catch (cause) {
      const error = failure(cause);
      // It ended by itself meanwhile; its events say how.
      if (isShown() && error.code !== "job_ended") this.#update({ error });
    }
  };

  readonly reset = (): void => {
    this.#supersede();
    this.#body = null;
    this.#jobId = Promise.resolve(null);
    this.#store.set(NOTHING);
  };

  async #send(body: SubmitBody, signal: AbortSignal): Promise<string | null> {
    try {
      const { job_id: jobId, hold = null } = await clientOf(this.#client).submit(body, { signal });
      if (signal.aborted) return null;
      this.#update({ jobId, initial: withJob(this.view().initial, { hold }), isSubmitting: false });
      return jobId;
    } catch (error) {
      if (!signal.aborted) this.#update({ isSubmitting: false, error: failure(error) });
      return null;
    }
  }

  /** The newest wins: what is under way has nothing more to say. */
  #supersede(): AbortSignal {
    this.#underWay.abort();
    this.#underWay = new AbortController();
    return this.#underWay.signal;
  }

  #update(changes: Partial<Submitted>): void {
    this.#store.set({ ...this.view(), ...changes });
  }
}

const factsOf = (body: SubmitBody): Parameters<typeof withJob>[1] => ({
  kind: body.kind,
  input: { ...body.input },
  model: "model" in body ? body.model : null,
});
