#!/usr/bin/env python3
"""Another client of an X server, by libX11 alone: destroys a window, or holds a key.

    x_client.py DISPLAY destroy WIDTH HEIGHT    the first window of that size
    x_client.py DISPLAY key KEYSYM SECONDS WIDTH HEIGHT    gives that window the keyboard, holds the key (libXtst)

Prints the window or the key when it is done.
"""

import ctypes
import sys
import time


class Attributes(ctypes.Structure):
    """The beginning of XWindowAttributes; the rest is room."""

    _fields_ = [(name, ctypes.c_int) for name in ("x", "y", "width", "height")] + [("rest", ctypes.c_byte * 512)]


def windows(x11, display, parent):
    root, above, count = ctypes.c_ulong(), ctypes.c_ulong(), ctypes.c_uint()
    children = ctypes.POINTER(ctypes.c_ulong)()
    x11.XQueryTree(display, parent, ctypes.byref(root), ctypes.byref(above), ctypes.byref(children), ctypes.byref(count))
    for index in range(count.value):
        yield children[index]
        yield from windows(x11, display, children[index])


def main():
    name, what = sys.argv[1:3]
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XOpenDisplay.argtypes = [ctypes.c_char_p]
    x11.XDefaultRootWindow.restype = ctypes.c_ulong
    x11.XDefaultRootWindow.argtypes = [ctypes.c_void_p]
    pointer = ctypes.POINTER
    x11.XQueryTree.argtypes = [ctypes.c_void_p, ctypes.c_ulong, pointer(ctypes.c_ulong), pointer(ctypes.c_ulong),
                               pointer(pointer(ctypes.c_ulong)), pointer(ctypes.c_uint)]
    x11.XGetWindowAttributes.argtypes = [ctypes.c_void_p, ctypes.c_ulong, pointer(Attributes)]
    x11.XDestroyWindow.argtypes = [ctypes.c_void_p, ctypes.c_ulong]
    x11.XSetInputFocus.argtypes = [ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int, ctypes.c_ulong]
    x11.XSync.argtypes = [ctypes.c_void_p, ctypes.c_int]
    x11.XKeysymToKeycode.argtypes = [ctypes.c_void_p, ctypes.c_ulong]
    x11.XStringToKeysym.restype = ctypes.c_ulong
    display = x11.XOpenDisplay(name.encode())
    if not display:
        sys.exit(f"no display {name}")
    root = x11.XDefaultRootWindow(display)

    def of_size(size):
        for window in windows(x11, display, root):
            attributes = Attributes()
            x11.XGetWindowAttributes(display, window, ctypes.byref(attributes))
            if (attributes.width, attributes.height) == size:
                return window
        sys.exit(f"no window of {size}")

    if what == "destroy":
        window = of_size((int(sys.argv[3]), int(sys.argv[4])))
        x11.XDestroyWindow(display, window)
        x11.XSync(display, 0)
        print(window)
    else:
        xtst = ctypes.CDLL("libXtst.so.6")
        xtst.XTestFakeKeyEvent.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_ulong]
        # Without a window manager nobody gives the keyboard to a window.
        x11.XSetInputFocus(display, of_size((int(sys.argv[5]), int(sys.argv[6]))), 1, 0)
        code = x11.XKeysymToKeycode(display, x11.XStringToKeysym(sys.argv[3].encode()))
        xtst.XTestFakeKeyEvent(display, code, 1, 0)
        x11.XSync(display, 0)
        time.sleep(float(sys.argv[4]))
        xtst.XTestFakeKeyEvent(display, code, 0, 0)
        x11.XSync(display, 0)
        print(code)


if __name__ == "__main__":
    main()
