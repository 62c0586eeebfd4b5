# What the tests of the command line share; sourced.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

# expect STATUS TEXT COMMAND…: the exit status, and a text that stdout or stderr contains
expect() {
    status=$1
    text=$2
    shift 2
    "$@" >"$work/out" 2>"$work/err" </dev/null
    found=$?
    if [ "$found" = "$status" ] && cat "$work/out" "$work/err" - <<END | grep -qF -- "$text"; then

END
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $*"
        echo "  exit $found, expected $status; expected the text: $text"
        sed 's/^/  > /' "$work/out" "$work/err"
    fi
}
