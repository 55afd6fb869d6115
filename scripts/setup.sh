#!/usr/bin/env bash
# Makes the virtual environment .venv with Python 3.10 and everything the project needs.
# Used by the Makefile; safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=3.10
venv=.venv
uv_folder=.uv

no_python() {
    cat >&2 <<EOF
lava_ssm needs Python $wanted (Lava runs on no other), and none was found: neither by uv,
nor in pyenv's versions, nor as python$wanted on PATH. Any one of these provides it:

    uv python install $wanted         (uv: https://docs.astral.sh/uv)
    pyenv install $wanted
    sudo apt install python$wanted    or   brew install python@$wanted

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

is_wanted() { [ "$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$wanted" ]; }

find_uv() {
    local python
    if command -v uv; then return; fi
    if [ -x "$uv_folder/bin/uv" ]; then echo "$uv_folder/bin/uv"; return; fi
    for python in "$@" "python$wanted" python3 python; do
        if "$python" -m pip install --quiet --disable-pip-version-check --target "$uv_folder" uv \
            >/dev/null 2>&1; then
            echo "$uv_folder/bin/uv"; return
        fi
    done
    return 1
}

find_python() {
    local candidate
    if command -v uv >/dev/null; then
        candidate=$(uv python find --no-python-downloads "$wanted" 2>/dev/null) || candidate=
        if [ -n "$candidate" ] && is_wanted "$candidate"; then echo "$candidate"; return; fi
    fi
    if command -v pyenv >/dev/null; then
        for candidate in "$(pyenv root)"/versions/"$wanted".*/bin/python; do
            if is_wanted "$candidate"; then echo "$candidate"; return; fi
        done
    fi
    for candidate in "python$wanted" python3 python; do
        if is_wanted "$candidate"; then command -v "$candidate"; return; fi
    done
    return 1
}

if python=$(find_python); then
    uv=$(find_uv "$python") || no_uv
else
    uv=$(find_uv) || no_python
    "$uv" python install "$wanted" >&2 || no_python
    python=$("$uv" python find --no-python-downloads "$wanted") || no_python
fi

if ! is_wanted "$venv/bin/python"; then
    echo "Python: $python"
    rm -rf "$venv"
    "$uv" venv --quiet --seed --python "$python" "$venv"
fi
"$uv" pip install --quiet --python "$venv/bin/python" --constraint constraints.txt --editable '.[dev]'
touch "$venv/.installed"
