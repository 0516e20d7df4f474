-- Credits: who has how many, and every movement of them. Amounts are integer micro-credits, times
-- are UTC milliseconds.
--
-- What must hold is held here and not by whoever writes: each job takes at most one hold, each hold
-- is settled exactly once, when its job ends and however it ends. Refusals are `raise` and not only
-- constraints, since a statement's own `or ignore` or `or replace` also rules the statements of the
-- triggers that it fires (https://www.sqlite.org/lang_createtrigger.html), and would take a
-- constraint's refusal away.

create table account (
    id         text primary key not null,
    -- Sums over the ledger, so that a look at the balance does not read all of it.
    granted    integer not null default 0,
    captured   integer not null default 0,
    held       integer not null default 0,
    -- What new jobs may hold.
    available  integer not null generated always as (granted - captured - held) stored,
    created_at integer not null,
    -- Up to 2^53 - 1, which every reader of JSON has exactly (RFC 7493, section 2.2).
    constraint account_granted check (granted between 0 and 9007199254740991),
    constraint account_captured check (captured >= 0),
    constraint account_held check (held >= 0),
    constraint account_available check (available >= 0)
) strict;

create table ledger (
    id         integer primary key autoincrement,
    account_id text not null references account (id),
    entry      text not null
        constraint ledger_entry check (entry in ('grant', 'hold', 'capture', 'release')),
    -- A capture may be of nothing: what it leaves of its hold is available again.
    amount     integer not null,
    -- Whose hold it is; null for a grant. Not a foreign key: what was paid stays when a job goes.
    job_id     text,
    -- Of a grant: the same one again is not given twice.
    key        text,
    note       text,
    at         integer not null,
    -- What the account had available afterwards; null only while the entry is being booked.
    available  integer,
    constraint ledger_amount check (amount > 0 or (amount = 0 and entry = 'capture')),
    constraint ledger_job check ((entry = 'grant') = (job_id is null)),
    constraint ledger_key check (key is null or entry = 'grant')
) strict;

create unique index ledger_hold on ledger (job_id) where entry = 'hold';
create unique index ledger_settlement on ledger (job_id) where entry in ('capture', 'release');
create unique index ledger_grant_key on ledger (account_id, key) where key is not null;
-- An account's entries, newest first.
create index ledger_account on ledger (account_id, id);
-- Entries that are being booked: one for a moment, else none.
create index ledger_booking on ledger (account_id) where available is null;

create trigger ledger_is_new before insert on ledger
begin
    select case
        -- `or replace` removes a row without asking its triggers.
        when exists (select 1 from ledger where id = new.id)
            then raise(abort, 'the ledger is append-only')
        when new.available is not null
            then raise(abort, 'what is available afterwards is the ledger''s to say')
        when not exists (select 1 from account where id = new.account_id)
            then raise(abort, 'there is no such account')
    end;
end;

create trigger ledger_grants_once before insert on ledger when new.entry = 'grant'
begin
    select case
        when exists (select 1 from ledger where account_id = new.account_id and key = new.key)
            then raise(abort, 'the key of the grant is used')
        when (select granted from account where id = new.account_id)
                > 9007199254740991 - new.amount
            then raise(abort, 'an account cannot be granted more')
    end;
end;

create trigger ledger_holds_once before insert on ledger when new.entry = 'hold'
begin
    select case
        when not exists (
            select 1 from job where id = new.job_id and status in ('pending', 'running')
        )
            then raise(abort, 'only a job that has not ended holds credits')
        when exists (select 1 from ledger where job_id = new.job_id and entry = 'hold')
            then raise(abort, 'the job has had its hold')
        when (select available from account where id = new.account_id) < new.amount
            then raise(abort, 'the account is short of credits')
    end;
end;

create trigger ledger_settles_once before insert on ledger
    when new.entry in ('capture', 'release')
begin
    select case
        when not exists (
            select 1 from ledger
            where job_id = new.job_id and entry = 'hold' and account_id = new.account_id
        )
            then raise(abort, 'nothing is held for the job')
        when exists (
            select 1 from ledger where job_id = new.job_id and entry in ('capture', 'release')
        )
            then raise(abort, 'the job is settled')
        when exists (
            select 1 from job where id = new.job_id and status in ('pending', 'running')
        )
            then raise(abort, 'the job has not ended')
        when (new.entry = 'capture')
                <> exists (select 1 from job where id = new.job_id and status = 'completed')
            then raise(abort, 'a completed job is captured, any other is released')
        when (select amount from ledger where job_id = new.job_id and entry = 'hold') < new.amount
            then raise(abort, 'no more is captured than is held')
        when new.entry = 'release'
                and (select amount from ledger where job_id = new.job_id and entry = 'hold')
                    <> new.amount
            then raise(abort, 'all that is held is released')
    end;
end;

create trigger ledger_moves_account after insert on ledger
begin
    update account set
        granted = granted + iif(new.entry = 'grant', new.amount, 0),
        captured = captured + iif(new.entry = 'capture', new.amount, 0),
        held = held + case new.entry
            when 'grant' then 0
            when 'hold' then new.amount
            else -(select amount from ledger where job_id = new.job_id and entry = 'hold')
        end
    where id = new.account_id;
    update ledger set available = (select available from account where id = new.account_id)
    where id = new.id;
end;

create trigger ledger_is_not_changed before update on ledger when old.available is not null
begin
    select raise(abort, 'the ledger is append-only');
end;

create trigger ledger_is_not_deleted before delete on ledger
begin
    select raise(abort, 'the ledger is append-only');
end;

create trigger account_begins_empty before insert on account
begin
    select case
        when exists (select 1 from account where id = new.id)
            then raise(abort, 'the account is open')
        when (new.granted, new.captured, new.held) <> (0, 0, 0)
            then raise(abort, 'an account moves by its ledger')
    end;
end;

create trigger account_moves_by_ledger before update on account
    when new.id <> old.id
        or not exists (select 1 from ledger where account_id = old.id and available is null)
begin
    select raise(abort, 'an account moves by its ledger');
end;

create trigger account_is_not_deleted before delete on account
begin
    select raise(abort, 'an account stays');
end;

-- The one place where a hold is settled: whoever ends a job (a worker, the watchdog, the next
-- process, a program that only knows the database) settles it in the same transaction.
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
        new.id, cast(unixepoch('subsec') * 1000 as integer)
    from ledger as hold
    where hold.job_id = new.id and hold.entry = 'hold' and not exists (
        select 1 from ledger where job_id = new.id and entry in ('capture', 'release')
    );
end;

-- Nothing here deletes jobs; a person who does so gets back what the job held.
create trigger job_leaves after delete on job
begin
    insert into ledger (account_id, entry, amount, job_id, at)
    select hold.account_id, 'release', hold.amount, old.id,
        cast(unixepoch('subsec') * 1000 as integer)
    from ledger as hold
    where hold.job_id = old.id and hold.entry = 'hold' and not exists (
        select 1 from ledger where job_id = old.id and entry in ('capture', 'release')
    );
end;

-- `or replace` would end a job, or begin it anew, past both triggers above.
create trigger job_is_not_replaced before insert on job
    when exists (select 1 from ledger where job_id = new.id and entry = 'hold')
begin
    select raise(abort, 'credits were held for a job of this id');
end;
