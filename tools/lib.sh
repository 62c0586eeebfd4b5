# Shared by the scripts in tools/; source it from the top of the checkout.
# shellcheck shell=sh

ROOT=$(pwd)
DEPS=$ROOT/.deps
CACHE=${FERRY_CACHE:-$DEPS/cache}
case $CACHE in /*) ;; *) CACHE=$ROOT/$CACHE ;; esac
export FERRY_CACHE="$CACHE"

# Wrappers made by tools/setup come first, so `emcc` and `node` are the checked ones.
OUTSIDE_PATH=$(printf '%s\n' "$PATH" | tr ':' '\n' | grep -vxF "$DEPS/bin" | paste -s -d : -)
PATH=$DEPS/bin:$OUTSIDE_PATH
export PATH

say() { printf '%s\n' "$*" >&2; }
die() { say "$(basename "$0"): $*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# at_least 3.1.69 3.1.58: is the first version the second or newer?
at_least() {
    [ -n "$1" ] && [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# checked FILE SHA256: is FILE there with that checksum?
checked() {
    [ -f "$1" ] && [ "$(sha256sum <"$1" | cut -d ' ' -f 1)" = "$2" ]
}
