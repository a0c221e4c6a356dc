#!/bin/sh
# The contact sheets of docs/synthesis.md, made again: each is the top of the page that `photic synth` writes.
#
#   scripts/sheets.sh [v1] [mouse] [vgg]
#
# Needs a release build, Chromium, and for `mouse` and `vgg` the models in ../shared/models.
set -eu
cd "$(dirname "$0")/.."
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
[ $# -gt 0 ] || set -- v1 mouse vgg
for name; do
    target/release/photic synth "specs/sheet-$name.toml" --out "$made/$name"
    [ "$name" = mouse ] && height=645 || height=845 # down to the last picture's lines
    chromium --headless=new --no-sandbox --disable-gpu --hide-scrollbars --window-size=1100,$height \
        --screenshot="$PWD/docs/sheet-$name.png" "file://$made/$name/sheet.html"
done
