-- A cluster: several servers, its nodes, share one database. All times here are by the database's clock, so
-- that no node's own clock says who is alive.
--
-- `job.epoch` is the life that runs a job: an epoch of a server that has the database alone, or a node.

-- Numbers of nodes are below zero, so that none is an epoch's, and none is given twice: what a node has left
-- behind is never taken for another one's.
create sequence node_number increment by -1 start with -1;

-- One row for each life of a server in a cluster.
create table node (
    number        bigint primary key default nextval('node_number'),
    -- What people call it.
    name          text not null,
    started_at    bigint not null default now_ms(),
    -- Until when the others take it to be alive; 0 once they have given it up, or it has left.
    lease_until   bigint not null,
    -- When that was.
    given_up_at   bigint,
    -- The process of Postgres that serves the connection on which it writes.
    backend       integer,
    -- Which commit of its journal's was the newest, as `epoch.newest_commit`.
    newest_commit bigint not null default 0,
    constraint node_is_no_epoch check (number < 0),
    constraint node_given_up check ((lease_until = 0) = (given_up_at is not null))
);

alter sequence node_number owned by node.number;

-- How many permits of a pool each node has: how much may run at once counts over all living nodes.
create table permit (
    pool text collate "C" not null,
    node bigint not null references node (number) on delete cascade,
    held bigint not null,
    primary key (pool, node),
    constraint permit_held check (held >= 0)
);

create index permit_node on permit (node);

-- When each provider takes its next start, in UTC microseconds.
create table start_turn (
    provider text collate "C" primary key,
    next_us  bigint not null
);

-- What the committed events of a job say of it, apart from what its row says: programs that only know the
-- database write the status and the progress of a row as well, and both are events only a moment later.

-- The newest status that events told readers of; null while they told none.
alter table job add column told_status text collate "C";
-- The newest progress of the told attempt, in percent.
alter table job add column told_percent bigint not null default 0;

-- As it was restored until here: an end without its event is still to be told, and so is a newer run.
update job set told_percent = progress, told_status = case
    when last_event_id = 0 then null
    when status in ('completed', 'failed', 'canceled') and end_event_id is null then 'running'
    when status in ('pending', 'running') and told_attempt < attempt then 'pending'
    else status
end;
