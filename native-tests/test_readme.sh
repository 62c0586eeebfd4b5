#!/bin/sh
# The README's C example compiles and links: sh test_readme.sh CC SOURCE_DIR LIBRARY…
set -eu
cc=$1
source=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$source/README.md" >"$work/example.c"
grep -q 'int main' "$work/example.c"
"$cc" -std=c11 -Wall -Wextra -Werror -I"$source/include" "$work/example.c" "$@" -lm -pthread -o "$work/example"
cd "$work"
if ./example 2>message; then
    echo "there is no shop, and the example did not say so"
    exit 1
fi
grep -q shop message
