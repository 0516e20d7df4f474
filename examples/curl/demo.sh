#!/usr/bin/env bash
# Submits a job of a worker of its own, works on it, and watches it: Tailwater with curl alone.
#
#   ./demo.sh                  TAILWATER_SERVER names another server, TAILWATER_API_KEY its key
set -euo pipefail

server=${TAILWATER_SERVER:-http://localhost:8080}
call() {
    curl --silent --show-error --fail-with-body \
        ${TAILWATER_API_KEY:+--header "authorization: Bearer $TAILWATER_API_KEY"} "$@"
}

# Submit. The answer comes at once.
answer=$(call "$server/api/jobs" --json '{"kind": "external", "input": {"frames": 3}}')
job=$(sed -E 's/.*"job_id":"([^"]+)".*/\1/' <<< "$answer")
echo "submitted $job"

# Watch, in the background: everything from the beginning, as it comes, until the end.
call --no-buffer "$server/api/jobs/$job/stream" | sed -u 's/^/    /' &

# Work: one request that stays open, one event a line; each line is in front of the readers at once.
# (Not -d @-: that reads everything before it sends anything.)
for frame in 1 2 3; do
    sleep 0.5
    echo '{"type": "frame.rendered", "data": {"frame": '$frame'}, "producer_seq": '$frame'}'
done | call -X POST -T - --header 'content-type: application/x-ndjson' "$server/api/jobs/$job/events"
echo

# The end closes the stream of everybody who watches.
call "$server/api/jobs/$job/events" --json '{"type": "completed", "data": {"frames": 3}, "producer_seq": 4}'
echo
wait

# Whoever comes later gets the same. And as one answer:
call "$server/api/jobs/$job"
echo
