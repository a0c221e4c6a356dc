#!/bin/sh
# What the demo and the tests need of the system: a Vulkan driver (a software one will do) and the libraries of a
# window. Installs them with Debian's package tool where that may be used; otherwise says what is missing.
set -eu
packages="libvulkan1 mesa-vulkan-drivers libx11-6 libx11-xcb1 libxcursor1 libxi6 libxrandr2 libxkbcommon-x11-0"
# The tests of a window want a screen, too.
[ "${1:-}" = "tests" ] && packages="$packages xvfb imagemagick"

command -v dpkg-query >/dev/null 2>&1 || {
    echo "system: not a Debian; a Vulkan driver is needed (for example mesa's lavapipe)"
    exit 0
}
missing=""
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
done
if [ -z "$missing" ]; then
    echo "system: Vulkan and window libraries are in place"
    exit 0
fi
if [ "$(id -u)" = 0 ]; then run=""; elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then run="sudo"; else
    echo "system: missing$missing; as root: apt-get install$missing"
    exit 0
fi
echo "system: installing$missing"
export DEBIAN_FRONTEND=noninteractive
$run apt-get update -qq
$run apt-get install -y -qq --no-install-recommends $missing >/dev/null
