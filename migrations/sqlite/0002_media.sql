-- Models of the catalog, the lines in which jobs wait for them, and what was started at providers.

-- The model of the catalog that makes it, by its slug; null for kinds that need none.
alter table job add column model text;
-- What the job costs at most, in micro-credits; held from submit to the end.
alter table job add column hold integer not null default 0;
-- What it did cost, in micro-credits; null when that is all that was held.
alter table job add column cost integer;

-- In which line a job waits, and whose permits bound it: a provider, or a model that has permits
-- of its own; null for a job that this server does not run.
alter table job rename column provider to lane;

-- When it is a job's turn in its line, among jobs of its priority. Each project's jobs follow each
-- other by one, from the turn that is being served: so a project with one job comes next, however
-- many another one has.
alter table job add column turn integer not null default 0;

drop index job_queue;
create index job_queue on job (lane, priority desc, turn, id) where status = 'pending';

-- How far each line is, for each priority: the highest turn that was taken from it. A turn says
-- nothing about jobs of another priority: the last job of a long batch, served before the others
-- since it is urgent, would move everybody who comes now behind that batch.
create table lane (
    lane     text not null,
    priority integer not null,
    turn     integer not null,
    primary key (lane, priority)
) without rowid;

-- The turn of each project's newest job of a priority in each line.
create table lane_project (
    lane       text not null,
    project_id text not null,
    priority   integer not null,
    turn       integer not null,
    primary key (lane, project_id, priority)
) without rowid;

-- What was started at a provider for a job. The row is there before the request leaves, so that
-- after a crash nothing is started twice.
create table operation (
    job_id     text primary key references job (id),
    -- The run that meant to start it.
    attempt    integer not null,
    provider   text not null,
    -- A secret in the address that the provider calls back.
    token      text not null,
    -- The provider's handle, as JSON; null from the intent to the provider's answer.
    handle     text,
    intended_at integer not null,
    started_at integer,
    -- When nothing was left to be done at the provider: it ended the work, or was told to.
    closed_at  integer
);

create index operation_open on operation (job_id) where closed_at is null;

alter table artifact add column width integer;
alter table artifact add column height integer;
