// What an operator does to a job: asked first, and told what became of it.

import { find } from "../studio/dom.ts";
import { jobAddress } from "../studio/address.ts";
import { freshKey } from "../studio/fresh-key.ts";
import { ask } from "./ask.ts";
import type { Question } from "./ask.ts";
import { cancel, requeue, retry } from "./server.ts";
import { doing, tell } from "./told.ts";
import type { AdminJob } from "./types.ts";

/** The buttons of a job. */
export interface Actions {
  update(job: AdminJob): void;
  clear(): void;
}

/** What is asked before each action. */
export function questionOf(action: "cancel" | "requeue" | "retry", { status, title, attempt }: AdminJob): Question {
  const name = `“${title}”`;
  switch (action) {
    case "cancel":
      return {
        title: "Cancel this job?", yes: "Cancel the job", isHarsh: true,
        words: `${name} ends now; its readers are told, its provider is asked to stop, and its credits are released.`,
      };
    case "requeue":
      return status === "pending"
        ? { title: "Move it to the front?", yes: "Move it", words: `${name} becomes the next of its queue.` }
        : {
          title: "Requeue this job?", yes: "Requeue", isHarsh: true,
          words: `${name} is taken from its worker and begins anew as attempt ${attempt + 1}. What was started at a provider is gone on with, not started twice.`,
        };
    case "retry":
      return { title: "Try it again?", yes: "Retry", words: `A new job with the same input is submitted, and holds its credits anew. This one stays as it is.` };
  }
}

/** Brings the buttons of `section` to life. */
export function jobActions(section: HTMLElement): Actions {
  const line = find("#job-told", section);
  let job: AdminJob | null = null;
  /** Jobs whose retry was asked for and not answered: to ask again is no second retry. */
  const unanswered = new Map<string, string>();
  const buttons = {
    cancel: find("#cancel", section, HTMLButtonElement),
    requeue: find("#requeue", section, HTMLButtonElement),
    retry: find("#retry", section, HTMLButtonElement),
  };

  const deeds = {
    cancel: async (id: string): Promise<void> => {
      await cancel(id);
      tell(line, "The job was canceled.");
    },
    requeue: async (id: string): Promise<void> => {
      const wasWaiting = job?.status === "pending";
      await requeue(id);
      tell(line, wasWaiting ? "The job is the next of its queue." : "The job is back in its queue and begins anew.");
    },
    retry: async (id: string): Promise<void> => {
      const token = unanswered.get(id) ?? freshKey();
      unanswered.set(id, token);
      const { job_id: next } = await retry(id, token);
      unanswered.delete(id);
      tell(line, "A new job was submitted:", { href: jobAddress(next), words: next });
    },
  };

  for (const action of ["cancel", "requeue", "retry"] as const) {
    buttons[action].addEventListener("click", () => void act(action));
  }

  async function act(action: keyof typeof deeds): Promise<void> {
    const asked = job;
    if (asked === null || !(await ask(questionOf(action, asked)))) return;
    await doing(buttons[action], line, () => deeds[action](asked.job_id));
  }

  return {
    update(next) {
      // What was said of another job is not said of this one.
      if (job?.job_id !== next.job_id) tell(line, "");
      job = next;
      const isOver = next.ended_at !== null || !["pending", "running"].includes(next.status);
      buttons.cancel.hidden = isOver;
      buttons.requeue.hidden = isOver || next.kind === "external";
      buttons.retry.hidden = !isOver;
      buttons.requeue.textContent = next.status === "pending" ? "Move to the front" : "Requeue";
    },
    clear() {
      job = null;
      tell(line, "");
      for (const button of Object.values(buttons)) button.hidden = true;
    },
  };
}
