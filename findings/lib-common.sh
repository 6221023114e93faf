# Sourced by every finding: a folder that goes away, pinned packages in it, and how to say things.
# shellcheck shell=bash

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
WORK=$(mktemp -d)
export HERE WORK PYTHONPATH=$HERE PYTHONDONTWRITEBYTECODE=1
UNDO=()

undo_all() {
    local command
    for command in "${UNDO[@]}"; do $command || true; done
    rm -rf "$WORK"
}
trap undo_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

guess() { printf 'guess:    %s\n' "$*"; }

# python_with PACKAGE==VERSION ...: $PYTHON is an interpreter that has these and no other packages.
python_with() {
    python3 -m venv "$WORK/venv"
    PYTHON=$WORK/venv/bin/python
    if ! "$PYTHON" -m pip install --quiet --disable-pip-version-check "$@" >"$WORK/pip.log" 2>&1; then
        cat "$WORK/pip.log" >&2
        exit 2
    fi
    printf 'software: %s; %s\n' "$*" "$("$PYTHON" --version)"
}

# node_with PACKAGE@VERSION ...: programs run in $NODE_FOLDER can require these.
node_with() {
    NODE_FOLDER=$WORK/node
    mkdir -p "$NODE_FOLDER"
    if ! (cd "$NODE_FOLDER" && npm install --silent --no-save --no-audit --no-fund --ignore-scripts \
        "$@") >"$WORK/npm.log" 2>&1; then
        cat "$WORK/npm.log" >&2
        exit 2
    fi
    printf 'software: %s; Node.js %s\n' "$*" "$(node --version)"
}
