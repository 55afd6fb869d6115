#!/usr/bin/env bash
# Makes a virtual environment with everything the project needs. Used by the Makefile; safe to run
# again.
#
#   PYTHON   3.10 to 3.13; without it 3.10, or where that is missing the newest there is
#   VENV     the folder, .venv
#   EXTRAS   what to install beside the core, dev
set -euo pipefail
cd "$(dirname "$0")/.."

versions="3.10 3.13 3.12 3.11"
wanted=${PYTHON:-$versions}
venv=${VENV:-.venv}
extras=${EXTRAS:-dev}
uv_folder=.uv

for version in $wanted; do
    case " $versions " in
        *" $version "*) ;;
        *) echo "PYTHON must be one of $versions; got $version" >&2; exit 1 ;;
    esac
done

no_python() {
    local version=${wanted%% *}
    cat >&2 <<EOF
lava_ssm needs Python $wanted, and none was found: neither by uv, nor in pyenv's versions, nor as
python$version on PATH. Any one of these provides it:

    uv python install $version         (uv: https://docs.astral.sh/uv)
    pyenv install $version
    sudo apt install python$version    or   brew install python@$version

Then run make again.
EOF
    exit 1
}

no_uv() {
    cat >&2 <<EOF
The environment is made with uv, which is not on PATH and could not be installed from PyPI
with pip of any Python on PATH. Install uv (https://docs.astral.sh/uv), then run make again.
EOF
    exit 1
}

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true; }

find_uv() {
    local python version
    if command -v uv; then return; fi
    if [ -x "$uv_folder/bin/uv" ]; then echo "$uv_folder/bin/uv"; return; fi
    for python in "$@" $(for version in $wanted; do echo "python$version"; done) python3 python; do
        if "$python" -m pip install --quiet --disable-pip-version-check --target "$uv_folder" uv \
            >/dev/null 2>&1; then
            echo "$uv_folder/bin/uv"; return
        fi
    done
    return 1
}

find_python() {
    local candidate version
    for version in $wanted; do
        if command -v uv >/dev/null; then
            candidate=$(uv python find --no-python-downloads "$version" 2>/dev/null) || candidate=
            if [ -n "$candidate" ] && [ "$(version_of "$candidate")" = "$version" ]; then
                echo "$candidate"; return
            fi
        fi
        if command -v pyenv >/dev/null; then
            for candidate in "$(pyenv root)"/versions/"$version".*/bin/python; do
                if [ "$(version_of "$candidate")" = "$version" ]; then
                    echo "$candidate"; return
                fi
            done
        fi
        for candidate in "python$version" python3 python; do
            if [ "$(version_of "$candidate")" = "$version" ]; then
                command -v "$candidate"; return
            fi
        done
    done
    return 1
}

if python=$(find_python); then
    uv=$(find_uv "$python") || no_uv
else
    uv=$(find_uv) || no_python
    "$uv" python install "${wanted%% *}" >&2 || no_python
    python=$("$uv" python find --no-python-downloads "${wanted%% *}") || no_python
fi
version=$(version_of "$python")

if [ "$(version_of "$venv/bin/python")" != "$version" ]; then
    echo "Python: $python"
    rm -rf "$venv"
    "$uv" venv --quiet --seed --python "$python" "$venv"
fi
"$uv" pip install --quiet --python "$venv/bin/python" --constraint "constraints/$version.txt" \
    --editable ".[$extras]"
if [ "$version" != 3.10 ] && [ "$extras" = dev ]; then
    "$venv/bin/lava-ssm" install-lava
fi
touch "$venv/.installed"
