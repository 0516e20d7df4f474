-- Webhooks: who wants to be told how jobs end, and who was told. Times are UTC milliseconds.

-- Whom to tell of one job, besides whom to tell of all. Several where an identical task was asked
-- for more than once while it was in flight.
create table webhook_target (
    job_id text not null references job (id),
    url    text not null,
    primary key (job_id, url)
) without rowid, strict;

-- Whom to tell of all jobs: what the server was last started with, so that an end that is written
-- while no server runs is told as well. One row or none.
create table webhook_for_all (
    url text primary key not null
) without rowid, strict;

-- The outbox: one row for each end and each address that is to hear of it.
create table webhook (
    id           integer primary key autoincrement,
    job_id       text not null references job (id),
    url          text not null,
    -- Scheme, host and port: what is healthy or not. The first slash behind the host ends it.
    endpoint     text not null generated always as
        (substr(url, 1, instr(substr(url, 9) || '/', '/') + 7)) virtual,
    status       text not null default 'pending'
        constraint webhook_status check (status in ('pending', 'delivered', 'given_up')),
    -- How often it was tried in all.
    attempts     integer not null default 0,
    -- How often since it was begun: which delay is next.
    step         integer not null default 0,
    -- When it was begun, the last time that it was.
    begun_at     integer not null,
    -- When it is tried next; null once it is over.
    next_at      integer,
    attempted_at integer,
    -- What the newest attempt was answered with, and what was wrong with that; null where there
    -- was no answer, or nothing was wrong.
    last_status  integer,
    last_error   text,
    created_at   integer not null,
    ended_at     integer,
    constraint webhook_next check ((status = 'pending') = (next_at is not null)),
    constraint webhook_end check ((status = 'pending') = (ended_at is null))
) strict;

create unique index webhook_once on webhook (job_id, url);
create index webhook_due on webhook (next_at, endpoint) where status = 'pending';
create index webhook_waiting on webhook (endpoint, begun_at) where status = 'pending';
-- Lists, newest first.
create index webhook_of_status on webhook (status, id);
-- What retention may give up.
create index webhook_over on webhook (ended_at) where ended_at is not null;

-- The one place where the outbox is filled: whoever ends a job (a worker, the watchdog, the next
-- process, a program that only knows the database) does it in the same transaction.
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
    ) as target, (select cast(unixepoch('subsec') * 1000 as integer) as ms) as now
    where not exists (select 1 from webhook where job_id = new.id and url = target.url);
end;
