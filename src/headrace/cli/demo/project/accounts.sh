#!/bin/sh
# Adds an account for each role of this project, and makes a new key for each of them. A key is shown
# once, here; it is in no file. Run it again for new keys: the old ones hold until they expire.
set -eu

add() {  # NAME, and what `headrace users add` needs to know
    headrace users --json | grep -q "\"name\": \"$1\"" || headrace users add "$@" --service >&2
}

try() {  # NAME, and a request that is its to make
    key=$(headrace keys create "$1" --expires 30d --name demo)
    printf "  curl -H 'Authorization: Bearer %s' 'http://127.0.0.1:8000%s'\n\n" "$key" "$2"
}

add haga --role store_manager --claim store_id=7
add nordic --role franchisee --claim tenant=nordic
add office --role analyst
add mailing --role crm

try haga '/stores/7/revenue?since=2025-12-24&until=2025-12-26'
try nordic '/compare?one=7&other=8'
try office '/cohorts?since=2025-11-01'
try mailing '/customers/5/contact'
