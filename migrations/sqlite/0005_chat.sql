-- Conversations of apps, as their pages name them: which job writes the newest answer of each, and
-- whether a page has had all of it.

create table chat (
    -- The app's own id for the conversation.
    chat_id     text not null,
    project_id  text not null,
    -- The job of the newest submit.
    job_id      text not null references job (id),
    -- Of that submit, to tell a repeated one from the next; null where each one makes a job.
    submit_hash text,
    -- When a page was first told the job's end; null until then.
    told_at     integer,
    primary key (chat_id, project_id)
) without rowid;
