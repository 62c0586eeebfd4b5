# Debian packages for tools/setup: installing missing ones, and fetching files of Debian 13 into the cache without
# touching the system's package lists. Sourced after lib.sh.
# shellcheck shell=sh

PRIVATE_SUITE=trixie # Debian 13: Emscripten 3.1.69, cJSON 1.7.18

# Reads `package probe` lines; installs, in one go, the packages whose probe fails.
install_missing() {
    wanted=$(sort -u)
    missing=$(echo "$wanted" | while read -r package probe; do
        case $probe in
        '') ;;
        -) have dpkg-query && dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -q '^installed' ||
            echo "$package" ;;
        *) have "$probe" || echo "$package" ;;
        esac
    done | sort -u | tr '\n' ' ')
    missing=${missing% }
    [ -n "$missing" ] || return 0
    have apt-get || die "installs by itself on Debian 12 and 13 only. What is missing here, by Debian's names: $missing" \
        "(in place of node-acorn and the LLVM tools, Emscripten 3.1.58 or newer; cJSON.c and cJSON.h of cJSON 1.7.18" \
        "go into .deps/cjson)"

    # shellcheck disable=SC2086
    set -- apt-get install -y --no-install-recommends $missing
    if [ "$(id -u)" != 0 ]; then
        have sudo || die "packages are missing and there is no sudo here. As root run: apt-get update && $*"
        # sudo asks for its password on the terminal, so progress must be gone from there first.
        say "setup: installing with sudo: $missing"
        as_root='sudo'
    else
        say "setup: installing: $missing"
        as_root=
    fi
    log=$(mktemp)
    for command in "apt-get update" "$*"; do
        # shellcheck disable=SC2086
        $as_root env DEBIAN_FRONTEND=noninteractive $command -q -o DPkg::Lock::Timeout=300 \
            -o Dpkg::Use-Pty=0 >"$log" 2>&1 </dev/null && continue
        tail -n 20 "$log" >&2
        rm -f "$log"
        die "installing packages failed. As root run: apt-get update && $*"
    done
    rm -f "$log"
}

# The Debian mirror this machine already uses, as apt itself reads its sources (one-line and deb822 alike).
debian_mirror() {
    if [ -n "${FERRY_DEBIAN_MIRROR:-}" ]; then
        echo "$FERRY_DEBIAN_MIRROR"
        return
    fi
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    apt-get --print-uris update 2>/dev/null |
        sed -n "s#^'\(.*\)/dists/\($codename\|stable\|testing\|unstable\|sid\)/main/binary-.*#\1#p" | head -n 1
}

# An apt configuration of our own under .deps/apt; sets $private_apt.
use_private_apt() {
    have apt-get || die "$1 is fetched with apt-get, which this system does not have." \
        "Install Emscripten 3.1.58 or newer, and put cJSON.c and cJSON.h of cJSON 1.7.18 into .deps/cjson"
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -f "$keyring" ] || die "$keyring is missing: as root run: apt-get install debian-archive-keyring"
    mirror=$([ "$(. /etc/os-release && echo "$ID")" != debian ] || debian_mirror)
    mirror=${FERRY_DEBIAN_MIRROR:-$mirror}
    [ -n "$mirror" ] || die "$1 comes from Debian 13, and this machine's apt sources name no Debian mirror." \
        "Set FERRY_DEBIAN_MIRROR to the address of one"
    apt=$DEPS/apt
    mkdir -p "$apt/sources.d" "$apt/state/lists/partial" "$apt/cache/archives/partial"
    : >"$apt/status"
    for type in deb deb-src; do
        printf 'Types: %s\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n\n' \
            $type "$mirror" $PRIVATE_SUITE "$keyring"
    done >"$apt/sources.d/ferry.sources"
    # Read after the system's own, so proxies and certificates stay; its hooks after an update do not.
    cat >"$apt/apt.conf" <<EOF
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$apt/sources.d";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
APT::Sandbox::User "";
APT::Default-Release "";
Acquire::Languages "none";
Acquire::Retries "3";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear Acquire::IndexTargets::deb::DEP-11;
#clear Acquire::IndexTargets::deb::DEP-11-icons-small;
#clear Acquire::IndexTargets::deb::DEP-11-icons;
#clear Acquire::IndexTargets::deb::DEP-11-icons-hidpi;
#clear Acquire::IndexTargets::deb::DEP-11-icons-large;
#clear Acquire::IndexTargets::deb::DEP-11-icons-large-hidpi;
EOF
    say "$1: reading the package lists of Debian $PRIVATE_SUITE"
    apt-get -c "$apt/apt.conf" -qq -o APT::Update::Error-Mode=any update >&2 || die "cannot read Debian $PRIVATE_SUITE's package lists at $mirror"
}

# Reads apt's --print-uris lines ('URI' file size SHA256:sum); fetches each into $CACHE. apt's own downloader goes on
# where a cut download stopped (if the mirror sends dates), and checks the sum against the signed list.
fetch_uris() {
    while read -r uri file size sum; do
        uri=${uri#\'} uri=${uri%\'}
        checked "$CACHE/$file" "${sum#SHA256:}" && continue
        say "$file: $((size / 1000000)).$((size / 100000 % 10)) MB, fetching"
        quiet=-qq
        [ ! -t 2 ] || quiet=-q=0
        /usr/lib/apt/apt-helper -c "$apt/apt.conf" $quiet download-file "$uri" "$CACHE/$file.part" "$sum" >&2 </dev/null ||
            die "$file: download failed; run this again to go on"
        mv "$CACHE/$file.part" "$CACHE/$file"
        say "$file: done"
    done
}

# fetch_source PACKAGE FILE: one file of a source package, into $CACHE
fetch_source() {
    use_private_apt "$1"
    apt-get -c "$apt/apt.conf" -qq --print-uris --download-only source "$1" >"$apt/uris" ||
        die "no source of $1 in Debian $PRIVATE_SUITE"
    grep " $2 " "$apt/uris" >"$apt/uris.one" ||
        die "$1: expected the source file $2, found: $(cut -d ' ' -f 2 <"$apt/uris" | tr '\n' ' ')"
    fetch_uris <"$apt/uris.one"
}

# fetch_debs NAME PACKAGE...: the newest .deb of each into $CACHE; NAME.sha256 there lists files and sums, so that a
# full cache needs neither package lists nor a network.
fetch_debs() {
    sums=$CACHE/$1.sha256
    if [ -s "$sums" ]; then
        (cd "$CACHE" && sha256sum --check --quiet "$sums" >&2) && return
        say "$1: files above are damaged or missing, fetching them again"
    fi
    name=$1
    shift
    mkdir -p "$CACHE"
    use_private_apt "$name"
    (cd "$apt" && apt-get -c "$apt/apt.conf" -qq --print-uris download "$@") >"$apt/uris" ||
        die "Debian $PRIVATE_SUITE lacks one of: $*"
    fetch_uris <"$apt/uris"
    sed -n 's/^.* \([^ ]*\) [0-9]* SHA256:\([0-9a-f]*\)$/\2  \1/p' "$apt/uris" >"$sums.new"
    mv "$sums.new" "$sums"
}
