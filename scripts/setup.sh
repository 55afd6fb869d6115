#!/usr/bin/env bash
# Makes the virtual environment .venv with Python 3.10 and everything the project needs.
# Used by the Makefile; safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=3.10
venv=.venv

is_wanted() { [ "$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$wanted" ]; }

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
    if command -v uv >/dev/null && uv python install "$wanted" >&2; then
        uv python find --no-python-downloads "$wanted"; return
    fi
    return 1
}

if ! is_wanted "$venv/bin/python"; then
    if ! python=$(find_python); then
        cat >&2 <<EOF
lava_ssm needs Python $wanted (Lava runs on no other), and none was found: neither by uv,
nor in pyenv's versions, nor as python$wanted on PATH. Any one of these provides it:

    uv python install $wanted         (uv: https://docs.astral.sh/uv)
    pyenv install $wanted
    sudo apt install python$wanted-venv   or   brew install python@$wanted

Then run make again.
EOF
        exit 1
    fi
    echo "Python: $python"
    rm -rf "$venv"
    if command -v uv >/dev/null; then
        uv venv --quiet --seed --python "$python" "$venv"
    else
        "$python" -m venv "$venv"
    fi
fi

if command -v uv >/dev/null; then
    uv=uv
else
    [ -x "$venv/bin/uv" ] || "$venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
    uv=$venv/bin/uv
fi
"$uv" pip install --quiet --python "$venv/bin/python" --constraint constraints.txt --editable '.[dev]'
touch "$venv/.installed"
