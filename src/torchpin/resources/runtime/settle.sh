#!/bin/sh
# settle: the end of a build step. What the step wrote gets the image's time, SOURCE_DATE_EPOCH (seconds since 1970), and
# what differs from one run to the next is emptied, so that the step's layer does not depend on where and when it ran.
#
#   settle.sh [ROOT [START [created]]]   ROOT is / and START is /run/torchpin, which the engine makes when the step starts:
#                                        what is newer was written by the step
#   created: below ROOT the step has made, replaced and removed files and written into none that was there before. Then only
#   folders are looked at one by one, and files in those that have changed: a third of the work in a large environment
set -eu

if [ "${1:-}" = --folders ]; then # START FOLDER...
    start=$2
    shift 2
    find "$@" -mindepth 1 -maxdepth 1 ! -type d -newer "$start" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    exec touch -d "@$SOURCE_DATE_EPOCH" "$@"
fi

root=${1:-/}
root=${root%/}
start=${2:-/run/torchpin}
mode=${3:-changed}

if [ "$mode" = created ]; then
    rm -f "$root/.lock" # as below
    exec find "$root/" -xdev -type d -newer "$start" -exec sh "$0" --folders "$start" {} +
fi

# Emptied and not removed: what marks a removed file of the base has the time of the build, too.
empty_new() { # FILE...
    for file in "$@"; do
        if [ -s "$file" ] && [ ! -L "$file" ] && [ "$file" -nt "$start" ]; then
            : >"$file"
        fi
    done
}

# caches that hold the times and inodes of other files
empty_new "$root"/var/cache/ldconfig/aux-cache "$root"/var/cache/fontconfig/*.cache-*
# the last but one state of lists, which depends on the order of the installs
empty_new "$root"/var/cache/debconf/*-old "$root"/var/lib/dpkg/*-old
# the id of the machine that runs the image, which is made there
empty_new "$root"/etc/machine-id "$root"/var/lib/dbus/machine-id

# uv's lock of the environment: who only opens it has it in the layer in some image stores, and in others not
rm -f "$root/opt/venv/.lock"

# Mounts are left alone, and so are the three files that the engine mounts.
find "$root/" -xdev \
    \( -path "$root/proc" -o -path "$root/sys" -o -path "$root/dev" -o -path "$root/run" -o -path "$root/tmp" \) -prune \
    -o ! -path "$root/etc/hosts" ! -path "$root/etc/hostname" ! -path "$root/etc/resolv.conf" -newer "$start" \
    -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
