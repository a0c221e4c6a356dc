#!/bin/sh
# The independent judges of the tests, pinned, in .setup/judges; prints the interpreter to give as PHOTIC_JUDGE_PYTHON.
set -eu
cd "$(dirname "$0")/.."
home=.setup/judges
if [ ! -x "$home/bin/python" ]; then
    if ! python3 -m venv "$home" 2>/dev/null; then
        [ "$(id -u)" = 0 ] && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
        python3 -m venv "$home"
    fi
fi
stamp="$home/requirements.txt"
if ! cmp -s scripts/judges.txt "$stamp"; then
    "$home/bin/python" -m pip install --quiet --disable-pip-version-check -r scripts/judges.txt
    cp scripts/judges.txt "$stamp"
fi
echo "$PWD/$home/bin/python"
