# shellcheck shell=bash
# For the benchmarks that ask a server: sourced with their arguments. Sets $rounds, $seconds and
# $scratch, a folder that goes away; start_server starts a program that prints its address, and sets
# $server and $url. It ends with the benchmark.
set -euo pipefail
export LC_ALL=C
rounds=${1:-5} seconds=${2:-3}
[[ $rounds$seconds =~ ^[0-9]+$ && $rounds -gt 0 && $seconds -gt 0 ]] ||
    { echo "usage: ${0##*/} [ROUNDS [SECONDS]]" >&2; exit 2; }

scratch=$(mktemp -d)
server=
cleanup() {
    [[ -z $server ]] || kill "$server" 2>/dev/null || true
    wait
    rm -rf "$scratch"
}
trap cleanup EXIT

start_server() { # COMMAND...
    "$@" >"$scratch/server" &
    server=$!
    # shellcheck disable=SC2034 # the benchmark's
    until url=$(grep -oE 'http://[0-9.:]+' "$scratch/server"); do
        kill -0 "$server" || { echo "the server did not start" >&2; exit 1; }
        sleep 0.05
    done
}

# What wrk wrote to a file must be of answers only.
must_be_answered() { # FILE
    if grep -E 'Non-2xx|Socket errors' "$1" >&2 || ! grep -q 'requests in' "$1"; then
        echo "not every request was answered" >&2
        exit 1
    fi
}
