-- What a project takes on disk is all that it does: the bytes of `project_use` are those of its files,
-- of its jobs' events, and of the jobs themselves.

-- What the row takes, with its indexes: what clients and workers wrote in it, and about as much again as
-- a row that says nothing.
alter table job add column row_bytes integer generated always as (
    1024 + length(cast(input as blob)) + coalesce(length(cast(result as blob)), 0)
        + coalesce(length(cast(error_message as blob)), 0)
) virtual;

-- A program may have an SQLite that is years old, and its changes fire the triggers and take the defaults
-- that are here. So the time is one that any version can tell. Only texts change, in the way that
-- https://www.sqlite.org/lang_altertable.html (section 7) gives for that; nothing is copied, and what a
-- person has added to these tables stays.
pragma writable_schema = on;
update sqlite_schema set sql = replace(
    sql,
    'cast(unixepoch(''subsec'') * 1000 as integer)',
    'cast(round((julianday(''now'') - 2440587.5) * 86400000) as integer)'
) where instr(sql, 'unixepoch(''subsec'')') > 0;
pragma writable_schema = reset;

-- All that a job takes. A file takes at least a block of the disk beside its row.
create view job_disk as select id, project_id, row_bytes
    + (select coalesce(sum(4096 + bytes), 0) from artifact where job_id = job.id and path is not null)
    + (select coalesce(sum(length(frames) + length(marks)), 0) from event_segment where job_id = job.id)
    as bytes
from job;

insert into project_use (project_id, bytes)
    select project_id, sum(bytes) from (
        select project_id, bytes from job_disk
        union all
        select project_id, 4096 + bytes from upload
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

-- Before: what is of the job and still there goes uncounted, since it finds no job then.
drop trigger project_use_job_gone;
create trigger project_use_job_gone before delete on job
begin
    update project_use set waiting = waiting - (old.status = 'pending'),
        bytes = bytes - (select bytes from job_disk where id = old.id)
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

drop trigger project_use_artifact_new;
create trigger project_use_artifact_new after insert on artifact when new.path is not null
begin
    update project_use set bytes = bytes + 4096 + new.bytes
        where project_id = (select project_id from job where id = new.job_id);
end;

drop trigger project_use_artifact_moved;
create trigger project_use_artifact_moved after update of path, bytes on artifact
    when iif(old.path is null, 0, 4096 + old.bytes) <> iif(new.path is null, 0, 4096 + new.bytes)
begin
    update project_use set bytes = bytes
        + iif(new.path is null, 0, 4096 + new.bytes) - iif(old.path is null, 0, 4096 + old.bytes)
        where project_id = (select project_id from job where id = new.job_id);
end;

drop trigger project_use_artifact_gone;
create trigger project_use_artifact_gone after delete on artifact when old.path is not null
begin
    update project_use set bytes = bytes - 4096 - old.bytes
        where project_id = (select project_id from job where id = old.job_id);
end;

drop trigger project_use_upload_new;
create trigger project_use_upload_new after insert on upload
begin
    insert into project_use (project_id, bytes) values (new.project_id, 4096 + new.bytes)
        on conflict (project_id) do update set bytes = bytes + excluded.bytes;
end;

drop trigger project_use_upload_gone;
create trigger project_use_upload_gone after delete on upload
begin
    update project_use set bytes = bytes - 4096 - old.bytes where project_id = old.project_id;
end;
