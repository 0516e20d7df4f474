-- What a project takes on disk is all that it does: the bytes of `project_use` are those of its files,
-- of its jobs' events, and of the jobs themselves.

-- What the row takes, with its indexes: what clients and workers wrote in it, and about as much again as
-- a row that says nothing.
alter table job add column row_bytes integer generated always as (
    1024 + length(cast(input as blob)) + coalesce(length(cast(result as blob)), 0)
        + coalesce(length(cast(error_message as blob)), 0)
) virtual;

-- A program may have an SQLite that is years old, and its changes fire the triggers and take the
-- defaults that are here. So the time is one that any version can tell, and a table whose default was
-- another is made anew.
create table artifact_new (
    id             text primary key,
    job_id         text not null references job (id),
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
    status         text not null default 'ready'
        constraint artifact_status check (status in ('reserved', 'ready')),
    created_at     integer not null
        default (cast(round((julianday('now') - 2440587.5) * 86400000) as integer)),
    ready_event_id integer,
    tts_event_id   integer,
    width          integer,
    height         integer
);
insert into artifact_new select
    id, job_id, attempt, kind, media_type, name, path, url, bytes, duration_ms, sha256, voice, status,
    created_at, ready_event_id, tts_event_id, width, height
from artifact;
drop table artifact;
alter table artifact_new rename to artifact;
create index artifact_job on artifact (job_id);

-- All that a job takes.
create view job_disk as select id, project_id, row_bytes
    + (select coalesce(sum(bytes), 0) from artifact where job_id = job.id and path is not null)
    + (select coalesce(sum(length(frames) + length(marks)), 0) from event_segment where job_id = job.id)
    as bytes
from job;

insert into project_use (project_id, bytes)
    select project_id, sum(bytes) from (
        select project_id, bytes from job_disk
        union all
        select project_id, bytes from upload
    ) where true group by project_id
    on conflict (project_id) do update set bytes = excluded.bytes;

drop trigger project_use_job_new;
create trigger project_use_job_new after insert on job
begin
    insert into project_use (project_id, waiting, bytes)
        values (new.project_id, new.status = 'pending', new.row_bytes)
        on conflict (project_id) do update
        set waiting = waiting + excluded.waiting, bytes = bytes + excluded.bytes;
end;

drop trigger project_use_job_moved;
create trigger project_use_job_status after update of status on job
    when (old.status = 'pending') <> (new.status = 'pending')
begin
    update project_use set waiting = waiting + (new.status = 'pending') - (old.status = 'pending')
        where project_id = old.project_id;
end;

create trigger project_use_job_moved after update of project_id on job
    when old.project_id <> new.project_id
begin
    update project_use set waiting = waiting - (new.status = 'pending'),
        bytes = bytes - (select bytes from job_disk where id = new.id)
        where project_id = old.project_id;
    insert into project_use (project_id, waiting, bytes)
        select new.project_id, new.status = 'pending', bytes from job_disk where id = new.id
        on conflict (project_id) do update
        set waiting = waiting + excluded.waiting, bytes = bytes + excluded.bytes;
end;

create trigger project_use_job_said after update of input, result, error_message on job
    when old.row_bytes <> new.row_bytes
begin
    update project_use set bytes = bytes + new.row_bytes - old.row_bytes
        where project_id = old.project_id;
end;

drop trigger project_use_job_gone;
create trigger project_use_job_gone after delete on job
begin
    update project_use set waiting = waiting - (old.status = 'pending'), bytes = bytes - old.row_bytes
        where project_id = old.project_id;
end;

create trigger project_use_events_new after insert on event_segment
begin
    update project_use set bytes = bytes + length(new.frames) + length(new.marks)
        where project_id = (select project_id from job where id = new.job_id);
end;

create trigger project_use_events_gone after delete on event_segment
begin
    update project_use set bytes = bytes - length(old.frames) - length(old.marks)
        where project_id = (select project_id from job where id = old.job_id);
end;

-- Those of a table that was made anew.
create trigger project_use_artifact_new after insert on artifact
    when new.path is not null and new.bytes <> 0
begin
    update project_use set bytes = bytes + new.bytes
        where project_id = (select project_id from job where id = new.job_id);
end;

create trigger project_use_artifact_moved after update of path, bytes on artifact
    when iif(old.path is null, 0, old.bytes) <> iif(new.path is null, 0, new.bytes)
begin
    update project_use
        set bytes = bytes + iif(new.path is null, 0, new.bytes) - iif(old.path is null, 0, old.bytes)
        where project_id = (select project_id from job where id = new.job_id);
end;

create trigger project_use_artifact_gone after delete on artifact
    when old.path is not null and old.bytes <> 0
begin
    update project_use set bytes = bytes - old.bytes
        where project_id = (select project_id from job where id = old.job_id);
end;

-- What fires where such a program changes a job, with that time.
drop trigger job_touched;
create trigger job_touched after update of progress, stage, message on job
    when new.updated_at = old.updated_at and new.status = 'running'
begin
    update job set updated_at =
        max(updated_at + 1, cast(round((julianday('now') - 2440587.5) * 86400000) as integer))
    where id = new.id;
end;

drop trigger job_settles;
create trigger job_settles after update of status on job
    when new.status in ('completed', 'failed', 'canceled')
begin
    insert into ledger (account_id, entry, amount, job_id, at)
    select hold.account_id,
        iif(new.status = 'completed', 'capture', 'release'),
        -- Nothing that a program writes as the cost keeps the job from ending.
        iif(new.status = 'completed',
            cast(max(0, min(hold.amount, coalesce(new.cost, hold.amount))) as integer),
            hold.amount),
        new.id, cast(round((julianday('now') - 2440587.5) * 86400000) as integer)
    from ledger as hold
    where hold.job_id = new.id and hold.entry = 'hold' and not exists (
        select 1 from ledger where job_id = new.id and entry in ('capture', 'release')
    );
end;

drop trigger job_leaves;
create trigger job_leaves after delete on job
begin
    insert into ledger (account_id, entry, amount, job_id, at)
    select hold.account_id, 'release', hold.amount, old.id,
        cast(round((julianday('now') - 2440587.5) * 86400000) as integer)
    from ledger as hold
    where hold.job_id = old.id and hold.entry = 'hold' and not exists (
        select 1 from ledger where job_id = old.id and entry in ('capture', 'release')
    );
end;

drop trigger job_is_told;
create trigger job_is_told after update of status on job
    when new.status in ('completed', 'failed', 'canceled') and old.status in ('pending', 'running')
begin
    insert into webhook (job_id, url, begun_at, created_at, next_at)
    select new.id, target.url, now.ms, now.ms,
        -- A program that does not say when the job ended may add its last file a moment later.
        now.ms + iif(new.ended_at is null, 500, 0)
    from (
        select url from webhook_target where job_id = new.id
        union
        select url from webhook_for_all
    ) as target, (select cast(round((julianday('now') - 2440587.5) * 86400000) as integer) as ms) as now
    where not exists (select 1 from webhook where job_id = new.id and url = target.url);
end;
