#!/bin/sh
# ferry profile, and what recommend takes beside a history: sh test_cli_profile.sh FERRY SOURCE_DIR
set -u
ferry=$1
golden=$2/native-tests/golden
. "$2/native-tests/expect.sh"
unset FERRY_PASSPHRASE
shop=$golden/model/shop
pass="--passphrase-file $golden/profile/passphrase"
locked=$golden/profile/locked.ferry
plain=$golden/profile/plain.json

# ---- wrong options ----
expect 0 "Usage: ferry profile export" "$ferry" profile --help
expect 2 "ferry profile: " "$ferry" profile --wrong
expect 2 "export, show or forget" "$ferry" profile
expect 2 '"open": expected export, show or forget' "$ferry" profile open
expect 2 'unexpected word "x"' "$ferry" profile show x
expect 2 "export: --catalog is missing" "$ferry" profile export --history x --out y
expect 2 "export: --out is missing" "$ferry" profile export --catalog z --history x
expect 2 "show: --profile is missing" "$ferry" profile show
expect 2 "show takes no --item" "$ferry" profile show --profile x --item y
expect 2 "forget: --item is missing" "$ferry" profile forget --profile x --catalog y
expect 2 "export takes no --profile" "$ferry" profile export --profile x --catalog z --history x --out y

# ---- plain profiles ----
sed -n 's/^{"domain"/{"domain"/; s/,$//; /^{"domain"/p' "$plain" >"$work/events.jsonl"
echo '{"item":"gone","behavior":"view"}' >>"$work/events.jsonl"
export="$ferry profile export --catalog $shop --history $work/events.jsonl"
expect 0 "events.jsonl:6: left out" $export --plain --out "$work/plain.json"
expect 0 "5 events in $work/plain.json" $export --plain --out "$work/plain.json"
expect 0 "" cmp "$work/plain.json" "$plain"
expect 1 "events.jsonl:6" $export --plain --strict --out "$work/strict.json"
expect 1 "/no/such/place" $export --plain --out /no/such/place
expect 0 "-rw-------" ls -l "$work/plain.json"
expect 0 '"item":"b12"' $export --plain --out -
expect 0 '"item":"b12"' "$ferry" profile show --profile "$plain"
expect 0 "1 event forgotten, 4 left" "$ferry" profile forget --plain --catalog "$shop" --profile "$work/plain.json" --item b8
expect 1 'no item "zz"' "$ferry" profile forget --plain --catalog "$shop" --profile "$work/plain.json" --item zz
expect 0 "0 events forgotten, 4 left" "$ferry" profile forget --plain --catalog "$shop" --profile "$work/plain.json" --item b8
grep -v '"b8"' "$plain" >"$work/without.json"
expect 0 "" cmp "$work/plain.json" "$work/without.json"
expect 1 "/no/such" "$ferry" profile show --profile /no/such
echo '{"format":"ferry-profile","version":3,"events":[]}' >"$work/future.json"
recommend="$ferry recommend --catalog $shop"
expect 1 "version 3" $recommend --profile "$work/future.json"
sed 's/"b7"/"b777"/' "$plain" >"$work/older.json"
expect 0 "profile:1: left out" $recommend --profile "$work/older.json"
expect 1 "profile: event 1" $recommend --strict --profile "$work/older.json"

# ---- the same list as of the events, and what changes it ----
grep -v gone "$work/events.jsonl" >"$work/known.jsonl"
$recommend --history "$work/known.jsonl" --json >"$work/of-events"
$recommend --profile "$plain" --json >"$work/of-profile"
expect 0 "" cmp "$work/of-events" "$work/of-profile"
expect 0 '"id"' cat "$work/of-profile"
grep '"b7"\|"f4"' "$work/known.jsonl" >"$work/some.jsonl"
$recommend --history "$work/some.jsonl" --dislike books/b8 --not-interested f9 --now 1699990000 --json >"$work/by-flags"
{ cat "$work/some.jsonl" && grep '"b8"' "$work/known.jsonl" && echo '{"item":"f9","behavior":"not_interested"}'; } >"$work/same.jsonl"
$recommend --history "$work/same.jsonl" --now 1699990000 --json >"$work/by-events"
expect 0 "" cmp "$work/by-flags" "$work/by-events"
expect 0 "books" $recommend --like b3
expect 2 "--history is missing, and so is --profile" $recommend
expect 1 'no item "zz"' $recommend --like zz
expect 2 "--half-life -1: expected a number from 0" $recommend --like b3 --half-life -1
expect 2 "--novelty 2: expected a number from 0 to 1" $recommend --like b3 --novelty 2
expect 2 "expected DOMAIN=NUMBER" $recommend --like b3 --domain-weight films
expect 2 "--domain-weight -2: expected a number" $recommend --like b3 --domain-weight films=-2
expect 1 '"toys", which the catalogue lacks' $recommend --like b3 --domain-weight toys=2
expect 1 "only a model knows what is popular" $recommend --like b3 --novelty .5
expect 0 "songs" $recommend --model "$shop/model" --like b3 --novelty .5 --half-life 20 --domain-weight films=9

# ---- locked ----
"$ferry" profile show --profile "$locked" $pass >"$work/opened" 2>&1
if grep -q "without libcrypto" "$work/opened"; then
    expect 1 "built without libcrypto" $export $pass --out "$work/x.ferry"
    echo "skipped: locked profiles, this ferry was built without libcrypto"
else
    expect 0 "" cmp "$work/opened" "$plain"
    expect 0 "5 events" $export $pass --out "$work/ours.ferry"
    expect 0 "-rw-------" ls -l "$work/ours.ferry"
    cp "$work/ours.ferry" "$work/first.ferry"
    expect 0 "5 events" $export $pass --out "$work/ours.ferry"
    expect 1 "differ" cmp "$work/ours.ferry" "$work/first.ferry" # another salt
    "$ferry" profile show --profile - $pass <"$work/ours.ferry" >"$work/shown"
    expect 0 "" cmp "$work/shown" "$plain"
    $recommend --profile "$work/ours.ferry" $pass --json >"$work/of-locked"
    expect 0 "" cmp "$work/of-locked" "$work/of-profile"
    echo wrong >"$work/wrong"
    expect 1 "the passphrase is wrong" "$ferry" profile show --profile "$locked" --passphrase-file "$work/wrong"
    expect 1 "no passphrase: give --passphrase-file" setsid "$ferry" profile show --profile "$locked"
    : >"$work/empty"
    expect 1 "the passphrase is empty" "$ferry" profile show --profile "$locked" --passphrase-file "$work/empty"
    expect 1 "/no/such" "$ferry" profile show --profile "$locked" --passphrase-file /no/such
    expect 1 "FERRY_PASSPHRASE is empty" env FERRY_PASSPHRASE= "$ferry" profile show --profile "$locked"
    expect 0 '"b12"' env FERRY_PASSPHRASE="$(cat "$golden/profile/passphrase")" "$ferry" profile show --profile "$locked"
    head -c 200 "$locked" >"$work/short"
    expect 1 "cut short: 200 bytes, its head says 531" "$ferry" profile show --profile "$work/short"
    head -c 20 "$locked" >"$work/short"
    expect 1 "not even its head" "$ferry" profile show --profile "$work/short"
    { cat "$locked" && echo; } >"$work/long"
    expect 1 "longer than it was" "$ferry" profile show --profile "$work/long"
    # One bit in every part of the file: head, salt, nonce, content, tag, digest.
    python3 - "$locked" "$work" <<'END'
import sys
data = open(sys.argv[1], 'rb').read()
for at in (9, 12, 17, 25, 40, 100, len(data) - 40, len(data) - 1):
    open(f'{sys.argv[2]}/flipped-{at}', 'wb').write(data[:at] + bytes([data[at] ^ 16]) + data[at + 1:])
END
    for at in 25 40 100 491 530; do
        expect 1 "damaged" "$ferry" profile show $pass --profile "$work/flipped-$at"
    done
    expect 1 "version" "$ferry" profile show $pass --profile "$work/flipped-9"
    expect 1 "damaged" "$ferry" profile show $pass --profile "$work/flipped-12"
    expect 1 "cut short" "$ferry" profile show $pass --profile "$work/flipped-17"

    # Asked for on a terminal, twice where it locks, and not shown.
    cat >"$work/terminal.py" <<'END'
import os, pty, sys
answers, command = sys.argv[1].split(','), sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    os.execv(command[0], command)
shown = b''
while True:
    try:
        got = os.read(terminal, 4096)
    except OSError:
        break
    if not got:
        break
    shown += got
    if answers and shown.endswith(b': '): # not behind the line end of the answer before
        os.write(terminal, answers.pop(0).encode() + b'\n')
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
END
    expect 0 "Once more: " python3 "$work/terminal.py" hunter2,hunter2 $export --out "$work/asked.ferry"
    cp "$work/out" "$work/asked"
    expect 1 "0" grep -c hunter2 "$work/asked"
    expect 0 '"b12"' python3 "$work/terminal.py" hunter2 "$ferry" profile show --profile "$work/asked.ferry"
    expect 1 "the two passphrases differ" python3 "$work/terminal.py" hunter2,hunter3 $export --out "$work/x.ferry"
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
