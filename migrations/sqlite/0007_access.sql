-- Who may do what: keys, and the sessions that were opened with them. Times are UTC milliseconds.

create table api_key (
    id           text primary key not null,
    -- SHA-256 of the secret, which is random enough to need no salt. It is kept nowhere.
    hash         blob not null unique,
    -- What people call it.
    name         text not null default '',
    -- Words of the scopes, a space between them.
    scopes       text not null,
    -- The only project that it is for; null for all of them.
    project_id   text,
    -- Of a session, the key that opened it: it may what that may, as long as that may.
    parent_id    text references api_key (id),
    created_at   integer not null,
    -- When it ends by itself.
    expires_at   integer,
    revoked_at   integer,
    last_used_at integer,
    constraint api_key_hash check (length(hash) = 32),
    constraint api_key_session check (parent_id is null or expires_at is not null)
) strict;

create index api_key_parent on api_key (parent_id) where parent_id is not null;
