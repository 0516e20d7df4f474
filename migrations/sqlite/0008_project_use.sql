-- What each project has of what it may have only so much of. Kept by the database itself, whoever
-- writes to it, so that a submit or an upload looks at one row, however many jobs and files there are.
create table project_use (
    project_id text primary key,
    -- Jobs that wait.
    waiting    integer not null default 0,
    -- What its files take in artifact storage, in bytes: uploads, and what jobs have made. Files that
    -- another server keeps take nothing.
    bytes      integer not null default 0
) without rowid;

insert into project_use (project_id, waiting)
    select project_id, sum(status = 'pending') from job group by project_id;
insert into project_use (project_id, bytes)
    select project_id, sum(bytes) from (
        select job.project_id, artifact.bytes from artifact join job on job.id = artifact.job_id
            where artifact.path is not null
        union all
        select project_id, bytes from upload
    ) where true group by project_id
    on conflict (project_id) do update set bytes = excluded.bytes;

create trigger project_use_job_new after insert on job when new.status = 'pending'
begin
    insert into project_use (project_id, waiting) values (new.project_id, 1)
        on conflict (project_id) do update set waiting = waiting + 1;
end;

create trigger project_use_job_moved after update of status, project_id on job
    when old.status <> new.status or old.project_id <> new.project_id
begin
    update project_use set waiting = waiting - 1
        where project_id = old.project_id and old.status = 'pending';
    insert into project_use (project_id, waiting) select new.project_id, 1 where new.status = 'pending'
        on conflict (project_id) do update set waiting = waiting + 1;
end;

create trigger project_use_job_gone after delete on job when old.status = 'pending'
begin
    update project_use set waiting = waiting - 1 where project_id = old.project_id;
end;

create trigger project_use_artifact_new after insert on artifact
    when new.path is not null and new.bytes <> 0
begin
    insert into project_use (project_id, bytes)
        select project_id, new.bytes from job where id = new.job_id
        on conflict (project_id) do update set bytes = bytes + excluded.bytes;
end;

create trigger project_use_artifact_moved after update of path, bytes on artifact
    when iif(old.path is null, 0, old.bytes) <> iif(new.path is null, 0, new.bytes)
begin
    insert into project_use (project_id, bytes)
        select project_id, iif(new.path is null, 0, new.bytes) - iif(old.path is null, 0, old.bytes)
            from job where id = new.job_id
        on conflict (project_id) do update set bytes = bytes + excluded.bytes;
end;

create trigger project_use_artifact_gone after delete on artifact
    when old.path is not null and old.bytes <> 0
begin
    update project_use set bytes = bytes - old.bytes
        where project_id = (select project_id from job where id = old.job_id);
end;

create trigger project_use_upload_new after insert on upload
begin
    insert into project_use (project_id, bytes) values (new.project_id, new.bytes)
        on conflict (project_id) do update set bytes = bytes + excluded.bytes;
end;

create trigger project_use_upload_gone after delete on upload
begin
    update project_use set bytes = bytes - old.bytes where project_id = old.project_id;
end;
