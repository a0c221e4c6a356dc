#!/bin/sh
# The main job: a closed-loop session with a simulated participant whose EEG comes over LSL, then its bit-exact replay.
# usage: demo.sh PHOTIC SECONDS
set -eu
photic=$1
seconds=$2
# llvmpipe complains without one.
if [ -z "${XDG_RUNTIME_DIR:-}" ]; then
    XDG_RUNTIME_DIR=$(mktemp -d)
    export XDG_RUNTIME_DIR
    trap 'rmdir "$XDG_RUNTIME_DIR" 2>/dev/null || true' EXIT
fi
echo "a session of $seconds s: calibration, then the controller holds the response at its set point"
"$photic" run protocols/thermostat.toml --participant nominal --display offscreen --seconds "$seconds" --out sessions
session=$(ls -td sessions/sub-*_task-thermostat_* | head -n 1)
echo
"$photic" replay "$session"
echo
echo "folder   $session"
echo "report   $session/report.html"
