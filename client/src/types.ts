// What is sent to the server's routes and what they answer (PROTOCOL.md). `golden/` has real
// answers, and `npm run types` fails where one of them has a member more or less than is said here.

import type { Artifact, EventId, Kind, Progress, Snapshot, Status } from "./events.ts";

export type * from "./models.ts";

/** UTC milliseconds. */
export type Milliseconds = number;

/** A millionth of a credit; whole numbers only. */
export type MicroCredits = number;

/** What a submit may say of a job, whatever it makes. */
interface SubmitCommon {
  /** Whose job it is (`default`); jobs of a project share a stream. */
  readonly project_id?: string;
  /** -100 to 100; higher goes first. */
  readonly priority?: number;
  /** Queue it although an identical task is in flight. */
  readonly allow_duplicate?: boolean;
  /** The job that this one tries again. */
  readonly retry_of?: string;
  /** Who is told how the job ends: an https address that takes Standard Webhooks. */
  readonly webhook_url?: string;
}

/** What a blog post is to be about. */
export interface BlogInput {
  readonly topic: string;
  readonly language?: string;
  readonly tone?: string;
  /** 50 to 5,000. */
  readonly words?: number;
  readonly voiceover?: boolean;
  readonly voice?: string;
}

/** What is to be read aloud. */
export interface VoiceoverInput {
  readonly text: string;
  readonly language?: string;
  readonly voice?: string;
}

/** A conversation whose next message is to be made. */
export interface ChatInput {
  /** The last one is of the role `user`. */
  readonly messages: readonly { readonly role: "system" | "user" | "assistant"; readonly content: string }[];
  /** What is spoken; the answer's own language is the model's to choose. */
  readonly language?: string;
  readonly voiceover?: boolean;
  readonly voice?: string;
}

/** A job that is asked for. */
export type SubmitBody = SubmitCommon &
  (
    | { readonly kind: "blog"; readonly input: BlogInput }
    | { readonly kind: "voiceover"; readonly input: VoiceoverInput }
    | { readonly kind: "chat"; readonly input: ChatInput }
    | {
        readonly kind: "video" | "image" | "lipsync";
        /** A slug of `models()`, or another name of the model. */
        readonly model: string;
        /** As the model's `inputs` say. */
        readonly input: Readonly<Record<string, unknown>>;
      }
    | {
        readonly kind: "external";
        readonly input?: Readonly<Record<string, unknown>>;
        /** How long the job's worker may be silent. */
        readonly silence_limit_ms?: Milliseconds;
      }
  );

/** Where a job is found. */
interface Links {
  /** Carries a ticket where one is needed: what `watch` takes as `streamUrl`. */
  readonly stream_url: string;
  readonly poll_url: string;
  readonly events_url: string;
  readonly cancel_url: string;
}

/** The answer to a submit. */
export interface SubmitAnswer extends Links {
  readonly job_id: string;
  /** The first file that the job makes; null of an external job. */
  readonly file_id: string | null;
  readonly status: Status;
  /** Whether it is an identical task that was in flight already. */
  readonly deduplicated?: true;
  /** The model of the catalog, for what one makes; so are all that follow. */
  readonly model?: string;
  readonly prediction_id?: string;
  readonly message?: string;
  readonly hold?: MicroCredits;
  readonly simulated?: true;
  /** What is to be known of the model, such as its retirement. */
  readonly notice?: string;
}

/** Why a job failed. */
export interface JobFailure {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
}

/** How a job ended: one of these once its `status` says so. */
interface Ended {
  /** Of a completed one, what its `completed` event says. */
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: JobFailure;
  /** Why it was canceled. */
  readonly reason?: string;
}

/** A job with everything that its events made so far. */
export interface Job extends Links, Ended {
  readonly id: string;
  readonly file_id: string | null;
  readonly kind: Kind;
  readonly status: Status;
  /** Which run this is: 0 before the first. */
  readonly attempt: number;
  readonly project_id: string;
  readonly progress: Progress;
  readonly text: string;
  /** Where `text` begins, in Unicode scalar values. */
  readonly text_offset: number;
  readonly artifacts: readonly Artifact[];
  readonly input: Readonly<Record<string, unknown>>;
  readonly model: string | null;
  readonly hold: MicroCredits;
  readonly cost: MicroCredits | null;
  readonly retry_of: string | null;
  readonly created_at: Milliseconds;
  readonly started_at: Milliseconds | null;
  readonly updated_at: Milliseconds;
  readonly ended_at: Milliseconds | null;
  /** The cursor to watch from. */
  readonly last_event_id: EventId;
  /** When to ask again; null once it has ended. */
  readonly poll_after_ms: number | null;
}

/** A job in a list: long inputs are cut, and nested ones left out. */
export interface JobSummary extends Ended {
  readonly id: string;
  readonly kind: Kind;
  readonly status: Status;
  readonly attempt: number;
  readonly project_id: string;
  readonly model: string | null;
  readonly progress: Pick<Progress, "percent" | "stage">;
  readonly input: Readonly<Record<string, string | number | boolean | null>> | null;
  readonly created_at: Milliseconds;
  readonly updated_at: Milliseconds;
  readonly ended_at: Milliseconds | null;
}

/** Which jobs to list. */
export interface JobFilter {
  readonly status?: Status;
  readonly kind?: Kind;
  readonly project_id?: string;
  /** 1 to 200; 50 otherwise. */
  readonly limit?: number;
  /** Only older ones than this job: the `next` of the page before. */
  readonly before?: string;
}

/** Jobs, newest first. */
export interface JobPage {
  readonly jobs: readonly JobSummary[];
  /** `before` of the next page; null on the last. */
  readonly next: string | null;
}

/** What became of a cancel. */
export interface CancelAnswer {
  readonly job_id: string;
  /** `canceling` where the end takes longer than the answer. */
  readonly status: "canceled" | "canceling";
}

/** An event in a page. */
export interface PagedEvent {
  readonly id: EventId;
  readonly type: string;
  readonly at: Milliseconds;
  readonly data: unknown;
}

/** Which events to get. */
export interface EventsQuery {
  /** The cursor; everything from the beginning otherwise. */
  readonly after?: EventId;
  /** 1 to 1,000; 200 otherwise. */
  readonly limit?: number;
  /** For how many seconds the server may hold the answer until there is an event; 0 to 25. */
  readonly wait?: number;
}

/** The events behind a cursor. */
export interface EventPage {
  readonly events: readonly PagedEvent[];
  /** The cursor of the next page; below `head` there is more already. */
  readonly next: EventId;
  /** Whether the terminal event is in this page or before it. */
  readonly ended: boolean;
  readonly head: EventId;
  readonly poll_after_ms: number | null;
  /** Where the cursor could not be resumed: events are missing … */
  readonly gap?: { readonly from: EventId | null; readonly to: EventId; readonly reason: string };
  /** … and this stands for everything up to `gap.to`. */
  readonly snapshot?: Snapshot;
}

/** What a file is to be called and whose it is. */
export interface UploadOptions {
  readonly name?: string;
  readonly project?: string;
}

/** A file that was given to the server. */
export interface Upload {
  readonly id: string;
  /** What an input of the type `uri` takes; the id does as well. */
  readonly url: string;
  readonly name: string;
  readonly project_id: string;
  readonly media_type: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly created_at: Milliseconds;
  readonly width?: number;
  readonly height?: number;
  readonly duration_ms?: number;
}

/** What there is to spend; each amount as a number and as a decimal text of credits. */
export interface Credits {
  readonly account: string;
  readonly currency: string;
  readonly available: MicroCredits;
  readonly available_credits: string;
  readonly held: MicroCredits;
  readonly held_credits: string;
  readonly granted: MicroCredits;
  readonly granted_credits: string;
  readonly captured: MicroCredits;
  readonly captured_credits: string;
}

/** A movement of credits. */
export interface LedgerEntry {
  readonly id: number;
  readonly entry: "grant" | "hold" | "capture" | "release";
  readonly job_id: string | null;
  readonly note: string | null;
  readonly at: Milliseconds;
  readonly amount: MicroCredits;
  readonly amount_credits: string;
  readonly available_after: MicroCredits;
  readonly available_after_credits: string;
}

/** Which movements to list. */
export interface LedgerFilter {
  /** 1 to 200; 50 otherwise. */
  readonly limit?: number;
  /** Only older ones than this entry: the `next` of the page before. */
  readonly before?: number;
}

/** Movements, newest first. */
export interface LedgerPage {
  readonly entries: readonly LedgerEntry[];
  readonly next: number | null;
}

/** What a page should tell people about a server. */
export interface Info {
  readonly version: string;
  /** The providers that are simulated. */
  readonly simulated: readonly string[];
  /** Where the simulated makers of media are. */
  readonly simulators: Readonly<Record<string, string>>;
  readonly voice: { readonly kind: "bundled" | "system" | "tone" | "provider"; readonly note: string };
  readonly voices: readonly string[];
}

/** A file by its id, from the first second after its submit. */
export interface FileView {
  readonly id: string;
  readonly job_id: string;
  /** `completed` as soon as the file is there, whatever becomes of the job. */
  readonly status: Status;
  readonly completed: boolean;
  readonly kind: string;
  readonly media_type: string;
  readonly url: string | null;
  readonly bytes: number | null;
  readonly duration_ms: number | null;
  readonly progress: number;
  readonly error?: JobFailure;
  readonly poll_after_ms: number | null;
}

/** A project's jobs, newest first, and whether any is still going. */
export interface ProjectView {
  readonly project_id: string;
  readonly completed: boolean;
  readonly active: number;
  readonly jobs: readonly JobSummary[];
  readonly poll_after_ms: number | null;
}
