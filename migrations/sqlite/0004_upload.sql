-- Files that clients give us: pictures, videos and sounds that jobs work on.

create table upload (
    id          text primary key,
    project_id  text not null,
    -- What the client called it, for people who download it.
    name        text not null,
    -- What its bytes are, whatever the client said.
    media_type  text not null,
    bytes       integer not null,
    sha256      text not null,
    -- Its place in artifact storage.
    path        text not null,
    -- What could be told of it without decoding it.
    duration_ms integer,
    width       integer,
    height      integer,
    created_at  integer not null
);

-- The oldest first.
create index upload_age on upload (created_at);

-- The same bytes again, which stand in a request, are the same file.
create index upload_same on upload (project_id, sha256);
