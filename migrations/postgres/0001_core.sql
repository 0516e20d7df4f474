-- The schema for Postgres 13 and later: what the migrations of SQLite give together. Times are UTC
-- milliseconds, ids of events are the integers of the stream, amounts are integer micro-credits.
--
-- Texts that are compared by their order or stand in an index are `collate "C"`: they sort by their bytes,
-- as in SQLite, and no update of the system's own sort order breaks an index.
--
-- Many write at once here, under READ COMMITTED. Two things hold all the rest:
--
-- A trigger that must not be overtaken locks a row first and looks afterwards. Each statement of a trigger
-- sees what is committed by then, so behind the lock it sees what the lock's last owner left. (A program that
-- asks for REPEATABLE READ sees what was there when it began. Then an account that has moved meanwhile is
-- refused to it, but it can end a job past a hold or an address that came beside the submit.)
--
-- Rows are locked in one order: a line's turns (`lane_project`), then jobs, then what is of a job or belongs
-- to nobody else, then an account, then its ledger. Triggers keep to it, and what triggers count for a
-- project (`project_use`) waits for nobody. All such locks are `no key update`, as an update's own: none is
-- made stronger later, and a reference to the row does not wait for it.

-- The time, as it passes within a transaction too.
create function now_ms() returns bigint language sql volatile parallel safe
    as $$ select (extract(epoch from clock_timestamp()) * 1000)::bigint $$;

-- What SQLite has under these names, so that a statement is the same text in both: the larger and the smaller
-- of two, null where one is null (`greatest` and `least` pass over it), and the texts of a JSON array.
create function max(a bigint, b bigint) returns bigint language sql immutable parallel safe
    as $$ select case when a >= b then a when a < b then b end $$;
create function min(a bigint, b bigint) returns bigint language sql immutable parallel safe
    as $$ select case when a <= b then a when a > b then b end $$;
create function json_each(list text) returns table (value text) language sql immutable parallel safe
    as $$ select element.value from json_array_elements_text(list::json) as element (value) $$;

-- Refuses what a trigger stands for, in the words that the trigger gives.
create function refuse() returns trigger language plpgsql as $$
begin
    raise exception '%', tg_argv[0] using errcode = 'integrity_constraint_violation';
end
$$;

-- One row for each life of the event log. A cursor is valid when its epoch is here and it is not
-- above that epoch's last committed id: so events that a crash took are recognised.
create table epoch (
    epoch      bigint primary key,
    started_at bigint not null,
    -- Raised by every journal commit; what is above it in this epoch never became durable.
    last_id    bigint not null,
    -- Which commit of the journal's was the newest: a connection that is lost in a commit does not say
    -- whether it happened.
    newest_commit bigint
);

create table job (
    id               text collate "C" primary key,
    kind             text collate "C" not null,
    status           text collate "C" not null default 'pending'
        constraint job_status check (status in ('pending', 'running', 'completed', 'failed', 'canceled')),
    project_id       text collate "C" not null default 'default',
    -- Which run this is; the fence of a worker that lost its job.
    attempt          bigint not null default 0,
    -- The attempt that the newest committed `status` event told readers of.
    told_attempt     bigint not null default 0,
    -- Runs that a dead process took with it; a drain does not count.
    failures         bigint not null default 0,
    -- In which line it waits, and whose permits bound it: a provider, or a model that has permits of its own;
    -- null for a job that this server does not run.
    lane             text collate "C",
    priority         bigint not null default 0,
    -- The life of the server that runs it; null when nobody does.
    epoch            bigint,
    input            text not null default '{}',
    -- A client's own key: the same submit again gets the same job.
    idempotency_key  text collate "C",
    -- Of the submit, to tell a repeated one from another one under the same key.
    request_hash     text collate "C",
    -- Of project, kind and input: an identical task in flight is not queued twice.
    duplicate_key    text collate "C",
    progress         bigint not null default 0
        constraint job_progress check (progress between 0 and 100),
    stage            text not null default '',
    message          text,
    result           text,
    error_code       text,
    error_message    text,
    error_retryable  boolean not null default false,
    cancel_reason    text,
    retry_of         text collate "C",
    silence_limit_ms bigint,
    file_id          text collate "C",
    created_at       bigint not null default now_ms(),
    updated_at       bigint not null default now_ms(),
    started_at       bigint,
    ended_at         bigint,
    last_event_id    bigint not null default 0,
    -- Null while a terminal status has no committed terminal event.
    end_event_id     bigint,
    -- Events up to here were given up by retention.
    trimmed_through  bigint not null default 0,
    -- The model of the catalog that makes it, by its slug; null for kinds that need none.
    model            text collate "C",
    -- What the job costs at most, in micro-credits; held from submit to the end.
    hold             bigint not null default 0,
    -- What it did cost, in micro-credits; null when that is all that was held.
    cost             bigint,
    -- When it is a job's turn in its line, among jobs of its priority. Each project's jobs follow each
    -- other by one, from the turn that is being served: so a project with one job comes next, however
    -- many another one has.
    turn             bigint not null default 0,
    -- What the row takes, with its indexes: what clients and workers wrote in it, and about as much again as
    -- a row that says nothing. A text's length is told without reading the text.
    row_bytes        bigint not null generated always as (
        1024 + octet_length(input) + coalesce(octet_length(result), 0)
            + coalesce(octet_length(error_message), 0)
    ) stored
);

create unique index job_idempotency on job (project_id, idempotency_key)
    where idempotency_key is not null;
create unique index job_duplicate on job (duplicate_key)
    where duplicate_key is not null and status in ('pending', 'running');
-- The next job to claim: priority, then turn, then age.
create index job_queue on job (lane, priority desc, turn, id) where status = 'pending';
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

-- A worker that only knows the database shows by any change that it is alive. The row is locked by its
-- update, so nobody else's is in between.
create function job_touched() returns trigger language plpgsql as $$
begin
    new.updated_at := max(new.updated_at + 1, now_ms());
    return new;
end
$$;
create trigger job_touched before update of progress, stage, message on job for each row
    when (new.updated_at = old.updated_at and new.status = 'running')
    execute function job_touched();

-- A file that a job makes. A worker that only knows the database inserts a row with a place
-- (`path` in artifact storage, or `url`) and the reconciler announces it.
create table artifact (
    id             text collate "C" primary key,
    job_id         text collate "C" not null references job (id),
    -- The run that made the file; a newer run's file takes the row over.
    attempt        bigint not null default 0,
    kind           text not null default 'file',
    media_type     text not null default 'application/octet-stream',
    name           text not null default '',
    path           text,
    url            text,
    bytes          bigint not null default 0,
    duration_ms    bigint,
    sha256         text,
    voice          text,
    -- 'reserved' from submit until the file is stored.
    status         text collate "C" not null default 'ready'
        constraint artifact_status check (status in ('reserved', 'ready')),
    created_at     bigint not null default now_ms(),
    -- The events that announced it; null while it is not announced.
    ready_event_id bigint,
    tts_event_id   bigint,
    width          bigint,
    height         bigint
);

create index artifact_job on artifact (job_id);

-- Many events of one job in a row, so that a token stream does not cost a row per token.
create table event_segment (
    job_id   text collate "C" not null references job (id),
    first_id bigint not null,
    last_id  bigint not null,
    -- The events as they go on the wire, one after the other.
    frames   bytea not null,
    -- Per event 20 bytes, big-endian: id (8), at (8), length of the frame (4).
    marks    bytea not null,
    primary key (job_id, first_id)
);

-- The last `producer_seq` of each producer, so that a blind retry is harmless.
create table producer (
    job_id   text collate "C" not null references job (id),
    producer text collate "C" not null,
    seq      bigint not null,
    primary key (job_id, producer)
);

-- How far each line is, for each priority: the highest turn that was taken from it. A turn says
-- nothing about jobs of another priority: the last job of a long batch, served before the others
-- since it is urgent, would move everybody who comes now behind that batch.
create table lane (
    lane     text collate "C" not null,
    priority bigint not null,
    turn     bigint not null,
    primary key (lane, priority)
);

-- The turn of each project's newest job of a priority in each line.
create table lane_project (
    lane       text collate "C" not null,
    project_id text collate "C" not null,
    priority   bigint not null,
    turn       bigint not null,
    primary key (lane, project_id, priority)
);

-- What was started at a provider for a job. The row is there before the request leaves, so that
-- after a crash nothing is started twice.
create table operation (
    job_id      text collate "C" primary key references job (id),
    -- The run that meant to start it.
    attempt     bigint not null,
    provider    text collate "C" not null,
    -- A secret in the address that the provider calls back.
    token       text not null,
    -- The provider's handle, as JSON; null from the intent to the provider's answer.
    handle      text,
    intended_at bigint not null,
    started_at  bigint,
    -- When nothing was left to be done at the provider: it ended the work, or was told to.
    closed_at   bigint
);

create index operation_open on operation (job_id) where closed_at is null;

-- Files that clients give us: pictures, videos and sounds that jobs work on.
create table upload (
    id          text collate "C" primary key,
    project_id  text collate "C" not null,
    -- What the client called it, for people who download it.
    name        text not null,
    -- What its bytes are, whatever the client said.
    media_type  text not null,
    bytes       bigint not null,
    sha256      text collate "C" not null,
    -- Its place in artifact storage.
    path        text not null,
    -- What could be told of it without decoding it.
    duration_ms bigint,
    width       bigint,
    height      bigint,
    created_at  bigint not null
);

-- The oldest first.
create index upload_age on upload (created_at);

-- The same bytes again, which stand in a request, are the same file.
create index upload_same on upload (project_id, sha256);

-- Conversations of apps, as their pages name them: which job writes the newest answer of each, and
-- whether a page has had all of it.
create table chat (
    -- The app's own id for the conversation.
    chat_id     text collate "C" not null,
    project_id  text collate "C" not null,
    -- The job of the newest submit.
    job_id      text collate "C" not null references job (id),
    -- Of that submit, to tell a repeated one from the next; null where each one makes a job.
    submit_hash text collate "C",
    -- When a page was first told the job's end; null until then.
    told_at     bigint,
    primary key (chat_id, project_id)
);

-- Who may do what: keys, and the sessions that were opened with them.
create table api_key (
    id           text collate "C" primary key,
    -- Which is older.
    rowid        bigint not null generated always as identity,
    -- SHA-256 of the secret, which is random enough to need no salt. It is kept nowhere.
    hash         bytea not null unique,
    -- What people call it.
    name         text not null default '',
    -- Words of the scopes, a space between them.
    scopes       text not null,
    -- The only project that it is for; null for all of them.
    project_id   text collate "C",
    -- Of a session, the key that opened it: it may what that may, as long as that may.
    parent_id    text collate "C" references api_key (id),
    created_at   bigint not null,
    -- When it ends by itself.
    expires_at   bigint,
    revoked_at   bigint,
    last_used_at bigint,
    constraint api_key_hash check (length(hash) = 32),
    constraint api_key_session check (parent_id is null or expires_at is not null)
);

create index api_key_parent on api_key (parent_id) where parent_id is not null;

-- Credits: who has how many, and every movement of them.
--
-- What must hold is held here and not by whoever writes: each job takes at most one hold, each hold
-- is settled exactly once, when its job ends and however it ends.

create table account (
    id         text collate "C" primary key,
    -- Sums over the ledger, so that a look at the balance does not read all of it.
    granted    bigint not null default 0,
    captured   bigint not null default 0,
    held       bigint not null default 0,
    -- What new jobs may hold.
    available  bigint not null generated always as (granted - captured - held) stored,
    created_at bigint not null,
    -- Up to 2^53 - 1, which every reader of JSON has exactly (RFC 7493, section 2.2).
    constraint account_granted check (granted between 0 and 9007199254740991),
    constraint account_captured check (captured >= 0),
    constraint account_held check (held >= 0),
    constraint account_available check (available >= 0)
);

create table ledger (
    -- Given by `ledger_is_new`, behind the lock: a sequence as the default would be asked before it, and an
    -- account's entries would not be in the order in which they moved it.
    id         bigint primary key,
    account_id text collate "C" not null references account (id),
    entry      text collate "C" not null
        constraint ledger_entry check (entry in ('grant', 'hold', 'capture', 'release')),
    -- A capture may be of nothing: what it leaves of its hold is available again.
    amount     bigint not null,
    -- Whose hold it is; null for a grant. Not a foreign key: what was paid stays when a job goes.
    job_id     text collate "C",
    -- Of a grant: the same one again is not given twice.
    key        text collate "C",
    note       text,
    at         bigint not null,
    -- What the account had available afterwards.
    available  bigint not null,
    constraint ledger_amount check (amount > 0 or (amount = 0 and entry = 'capture')),
    constraint ledger_job check ((entry = 'grant') = (job_id is null)),
    constraint ledger_key check (key is null or entry = 'grant')
);

create sequence ledger_id_seq owned by ledger.id;

create unique index ledger_hold on ledger (job_id) where entry = 'hold';
create unique index ledger_settlement on ledger (job_id) where entry in ('capture', 'release');
create unique index ledger_grant_key on ledger (account_id, key) where key is not null;
-- An account's entries, newest first.
create index ledger_account on ledger (account_id, id);

-- Says whether an entry may be, moves the account, and gives the entry its place and what is available
-- afterwards: all before the entry is there, so that it is written once and never again. (In SQLite, where no
-- trigger changes what is inserted, an entry is booked after it is written, and `ledger_booking` finds it.)
-- One trigger and not four, since Postgres fires them by their names, and the locks come first.
--
-- Behind the lock on its job nobody ends, deletes or holds for that job until this is committed: so a hold is
-- not taken beside an end that does not see it, and there is one. Behind the lock on its account nobody else
-- has it moved: two holds do not both pass for what is left, a key is not used twice, a hold is not settled
-- twice (both would be of the hold's account), and entries have their order. So no unique index finds
-- anything any more once this has let an entry pass, and `on conflict do nothing` leaves no account moved
-- without its entry.
create function ledger_is_new() returns trigger language plpgsql as $$
declare
    refusal text;
    job_now text;
    had record;
    has_account boolean;
    hold_of_job bigint;
begin
    select status into job_now from job where id = new.job_id for no key update;
    select granted, available into had from account where id = new.account_id for no key update;
    has_account := found;

    if new.entry = 'grant' then
        refusal := case
            when exists (select 1 from ledger where account_id = new.account_id and key = new.key)
                then 'the key of the grant is used'
            when had.granted > 9007199254740991 - new.amount
                then 'an account cannot be granted more'
        end;
    elsif new.entry = 'hold' then
        refusal := case
            when job_now is null or job_now not in ('pending', 'running')
                then 'only a job that has not ended holds credits'
            when exists (select 1 from ledger where job_id = new.job_id and entry = 'hold')
                then 'the job has had its hold'
            when had.available < new.amount
                then 'the account is short of credits'
        end;
    elsif new.entry in ('capture', 'release') then
        select amount into hold_of_job from ledger
            where job_id = new.job_id and entry = 'hold' and account_id = new.account_id;
        refusal := case
            when hold_of_job is null
                then 'nothing is held for the job'
            when exists (
                select 1 from ledger where job_id = new.job_id and entry in ('capture', 'release')
            )
                then 'the job is settled'
            when job_now in ('pending', 'running')
                then 'the job has not ended'
            when (new.entry = 'capture') <> (job_now is not null and job_now = 'completed')
                then 'a completed job is captured, any other is released'
            when hold_of_job < new.amount
                then 'no more is captured than is held'
            when new.entry = 'release' and hold_of_job <> new.amount
                then 'all that is held is released'
        end;
    end if;
    refusal := coalesce(refusal, case
        when exists (select 1 from ledger where id = new.id)
            then 'the ledger is append-only'
        when new.id is not null
            then 'the ledger gives its entries their places'
        when new.available is not null
            then 'what is available afterwards is the ledger''s to say'
        when not has_account
            then 'there is no such account'
    end);
    if refusal is not null then
        raise exception '%', refusal using errcode = 'integrity_constraint_violation';
    end if;

    update account set
        granted = granted + case new.entry when 'grant' then new.amount else 0 end,
        captured = captured + case new.entry when 'capture' then new.amount else 0 end,
        held = held + case new.entry
            when 'hold' then new.amount
            when 'capture' then -hold_of_job
            when 'release' then -hold_of_job
            else 0
        end
    where id = new.account_id
    returning available into new.available;
    new.id := nextval('ledger_id_seq');
    return new;
end
$$;
create trigger ledger_is_new before insert on ledger for each row execute function ledger_is_new();

create trigger ledger_is_not_changed before update on ledger for each row
    execute function refuse('the ledger is append-only');
create trigger ledger_is_not_deleted before delete on ledger for each row
    execute function refuse('the ledger is append-only');
create trigger ledger_is_not_emptied before truncate on ledger
    execute function refuse('the ledger is append-only');

-- Two who open the same account at once do not see each other here; the second of them waits at the primary
-- key, and is refused there.
create function account_begins_empty() returns trigger language plpgsql as $$
declare
    refusal text := case
        when exists (select 1 from account where id = new.id)
            then 'the account is open'
        when (new.granted, new.captured, new.held) <> (0, 0, 0)
            then 'an account moves by its ledger'
    end;
begin
    if refusal is not null then
        raise exception '%', refusal using errcode = 'integrity_constraint_violation';
    end if;
    return new;
end
$$;
create trigger account_begins_empty before insert on account for each row
    execute function account_begins_empty();

-- The ledger's own update comes from a trigger, anybody else's does not.
create trigger account_moves_by_ledger before update on account for each row
    when (pg_trigger_depth() = 0 or new.id <> old.id)
    execute function refuse('an account moves by its ledger');
create trigger account_is_not_deleted before delete on account for each row
    execute function refuse('an account stays');
create trigger account_is_not_emptied before truncate on account
    execute function refuse('an account stays');

-- The one place where a hold is settled: whoever ends a job (a worker, the watchdog, the next
-- process, a program that only knows the database) settles it in the same transaction. The end has locked the
-- job: of two who end it the second comes here when the first is committed, and finds it settled; and a hold
-- is there, or is refused, since it locks the job too.
create function job_settles() returns trigger language plpgsql as $$
begin
    insert into ledger (account_id, entry, amount, job_id, at)
    select hold.account_id,
        case when new.status = 'completed' then 'capture' else 'release' end,
        -- Nothing that a program writes as the cost keeps the job from ending.
        case when new.status = 'completed'
            then max(0, min(hold.amount, coalesce(new.cost, hold.amount)))
            else hold.amount
        end,
        new.id, now_ms()
    from ledger as hold
    where hold.job_id = new.id and hold.entry = 'hold' and not exists (
        select 1 from ledger where job_id = new.id and entry in ('capture', 'release')
    );
    return null;
end
$$;
create trigger job_settles after update of status on job for each row
    when (new.status in ('completed', 'failed', 'canceled'))
    execute function job_settles();

-- Nothing here deletes jobs; a person who does so gets back what the job held.
create function job_leaves() returns trigger language plpgsql as $$
begin
    insert into ledger (account_id, entry, amount, job_id, at)
    select hold.account_id, 'release', hold.amount, old.id, now_ms()
    from ledger as hold
    where hold.job_id = old.id and hold.entry = 'hold' and not exists (
        select 1 from ledger where job_id = old.id and entry in ('capture', 'release')
    );
    return null;
end
$$;
create trigger job_leaves after delete on job for each row execute function job_leaves();

-- There is no `job_is_not_replaced`: Postgres has no `insert or replace`, the primary key refuses an id that is
-- there, and `on conflict do update` is an update, which fires what ends fire. An id that comes again when
-- its job was deleted finds its hold settled, and is refused another one.

-- Webhooks: who wants to be told how jobs end, and who was told.

-- Whom to tell of one job, besides whom to tell of all. Several where an identical task was asked
-- for more than once while it was in flight.
create table webhook_target (
    job_id text collate "C" not null references job (id),
    url    text collate "C" not null,
    primary key (job_id, url)
);

-- Whom to tell of all jobs: what the server was last started with, so that an end that is written
-- while no server runs is told as well. One row or none.
create table webhook_for_all (
    url text collate "C" primary key
);

-- The outbox: one row for each end and each address that is to hear of it.
create table webhook (
    id           bigint generated by default as identity primary key,
    job_id       text collate "C" not null references job (id),
    url          text collate "C" not null,
    -- Scheme, host and port: what is healthy or not. The first slash behind the host ends it.
    endpoint     text collate "C" not null generated always as
        (substr(url, 1, strpos(substr(url, 9) || '/', '/') + 7)) stored,
    status       text collate "C" not null default 'pending'
        constraint webhook_status check (status in ('pending', 'delivered', 'given_up')),
    -- How often it was tried in all.
    attempts     bigint not null default 0,
    -- How often since it was begun: which delay is next.
    step         bigint not null default 0,
    -- When it was begun, the last time that it was.
    begun_at     bigint not null,
    -- When it is tried next; null once it is over.
    next_at      bigint,
    attempted_at bigint,
    -- What the newest attempt was answered with, and what was wrong with that; null where there
    -- was no answer, or nothing was wrong.
    last_status  bigint,
    last_error   text,
    created_at   bigint not null,
    ended_at     bigint,
    constraint webhook_next check ((status = 'pending') = (next_at is not null)),
    constraint webhook_end check ((status = 'pending') = (ended_at is null))
);

create unique index webhook_once on webhook (job_id, url);
create index webhook_due on webhook (next_at, endpoint) where status = 'pending';
create index webhook_waiting on webhook (endpoint, begun_at) where status = 'pending';
-- Lists, newest first.
create index webhook_of_status on webhook (status, id);
-- What retention may give up.
create index webhook_over on webhook (ended_at) where ended_at is not null;

-- The one place where the outbox is filled: whoever ends a job (a worker, the watchdog, the next
-- process, a program that only knows the database) does it in the same transaction. The end has locked the
-- job, so that it is told once.
create function job_is_told() returns trigger language plpgsql as $$
begin
    insert into webhook (job_id, url, begun_at, created_at, next_at)
    select new.id, target.url, now.ms, now.ms,
        -- A program that does not say when the job ended may add its last file a moment later.
        now.ms + case when new.ended_at is null then 500 else 0 end
    from (
        select url from webhook_target where job_id = new.id
        union
        select url from webhook_for_all
    ) as target, (select now_ms() as ms) as now
    where not exists (select 1 from webhook where job_id = new.id and url = target.url)
    order by target.url;
    return null;
end
$$;
create trigger job_is_told after update of status on job for each row
    when (new.status in ('completed', 'failed', 'canceled') and old.status in ('pending', 'running'))
    execute function job_is_told();

-- Who asks to be told while somebody else ends the job is not seen by that end, and would never hear of it:
-- the lock waits for the end, and it is told from here. (In SQLite an end is before or after, and whoever
-- submits the same task after it gets a job of its own.)
create function webhook_target_is_late() returns trigger language plpgsql as $$
begin
    perform 1 from job where id = new.job_id for no key update;
    insert into webhook (job_id, url, begun_at, created_at, next_at)
    select id, new.url, now.ms, now.ms, now.ms
    from job, (select now_ms() as ms) as now
    where id = new.job_id and status in ('completed', 'failed', 'canceled')
        and not exists (select 1 from webhook where job_id = new.job_id and url = new.url);
    return null;
end
$$;
create trigger webhook_target_is_late after insert on webhook_target for each row
    execute function webhook_target_is_late();

-- What each project has of what it may have only so much of. Kept by the database itself, whoever
-- writes to it, so that a submit or an upload looks at few rows, however many jobs and files there are.
--
-- A project has several rows, each a part of the sum and perhaps below zero: about as many as have ever
-- written for it at the same time. With one row, whoever writes for a project would hold up everybody else
-- who does until that is committed; and two who write for the same two projects in different order would wait
-- for each other for ever.
create table project_use_part (
    project_id text collate "C" not null,
    part       bigint not null generated always as identity,
    waiting    bigint not null,
    bytes      bigint not null,
    primary key (project_id, part)
);

create view project_use as select
    project_id,
    -- Jobs that wait.
    cast(sum(waiting) as bigint) as waiting,
    -- What it takes on disk, in bytes: uploads and what jobs have made, the jobs' events, and the jobs. Files
    -- that another server keeps take nothing.
    cast(sum(bytes) as bigint) as bytes
from project_use_part group by project_id;

-- Adds to a part that nobody else is adding to, a new one where there is none.
create function project_use_add(project text, more_waiting bigint, more_bytes bigint) returns void
    language plpgsql as $$
begin
    update project_use_part set waiting = waiting + more_waiting, bytes = bytes + more_bytes
        where project_id = project and part = (
            select part from project_use_part where project_id = project
            order by part limit 1 for no key update skip locked
        );
    if not found then
        insert into project_use_part (project_id, waiting, bytes)
            values (project, more_waiting, more_bytes);
    end if;
end
$$;

-- All that a job takes.
create view job_disk as select id, project_id, cast(
    row_bytes
    + (select coalesce(sum(4096 + bytes), 0) from artifact where job_id = job.id and path is not null)
    + (select coalesce(sum(length(frames) + length(marks)), 0) from event_segment where job_id = job.id)
    as bigint) as bytes
from job;

-- The row of the job is locked by what fires these, so that what was there before is what was counted.

create function project_use_job_new() returns trigger language plpgsql as $$
begin
    perform project_use_add(new.project_id, (new.status = 'pending')::int, new.row_bytes);
    return null;
end
$$;
create trigger project_use_job_new after insert on job for each row
    execute function project_use_job_new();

create function project_use_job_status() returns trigger language plpgsql as $$
begin
    perform project_use_add(
        old.project_id, (new.status = 'pending')::int - (old.status = 'pending')::int, 0);
    return null;
end
$$;
create trigger project_use_job_status after update of status on job for each row
    when ((old.status = 'pending') <> (new.status = 'pending'))
    execute function project_use_job_status();

-- A job takes its files and events with it. All that adds to these locks the job first, so what is not seen
-- here is added to the project that the job has now.
create function project_use_job_moved() returns trigger language plpgsql as $$
declare
    takes bigint := (select bytes from job_disk where id = new.id);
begin
    perform project_use_add(old.project_id, -(new.status = 'pending')::int, -takes);
    perform project_use_add(new.project_id, (new.status = 'pending')::int, takes);
    return null;
end
$$;
create trigger project_use_job_moved after update of project_id on job for each row
    when (old.project_id <> new.project_id)
    execute function project_use_job_moved();

create function project_use_job_said() returns trigger language plpgsql as $$
begin
    perform project_use_add(old.project_id, 0, new.row_bytes - old.row_bytes);
    return null;
end
$$;
create trigger project_use_job_said after update of input, result, error_message on job for each row
    when (old.row_bytes <> new.row_bytes)
    execute function project_use_job_said();

create function project_use_job_gone() returns trigger language plpgsql as $$
begin
    perform project_use_add(old.project_id, -(old.status = 'pending')::int, -old.row_bytes);
    return null;
end
$$;
create trigger project_use_job_gone after delete on job for each row
    execute function project_use_job_gone();

-- Events come and go many at once, so they are counted once a statement: the jobs are looked up one by one
-- (the limit keeps that so, whatever is thought of the table's size), locked in the order of their ids, and
-- each project is added to once.
create function project_use_events() returns trigger language plpgsql as $$
declare
    sign int := case tg_op when 'INSERT' then 1 else -1 end;
    part record;
begin
    for part in
        select job.project_id, cast(sum(of_job.bytes) as bigint) as bytes
        from (
            select job_id, sum(length(frames) + length(marks)) as bytes
            from moved group by job_id order by job_id
        ) as of_job, lateral (
            select project_id from job where id = of_job.job_id limit 1 for no key update
        ) as job
        group by job.project_id
    loop
        perform project_use_add(part.project_id, 0, sign * part.bytes);
    end loop;
    return null;
end
$$;
create trigger project_use_events_new after insert on event_segment referencing new table as moved
    for each statement execute function project_use_events();
create trigger project_use_events_gone after delete on event_segment referencing old table as moved
    for each statement execute function project_use_events();

-- What an artifact took and takes; a row that is not there takes nothing.
create function project_use_artifact() returns trigger language plpgsql as $$
declare
    of_job text := coalesce(new.job_id, old.job_id);
    more bigint := case when new.path is null then 0 else 4096 + new.bytes end
        - case when old.path is null then 0 else 4096 + old.bytes end;
    project text;
begin
    select project_id into project from job where id = of_job for no key update;
    if found then
        perform project_use_add(project, 0, more);
    end if;
    return null;
end
$$;
create trigger project_use_artifact_new after insert on artifact for each row
    when (new.path is not null)
    execute function project_use_artifact();
create trigger project_use_artifact_moved after update of path, bytes on artifact for each row
    when (case when old.path is null then 0 else 4096 + old.bytes end
        <> case when new.path is null then 0 else 4096 + new.bytes end)
    execute function project_use_artifact();
create trigger project_use_artifact_gone after delete on artifact for each row
    when (old.path is not null)
    execute function project_use_artifact();

create function project_use_upload() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        perform project_use_add(new.project_id, 0, 4096 + new.bytes);
    else
        perform project_use_add(old.project_id, 0, -4096 - old.bytes);
    end if;
    return null;
end
$$;
create trigger project_use_upload_new after insert on upload for each row
    execute function project_use_upload();
create trigger project_use_upload_gone after delete on upload for each row
    execute function project_use_upload();

-- `truncate` says of no row that it goes: holds would stay open, and projects would keep what they took.
create trigger job_is_not_emptied before truncate on job
    execute function refuse('rows are deleted, not truncated');
create trigger event_segment_is_not_emptied before truncate on event_segment
    execute function refuse('rows are deleted, not truncated');
create trigger artifact_is_not_emptied before truncate on artifact
    execute function refuse('rows are deleted, not truncated');
create trigger upload_is_not_emptied before truncate on upload
    execute function refuse('rows are deleted, not truncated');
