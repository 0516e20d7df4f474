// Which type each real answer of golden/ is of, by the first word of its file's name.

import type { Problem } from "../src/errors.ts";
import type { ControlEventData, EventId, JobEvent, JobEventData } from "../src/events.ts";
import type { Model } from "../src/models.ts";
import type {
  CancelAnswer, Credits, EventPage, FileView, Info, Job, JobPage, LedgerEntry, LedgerPage, ProjectView, SubmitAnswer, Upload,
} from "../src/types.ts";
import type { ProjectEvent } from "../src/watch/types.ts";

/** An event on a stream of several jobs. */
type Enveloped<Data> = {
  [Type in keyof Data]: {
    readonly id: EventId | null;
    readonly type: Type;
    readonly data: { readonly job: string; readonly data: Data[Type] };
  };
}[keyof Data];

type Hello = Extract<JobEvent, { type: "hello" }>;
type ProjectSnapshot = Omit<Extract<ProjectEvent, { type: "snapshot"; job: null }>, "job">;

/** The answers, by the first word of a file's name; a file that is of none of these is an error. */
export interface Golden {
  cancel: CancelAnswer;
  credits: Credits;
  envelope: Enveloped<JobEventData & ControlEventData>;
  event: JobEvent;
  events_page: EventPage;
  file: FileView;
  info: Info;
  job: Job;
  job_page: JobPage;
  ledger_entry: LedgerEntry;
  ledger_page: LedgerPage;
  model: Model;
  problem: Problem;
  project: ProjectView;
  stream_of_jobs: Hello;
  stream_of_project: Hello | ProjectSnapshot;
  submit: SubmitAnswer;
  upload: Upload;
}
