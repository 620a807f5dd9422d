#!/bin/sh
# start: the container's entry point: write the freeze record, print the environment report, run the service.
#
#   TORCHPIN_FREEZE   path of the freeze record, written at each start; unset or empty: no record
#   TORCHPIN_REPORT   packages whose versions the report has, separated by spaces
#   TORCHPIN_SOURCES  checkouts whose commits the report has, separated by colons
#
# The service starts also when the record cannot be written or the report fails.
set -eu

scripts=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

warn() {
    printf 'start: warning: %s\n' "$1" >&2
}

run_script() {
    PYTHONDONTWRITEBYTECODE=1 python "$@"
}

# The bodies of the functions below are subshells, so that their variables are local.

write_freeze() (
    record=$1
    # pods can share a volume, and in containers $$ is often the same, so the name contains the host too
    staging=$record.$(uname -n).$$.tmp
    if [ -d "$record" ]; then
        printf '%s: is a directory\n' "$record" >&2
        exit 1
    fi
    mkdir -p -- "$(dirname -- "$record")" || exit 1
    rm -f -- "$staging" || exit 1
    if run_script "$scripts/probe.py" --freeze >"$staging" && mv -f -- "$staging" "$record"; then
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
    run_script "$scripts/envreport.py" "$@" -- ${TORCHPIN_REPORT:-}
)

# Process 1 has no default action for signals: without the trap the shell would ignore SIGTERM until it is killed.
wait_for_signal() {
    sleeper=
    # shellcheck disable=SC2086 # empty: no sleeper yet
    trap 'kill $sleeper 2>/dev/null || :; exit 0' TERM INT HUP
    echo "start: no command and no terminal; waiting for a signal to stop"
    while :; do
        sleep 86400 &
        sleeper=$!
        wait "$sleeper" || :
    done
}

if [ -n "${TORCHPIN_FREEZE:-}" ]; then
    write_freeze "$TORCHPIN_FREEZE" || warn "the freeze record $TORCHPIN_FREEZE could not be written; continuing without it"
fi
print_report || warn "the environment report failed; continuing without it"

if [ "$#" -gt 0 ]; then
    exec "$@"
fi
if [ -t 0 ]; then
    exec "${SHELL:-/bin/sh}"
fi
wait_for_signal
