#!/bin/sh
# start: the container's entry point: the freeze record, the environment report, then the service.
#
#   TORCHPIN_FREEZE   where the freeze record goes at each start; unset or empty: nowhere
#   TORCHPIN_REPORT   packages whose versions the report tells, separated by spaces
#   TORCHPIN_SOURCES  checkouts whose commits the report tells, separated by colons
#
# Neither a record that cannot be written nor a report that fails keeps the service from starting.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

warn() {
    printf 'start: warning: %s\n' "$1" >&2
}

scripted() {
    PYTHONDONTWRITEBYTECODE=1 python "$@"
}

# The functions below have a subshell for a body: what they set ends with them.

write_freeze() (
    record=$1
    # pods can share a volume, and in containers $$ is often the same: the staging name tells the machine
    staging=$record.$(uname -n).$$.tmp
    if [ -d "$record" ]; then
        printf '%s: is a directory\n' "$record" >&2
        exit 1
    fi
    mkdir -p -- "$(dirname -- "$record")" || exit 1
    rm -f -- "$staging" || exit 1
    if scripted "$here/probe.py" --freeze >"$staging" && mv -f -- "$staging" "$record"; then
        exit 0
    fi
    rm -f -- "$staging" 2>/dev/null
    exit 1
)

print_report() (
    set -f
    set --
    IFS=:
    for checkout in ${TORCHPIN_SOURCES:-}; do
        [ -z "$checkout" ] || set -- "$@" "--source=$checkout"
    done
    unset IFS
    # shellcheck disable=SC2086 # split on purpose
    scripted "$here/envreport.py" "$@" -- ${TORCHPIN_REPORT:-}
)

# A shell that is process 1 has no default for signals and `sleep` no handler: without the trap both would
# ignore SIGTERM until they are killed.
stay() {
    sleeper=
    # shellcheck disable=SC2086 # empty: no sleeper yet
    trap 'kill $sleeper 2>/dev/null || :; exit 0' TERM INT HUP
    echo "start: nothing was asked to run and no terminal is attached; staying up until stopped"
    while :; do
        sleep 86400 &
        sleeper=$!
        wait "$sleeper" || :
    done
}

if [ -n "${TORCHPIN_FREEZE:-}" ]; then
    write_freeze "$TORCHPIN_FREEZE" || warn "no freeze record at $TORCHPIN_FREEZE; going on without it"
fi
print_report || warn "the environment report failed; going on without it"

if [ "$#" -gt 0 ]; then
    exec "$@"
fi
if [ -t 0 ]; then
    exec "${SHELL:-/bin/sh}"
fi
stay
