#!/usr/bin/env python3
"""Fetches liblsl (MIT licence) from PyPI's pylsl wheel into .setup/lsl of this checkout.

Needs no root and installs nothing. Does nothing when the wanted version is there already. Prints one line.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import venv
import zipfile

WHEEL = "pylsl==1.18.6"  # ships liblsl 1.18.0
ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = ROOT / ".setup" / "lsl"
STAMP = TARGET / "version.txt"
# Name in the wheel -> name under which Photic looks. A wheel holds one of them per system.
LIBRARIES = {"liblsl.so": "liblsl.so", "liblsl.dylib": "liblsl.dylib", "lsl.dll": "lsl.dll", "liblsl.dll": "lsl.dll"}


def installed():
    """The library of the wanted version, if it is there."""
    if not STAMP.is_file() or STAMP.read_text().strip() != WHEEL:
        return None
    return next((TARGET / name for name in LIBRARIES.values() if (TARGET / name).is_file()), None)


def python_with_pip(scratch):
    """This Python, or one in a throw-away virtual environment where this one has no pip."""
    probe = [sys.executable, "-m", "pip", "--version"]
    if subprocess.run(probe, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
        return sys.executable
    home = pathlib.Path(scratch) / "venv"
    venv.create(home, with_pip=True)
    return str(home / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def download(scratch):
    """The wheel for this system, as pip picks it."""
    command = [python_with_pip(scratch), "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", scratch, WHEEL]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if result.returncode != 0:
        raise RuntimeError(f"pip could not download {WHEEL}: {result.stderr.strip()}")
    return next(pathlib.Path(scratch).glob("*.whl"))


def unpack(wheel):
    """Puts the library in place as a whole: a reader never sees half a file."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            name = LIBRARIES.get(member.rsplit("/", 1)[-1])
            if name is not None:
                TARGET.mkdir(parents=True, exist_ok=True)
                fresh = TARGET / (name + ".new")
                fresh.write_bytes(archive.read(member))
                os.replace(fresh, TARGET / name)
                STAMP.write_text(WHEEL + "\n")
                return TARGET / name
    raise RuntimeError(f"{wheel.name} holds no liblsl for this system; set PHOTIC_LIBLSL to a library of your own")


def main():
    library = installed()
    if library is not None:
        print(f"liblsl is in place: {library.relative_to(ROOT)} ({WHEEL})")
        return 0
    try:
        with tempfile.TemporaryDirectory() as scratch:
            library = unpack(download(scratch))
    except Exception as error:  # whatever it is, it is one line for the operator
        print(f"liblsl could not be fetched: {error}", file=sys.stderr)
        return 1
    print(f"liblsl fetched: {library.relative_to(ROOT)} ({WHEEL})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
