#!/bin/sh
# Installs what the Makefile's targets need, a line of progress a step. It is safe to call at any time: what is there stays.
#
#   tools/setup.sh run      .venv with what the gateway runs on
#   tools/setup.sh pcsc     .venv with that and what reaches security modules in readers: pyscard, and from Debian a PC/SC
#                           daemon with a virtual reader
#   tools/setup.sh dev      .venv with what run installs and everything the tests and checks use
#   tools/setup.sh debian   Debian packages the tests drive: PostgreSQL, Chromium and its driver, Spin and a C compiler for
#                           what it writes, a Java runtime, a PC/SC daemon with a virtual reader and tools that use it
#   tools/setup.sh lock     constraints.txt anew: the newest releases pyproject.toml admits
#
# PYTHON=/path/to/python3 chooses the interpreter .venv is made with; otherwise the first suitable one on PATH is taken.
set -eu
cd "$(dirname "$0")/.."

venv=.venv
log=$(mktemp "${TMPDIR:-/tmp}/smgw-setup.XXXXXX")
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

die() {
    printf '\nsetup: %s\n' "$1" >&2
    exit 1
}

# step TEXT COMMAND...: the text, then what became of it. The command's own words are shown only where it fails.
step() {
    text=$1
    shift
    started=$(date +%s)
    printf '  %s ... ' "$text" >&2
    if "$@" >"$log" 2>&1 </dev/null; then
        printf 'done (%s s)\n' "$(($(date +%s) - started))" >&2
    else
        printf 'failed\n\n' >&2
        # pip warns about each place it looks in; those lines would bury the one that says what went wrong.
        grep -v '^WARNING: Location .* is ignored' "$log" | tail -n 40 >&2 || true
        die "\"$text\" failed; the lines above say why."
    fi
}

have() { command -v "$1" >/dev/null 2>&1; }

is_root() { [ "$(id -u)" -eq 0 ]; }

as_root() {
    if is_root; then "$@"; else sudo -n "$@"; fi
}

# apt_install WHY PACKAGE...: through apt where that is possible without a password, else the line to type, and the end.
apt_install() {
    why=$1
    shift
    have apt-get || die "$why needs what Debian calls '$*', and there is no apt-get here: please install it, then try again."
    if ! is_root && ! { have sudo && sudo -n true 2>/dev/null; }; then
        die "$why needs Debian packages. Please run this, then try again:

    sudo apt-get install --no-install-recommends $*"
    fi
    step "reading Debian's package lists" as_root apt-get update -qq
    step "installing from Debian: $*" as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@"
}

# A name on PATH may be a shim with nothing behind it, so each candidate is run rather than looked at.
is_suitable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        is_suitable "$PYTHON" || die "PYTHON=$PYTHON is not a Python 3.11 or newer."
        printf '%s\n' "$PYTHON"
        return
    fi
    # 3.11 first: it is what Debian 12 has and what constraints.txt was made with.
    for candidate in python3.11 python3 python3.12 python3.13 python3.14; do
        if is_suitable "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    die "no Python 3.11 or newer on PATH. On Debian 12: apt-get install python3 python3-venv. Elsewhere set PYTHON=/path/to/python3."
}

has_ensurepip() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

# Debian ships venv's other half, ensurepip, in a package of its own.
ensure_ensurepip() {
    if has_ensurepip "$1"; then return; fi
    version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    case $("$1" -c 'import sys; print(sys.executable)') in
    /usr/bin/*)
        package=python3-venv
        is_suitable /usr/bin/python3 && /usr/bin/python3 -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" ||
            package=python$version-venv
        apt_install "making $venv" "$package"
        ;;
    esac
    has_ensurepip "$1" || die "$1 (Python $version) has no 'ensurepip', so no virtual environment can be made with it.
Please install it for this Python, or set PYTHON=/path/to/another/python3, then try again."
}

# make_venv DIRECTORY: kept where it works. One whose tree was moved is made anew: its scripts name the old place.
make_venv() {
    if [ -x "$1/bin/python" ] && is_suitable "$1/bin/python" && "$1/bin/python" -m pip --version >/dev/null 2>&1 &&
        head -n 3 "$1/bin/pip" | grep -qF "$PWD/$1/bin/"; then
        return
    fi
    python=$(find_python)
    ensure_ensurepip "$python"
    step "making $1 with $("$python" --version)" "$python" -m venv --clear "$1"
}

pip_install() {
    "$venv/bin/python" -m pip --disable-pip-version-check --no-input install -q -c constraints.txt -e "$1"
}

has_header() { echo "#include <$1>" | cc -E -I/usr/include/PCSC - >/dev/null 2>&1; }

# pyscard has no wheel for Linux: pip builds it, unless it is there.
ensure_pyscard_builds() {
    if "$1/bin/python" -c 'import smartcard.scard' >/dev/null 2>&1; then return; fi
    headers=$("$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    version=$("$1/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    set --
    [ -e "$headers/Python.h" ] || set -- "$@" "python$version-dev"
    have swig || set -- "$@" swig
    have cc || set -- "$@" gcc libc6-dev
    { have cc && has_header winscard.h; } || set -- "$@" libpcsclite-dev
    [ "$#" -eq 0 ] || apt_install "building pyscard, which reaches readers," "$@"
}

# Debian keeps initdb and its like off PATH, one folder a release.
have_postgresql() {
    have initdb && return
    for file in /usr/lib/postgresql/*/bin/initdb; do
        [ -x "$file" ] && return
    done
    return 1
}

have_pcscd() { have pcscd || [ -x /usr/sbin/pcscd ]; }

have_virtual_reader() { [ -e /usr/lib/pcsc/drivers/serial/libifdvpcd.so ]; }

install_virtual_reader() {
    set --
    have_pcscd || set -- "$@" pcscd
    have_virtual_reader || set -- "$@" vsmartcard-vpcd
    [ "$#" -eq 0 ] || apt_install "putting security modules into virtual readers" "$@"
}

install_debian() {
    set --
    have_postgresql || set -- "$@" postgresql
    have chromium || set -- "$@" chromium
    have chromedriver || set -- "$@" chromium-driver
    have spin || set -- "$@" spin
    # Spin writes its verifier in C; it is compiled before it runs.
    have cc || set -- "$@" gcc libc6-dev
    have java || set -- "$@" default-jre-headless
    have_pcscd || set -- "$@" pcscd
    have_virtual_reader || set -- "$@" vsmartcard-vpcd
    have curl || set -- "$@" curl
    have opensc-tool || set -- "$@" opensc
    set -- "$@" $(ls /usr/lib/*/libeac.so.3 >/dev/null 2>&1 || echo libeac3)
    [ "$#" -eq 0 ] || apt_install "running the tests" "$@"
}

write_lock() {
    scratch=$venv/lock
    make_venv "$venv"
    rm -rf "$scratch"
    make_venv "$scratch"
    ensure_pyscard_builds "$scratch"
    step "resolving the newest releases that pyproject.toml admits" \
        "$scratch/bin/python" -m pip --disable-pip-version-check --no-input install -q -e '.[dev]'
    {
        echo "# Every release that .[dev] installs, at the version it was tested with. Written by: make lock"
        "$scratch/bin/python" -m pip --disable-pip-version-check list --format=freeze --exclude-editable \
            --exclude pip --exclude setuptools 2>/dev/null | LC_ALL=C sort -f
    } >"$log.lock"
    grep -q '==' "$log.lock" || die "pip listed nothing in $scratch; constraints.txt is as it was."
    cat "$log.lock" >constraints.txt
    rm -rf "$log.lock" "$scratch"
}

case ${1:-} in
run)
    make_venv "$venv"
    step "installing the gateway into $venv" pip_install .
    ;;
pcsc)
    make_venv "$venv"
    ensure_pyscard_builds "$venv"
    step "installing the gateway and pyscard into $venv" pip_install '.[pcsc]'
    install_virtual_reader
    ;;
dev)
    make_venv "$venv"
    ensure_pyscard_builds "$venv"
    step "installing the gateway and its test tools into $venv" pip_install '.[dev]'
    ;;
debian) install_debian ;;
lock) write_lock ;;
*) die "usage: tools/setup.sh run|pcsc|dev|debian|lock" ;;
esac
