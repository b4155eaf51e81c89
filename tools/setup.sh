#!/usr/bin/env bash
# Set up what Bitsmith needs, and only what is missing.
#
#   tools/setup.sh system   Debian packages that Qt loads: installed when root, else the command is printed
#   tools/setup.sh run      .venv with Bitsmith in it
#   tools/setup.sh dev      the same, and the tools for tests and checks
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}

# Each was removed in turn and is necessary; the second row is for a real X window, offscreen does without.
# Chinese is all boxes without fonts-wqy-zenhei.
QT_PACKAGES=(
    libgl1 libegl1 libglib2.0-0 libdbus-1-3 libfontconfig1 libxkbcommon0 fonts-dejavu-core fonts-wqy-zenhei
    libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0 libxkbcommon-x11-0
)

is_installed() {
    # libglib2.0-0 was renamed libglib2.0-0t64 by Debian 13.
    dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^ii' ||
        dpkg-query -W -f '${db:Status-Abbrev}' "$1t64" 2>/dev/null | grep -q '^ii'
}

is_available() {
    apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'
}

apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    local package
    for package in "$@"; do
        if ! is_available "$package"; then
            apt-get update -qq
            break
        fi
    done
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

install_packages() {
    local missing=() package
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        return 0
    fi
    if [ "$(id -u)" -eq 0 ]; then
        echo "Installing system packages: ${missing[*]}"
        apt_install "${missing[@]}" && return 0
        echo "apt could not install them. Look at its messages above, then repeat: apt-get install ${missing[*]}" >&2
        return 1
    fi
    echo "System packages are missing. Install them with:"
    echo "    sudo apt-get install --no-install-recommends ${missing[*]}"
}

setup_system() {
    command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || return 0
    install_packages "${QT_PACKAGES[@]}"
}

ensure_python() {
    if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        echo "Bitsmith needs Python 3.11 or newer, and '$PYTHON' is not. Name another: make run PYTHON=python3.12" >&2
        exit 1
    fi
    if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
        if command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ]; then
            echo "Installing system packages: python3-venv"
            apt_install python3-venv
        else
            echo "Python's venv module is missing. Install it with: sudo apt-get install python3-venv" >&2
            exit 1
        fi
    fi
}

setup_venv() { # $1: run or dev
    ensure_python
    if ! .venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        echo "Creating .venv"
        "$PYTHON" -m venv --clear .venv
    fi
    local target=. pip=(.venv/bin/python -m pip install --quiet --disable-pip-version-check)
    [ "$1" = dev ] && target='.[dev]'
    echo "Installing Bitsmith's Python packages into .venv (this takes a minute or more)"
    if ! "${pip[@]}" -e "$target"; then
        echo "pip could not install the packages. Check the network or its settings, then repeat the command." >&2
        exit 1
    fi
    .venv/bin/python -m compileall -q main.py engine gui || true # else the first start compiles them, which takes seconds
    touch .venv/.installed-run
    [ "$1" = run ] || touch .venv/.installed-dev
}

case "${1:-}" in
system) setup_system ;;
run | dev) setup_venv "$1" ;;
*)
    echo "usage: tools/setup.sh system|run|dev" >&2
    exit 2
    ;;
esac
