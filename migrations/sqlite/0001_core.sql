-- Times are UTC milliseconds, ids of events are the integers of the stream.

-- One row for each life of the event log. A cursor is valid when its epoch is here and it is not
-- above that epoch's last committed id: so events that a crash took are recognised.
create table epoch (
    epoch      integer primary key,
    started_at integer not null,
    -- Raised by every journal commit; what is above it in this epoch never became durable.
    last_id    integer not null
);

create table job (
    id               text primary key,
    kind             text not null,
    status           text not null default 'pending'
        constraint job_status check (status in ('pending', 'running', 'completed', 'failed', 'canceled')),
    project_id       text not null default 'default',
    -- Which run this is; the fence of a worker that lost its job.
    attempt          integer not null default 0,
    -- The attempt that the newest committed `status` event told readers of.
    told_attempt     integer not null default 0,
    -- Runs that a dead process took with it; a drain does not count.
    failures         integer not null default 0,
    -- Whose permits bound it; null for a job that this server does not run.
    provider         text,
    priority         integer not null default 0,
    -- The life of the server that runs it; null when nobody does.
    epoch            integer,
    input            text not null default '{}',
    -- A client's own key: the same submit again gets the same job.
    idempotency_key  text,
    -- Of the submit, to tell a repeated one from another one under the same key.
    request_hash     text,
    -- Of project, kind and input: an identical task in flight is not queued twice.
    duplicate_key    text,
    progress         integer not null default 0
        constraint job_progress check (progress between 0 and 100),
    stage            text not null default '',
    message          text,
    result           text,
    error_code       text,
    error_message    text,
    error_retryable  integer not null default 0,
    cancel_reason    text,
    retry_of         text,
    silence_limit_ms integer,
    file_id          text,
    created_at       integer not null default (cast(unixepoch('subsec') * 1000 as integer)),
    updated_at       integer not null default (cast(unixepoch('subsec') * 1000 as integer)),
    started_at       integer,
    ended_at         integer,
    last_event_id    integer not null default 0,
    -- Null while a terminal status has no committed terminal event.
    end_event_id     integer,
    -- Events up to here were given up by retention.
    trimmed_through  integer not null default 0
);

create unique index job_idempotency on job (project_id, idempotency_key)
    where idempotency_key is not null;
create unique index job_duplicate on job (duplicate_key)
    where duplicate_key is not null and status in ('pending', 'running');
-- The next job to claim: priority, then age.
create index job_queue on job (provider, priority desc, id) where status = 'pending';
create index job_running on job (epoch) where status = 'running';
create index job_external on job (updated_at)
    where kind = 'external' and status in ('pending', 'running');
create index job_unannounced on job (id)
    where status in ('completed', 'failed', 'canceled') and end_event_id is null;
-- Lists, newest first: of a project, by status.
create index job_of_project on job (project_id, id);
create index job_status on job (status, id);
create index job_project on job (project_id, last_event_id);
-- Jobs whose events retention may give up.
create index job_kept on job (ended_at)
    where end_event_id is not null and trimmed_through = 0;

-- A worker that only knows the database shows by any change that it is alive.
create trigger job_touched after update of progress, stage, message on job
    when new.updated_at = old.updated_at and new.status = 'running'
begin
    update job set updated_at = max(updated_at + 1, cast(unixepoch('subsec') * 1000 as integer))
    where id = new.id;
end;

-- A file that a job makes. A worker that only knows the database inserts a row with a place
-- (`path` in artifact storage, or `url`) and the reconciler announces it.
create table artifact (
    id             text primary key,
    job_id         text not null references job (id),
    -- The run that made the file; a newer run's file takes the row over.
    attempt        integer not null default 0,
    kind           text not null default 'file',
    media_type     text not null default 'application/octet-stream',
    name           text not null default '',
    path           text,
    url            text,
    bytes          integer not null default 0,
    duration_ms    integer,
    sha256         text,
    voice          text,
    -- 'reserved' from submit until the file is stored.
    status         text not null default 'ready'
        constraint artifact_status check (status in ('reserved', 'ready')),
    created_at     integer not null default (cast(unixepoch('subsec') * 1000 as integer)),
    -- The events that announced it; null while it is not announced.
    ready_event_id integer,
    tts_event_id   integer
);

create index artifact_job on artifact (job_id);

-- Many events of one job in a row, so that a token stream does not cost a row per token. With a
-- rowid: without one, SQLite compares keys by reading whole rows, and these are large
-- (https://www.sqlite.org/withoutrowid.html).
create table event_segment (
    job_id   text not null references job (id),
    first_id integer not null,
    last_id  integer not null,
    -- The events as they go on the wire, one after the other.
    frames   blob not null,
    -- Per event 20 bytes, big-endian: id (8), at (8), length of the frame (4).
    marks    blob not null,
    primary key (job_id, first_id)
);

-- The last `producer_seq` of each producer, so that a blind retry is harmless.
create table producer (
    job_id   text not null references job (id),
    producer text not null,
    seq      integer not null,
    primary key (job_id, producer)
) without rowid;
