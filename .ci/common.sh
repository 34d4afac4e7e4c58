#!/usr/bin/env bash
# Sourced by the parts of .ci/run. A part that cannot be had on this machine ends with exit code 77.
set -euo pipefail

skip() {
    echo "SKIPPED: $*"
    exit 77
}

# Installs the Debian packages that are missing.
need_packages() {
    local missing=() name
    command -v dpkg-query >/dev/null || skip "no Debian package system to look for $* in"
    for name; do
        dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q "ok installed" || missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" -eq 0 ] || skip "not root, and these packages are missing: ${missing[*]}"
    echo "installing ${missing[*]}"
    apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null || skip "apt-get cannot install ${missing[*]}"
}

# Command line that must run tests: neither a failure nor a run in which everything was skipped will do.
must_pass() {
    local log
    log=$(mktemp)
    "$@" 2>&1 | tee "$log"
    grep -Eq '[0-9]+ passed' "$log" || { echo "no test was run by: $*"; exit 1; }
    rm -f "$log"
}
