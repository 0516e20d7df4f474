//! What stands at the end of each help.

pub(super) const EXAMPLES: &str = "\
Examples:
  tailwater                                          serve on http://127.0.0.1:8080
  tailwater serve --listen 0.0.0.0:80 --data /srv/tailwater
  tailwater submit blog \"The tides\" --voiceover --watch
  tailwater models --mode text-to-video
  tailwater submit image --model bfl/flux-2-pro \"A lighthouse in fog\" --output fog.jpg
  tailwater watch job_06b2… --json | jq .event
  tailwater jobs --status running
  tailwater config                                   every setting and where it comes from

Without a command it serves; `tailwater serve --help` lists the flags.";

pub(super) const USAGE: &str = "tailwater [FLAGS OF SERVE]\n       tailwater <COMMAND>";

pub(super) const SUBMIT_EXAMPLES: &str = "\
Examples:
  tailwater submit blog \"The tides\" --words 400 --tone playful --watch > tides.md
  tailwater submit blog \"Die Gezeiten\" --language German --voiceover --voice nova
  tailwater submit voiceover \"Read this aloud.\" --watch
  fortune | tailwater submit voiceover - --json
  tailwater submit chat \"Why is the sea salty?\" --system \"Answer in one sentence.\" --watch
  tailwater submit video --model wan-2-5-t2v \"A red kite over a grey sea\" --output kite.mp4
  tailwater submit lipsync --model wan-2-2-s2v --input image=@me.png --input audio=@voice.wav --watch";

pub(super) const MEDIA_EXAMPLES: &str = "\
Examples:
  tailwater submit video --model wan-2-5-t2v \"A red kite over a grey sea\" --watch
  tailwater submit video --model kling-i2v \"She smiles\" --input start_image=@portrait.png --input duration=10
  tailwater submit image --model bfl/flux-2-pro \"A lighthouse in fog\" --output fog.jpg
  tailwater submit lipsync --model kling-lipsync --input video_url=@me.mp4 --input text=Hello --watch

`tailwater models` lists the models, `tailwater models SLUG` what one takes. An input that is a list is
given once for each of its items. On standard output: the job's id, or when it is watched the addresses
of its files.";

pub(super) const MODELS_EXAMPLES: &str = "\
Examples:
  tailwater models
  tailwater models --provider replicate --mode image-to-video
  tailwater models veo3_1/text-to-video/fast         its inputs, its price, how to submit it
  tailwater models --json | jq -r '.models[] | select(.simulated | not) | .slug'";

pub(super) const CREDITS_EXAMPLES: &str = "\
Examples:
  tailwater credits                                  what there is and what is held
  tailwater credits ledger --limit 5                 the newest movements
  tailwater credits grant 25 --note \"for the spring campaign\"";

pub(super) const WEBHOOKS_EXAMPLES: &str = "\
Examples:
  tailwater webhooks list --status given_up
  tailwater webhooks replay job_06b2…                what is told of this job
  tailwater webhooks replay --failed --since 2d      what was given up in the last two days";

pub(super) const SIMULATE_EXAMPLES: &str = "\
Examples:
  tailwater simulate                                 on 127.0.0.1:9100 and the seven ports after it
  tailwater simulate --listen 127.0.0.1:0 --speed 10 on free ports, ten times as fast
  curl http://127.0.0.1:9101/_simulator/counts       what arrived at Replicate
  curl -X POST http://127.0.0.1:9102/_simulator/cancel/ID
                                                     fal ends this request itself

Words in square brackets in a prompt make trouble: [fail], [moderated], [aborted], [never], [slow],
[429], [429-bare], [quota], [500], [cut], [cut-poll], [lost-webhook], [forged-webhook],
[twice-webhook], [expired-url], [gone-url]. Any key is taken that does not contain \"wrong\"; Runway's
begins with key_ or is simulated-key.";

pub(super) const KEYS_EXAMPLES: &str = "\
Examples:
  tailwater keys create --scope admin --name me      everything, in every project
  tailwater keys create --scope submit,read --project blog --name 'blog backend'
  tailwater keys create --scope publish --project blog --expires-in 30
  tailwater keys list
  tailwater keys revoke key_06b2…

They are kept in the data folder, as hashes. A server that runs there notices within a second. Once
there is a key, nobody does anything without one: client commands take theirs from
TAILWATER_API_KEY.";

pub(super) const BACKUP_EXAMPLES: &str = "\
Examples:
  tailwater backup /backup/$(date +%F)               database and files
  tailwater backup --no-files /backup/db-$(date +%F)
  cd /backup/2026-11-27 && sha256sum --check --quiet SHA256SUMS

The database is as it is at one moment; a server goes on meanwhile. A backup without manifest.json was
not finished. Keep it as you keep the data folder: it has every job, and the hashes of all keys.";

pub(super) const RESTORE_EXAMPLES: &str = "\
Examples:
  tailwater restore /backup/2026-11-27 --data ./data

The data folder has no database in it, and no server has it. Everything is held against the checksums
before anything is written. What was running is run again; who comes with an id from after the backup is
told of a gap, and no id is given out twice.";

pub(super) const WATCH_EXAMPLES: &str = "\
Examples:
  tailwater watch job_06b2…                          the text as it comes, progress beside it
  tailwater watch job_06b2… > post.md
  tailwater watch 'https://example.org/api/jobs/job_06b2…/stream?ticket=…'
  tailwater watch job_06b2… --output clip.mp4
  tailwater watch job_06b2… --after 4294967338 --json

Ends with 0 when the job completed, with 1 when it failed or was canceled.";

pub(super) const LOADTEST_EXAMPLES: &str = "\
Examples:
  tailwater loadtest fanout                          1 job, 1,000 readers, 100 events a second
  tailwater loadtest fanout --closed                 the next event as soon as one is answered
  tailwater loadtest storm --readers 10000 --html storm.html
  tailwater loadtest tokens --server http://127.0.0.1:8080 --jobs 50 --readers 500
  tailwater loadtest many-jobs --from job.ndjson --speed 4
  tailwater loadtest fanout --adapter limit          what the machine can do at most
  tailwater loadtest idle --server-core 0 --client-core 1 --json -

Ends with 0 when every reader got every event once, in order, whole; with 1 when a check failed.
The report is a table on standard output. The load is plain HTTP/1.1; behind a proxy that adds TLS,
test the server itself.";

pub(super) const RECORD_EXAMPLES: &str = "\
Examples:
  tailwater record job_06b2… > job.ndjson
  tailwater loadtest fanout --from job.ndjson --speed 2";

pub(super) const DOCTOR_EXAMPLES: &str = "\
Examples:
  tailwater doctor                                   what `tailwater serve` would stand on
  tailwater doctor --url https://your.domain         and the path through your proxy
  tailwater doctor --url https://your.domain --server http://127.0.0.1:8080 --idle 30
  TAILWATER_API_KEY=tw_… tailwater doctor --url https://your.domain --json

It takes the flags of `serve`, and looks at the settings as they would be there. With --url it makes jobs
of its own, pushes their events, and reads them through that address; the key needs the scopes submit,
read and publish. Exit code 0: nothing is at fault; 1: something is; 2: it could not begin.";
