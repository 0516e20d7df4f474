-- What the committed events of a job say of it, apart from what its row says: programs that only know the
-- database write the status and the progress of a row as well, and both are events only a moment later.

-- The newest status that events told readers of; null while they told none.
alter table job add column told_status text;
-- The newest progress of the told attempt, in percent.
alter table job add column told_percent integer not null default 0;

-- As it was restored until here: an end without its event is still to be told, and so is a newer run.
update job set told_percent = cast(progress as integer), told_status = case
    when last_event_id = 0 then null
    when status in ('completed', 'failed', 'canceled') and end_event_id is null then 'running'
    when status in ('pending', 'running') and told_attempt < attempt then 'pending'
    else status
end;
