"""Codes and spectra, judged by pyntbci's predicates, its own sequences and NumPy's FFT.

Reads lines from stdin: what it is, its numbers and rows of bits, with blanks between.
"""

import sys

import numpy as np
from pyntbci import stimulus

counts = {}


def agree(what, truth):
    assert truth, what
    counts[what] = counts.get(what, 0) + 1


def row(bits):
    return np.frombuffer(bits.encode(), dtype=np.uint8) - ord("0")


def periodic(bits, other=None):
    """Periodic correlation of the bipolar rows at every shift, by the FFT, as whole numbers."""
    one = 2.0 * bits - 1
    two = one if other is None else 2.0 * other - 1
    return np.rint(np.fft.ifft(np.conj(np.fft.fft(one)) * np.fft.fft(two)).real).astype(int)


def aperiodic(bits):
    one = 2 * bits.astype(int) - 1
    return np.correlate(one, one, "full")


def m_sequence(order, taps, bits):
    order, bits = int(order), row(bits)
    # pyntbci writes a polynomial as one entry per delay.
    polynomial = np.isin(np.arange(1, order + 1), [int(tap) for tap in taps.split(",")]).astype(int)
    agree("pyntbci makes the same m-sequence", np.array_equal(stimulus.make_m_sequence(list(polynomial)), bits[None]))
    if order <= 13:
        agree("is_m_sequence", stimulus.is_m_sequence(bits))
    else:
        agree("m-sequence by FFT", set(periodic(bits)[1:]) == {-1})


def gold(order, *codes):
    codes = np.array([row(bits) for bits in codes])
    agree("is_gold_code", stimulus.is_gold_code(codes))
    if order == "6":
        made = stimulus.make_gold_codes()
        agree("pyntbci makes the same set of order 6", np.array_equal(codes[: len(made)], made))


def gold_pair(order, first, second):
    t = 2 ** ((int(order) + 2) // 2)
    agree("preferred pair by FFT", set(periodic(row(first), row(second))) == {-1, -1 - t, t - 1})


def de_bruijn(order, bits):
    order, bits = int(order), row(bits)
    agree("is_de_bruijn_sequence", stimulus.is_de_bruijn_sequence(bits.astype(int), 2, order))
    agree("pyntbci makes the same de Bruijn sequence", np.array_equal(stimulus.make_de_bruijn_sequence(2, order)[0], bits))


def golay(first, second):
    # NumPy alone: pyntbci has no predicate, and the pair that it offers (1.9.0) is none: its second row is the
    # first one turned by half and inverted.
    total = aperiodic(row(first)) + aperiodic(row(second))
    wanted = np.zeros_like(total)
    wanted[len(first) - 1] = 2 * len(first)
    agree("Golay pair", np.array_equal(total, wanted))


def almost_perfect(bits):
    wanted = np.zeros(len(bits), dtype=int)
    wanted[0], wanted[len(bits) // 2] = len(bits), 4 - len(bits)
    return np.array_equal(periodic(bits), wanted)


def apa(bits):
    bits = row(bits)
    agree("APA sequence", almost_perfect(bits))
    theirs = stimulus.make_apa_sequence()[0]
    if len(bits) == len(theirs):
        # pyntbci's example (1.9.0) has its bits 9 and 10 exchanged: as it stands it correlates at 41 shifts
        # instead of one.
        theirs[[9, 10]] = theirs[[10, 9]]
        agree("pyntbci's APA sequence, put right, by the same rule", almost_perfect(theirs))
        # Ours turned, read backwards or in steps, or with 0 and 1 exchanged has the same autocorrelation.
        every = [bits[np.arange(64) * step % 64] for step in range(1, 64, 2)]
        alike = [np.roll(one ^ flip, by) for one in every for flip in (0, 1) for by in range(64)]
        agree("pyntbci's APA sequence, put right, is ours", any(np.array_equal(one, theirs) for one in alike))


def modulated(bits, doubled):
    agree("modulate", np.array_equal(stimulus.modulate(row(bits)[None])[0], row(doubled)))


def shifted(by, bits, turned):
    agree("shift", np.array_equal(stimulus.shift(row(bits), np.array([int(by)]))[0], row(turned)))


def spectrum(name, levels, amplitudes, phases):
    levels, amplitudes, phases = (np.array(text.split(","), dtype=float) for text in (levels, amplitudes, phases))
    lines = np.fft.rfft(levels) / len(levels)
    lines[1 : (len(levels) + 1) // 2] *= 2
    error = np.abs(amplitudes * np.exp(1j * phases) - lines).max()
    agree("spectrum is NumPy's FFT to 1e-12", len(lines) == len(amplitudes) and error < 1e-12)


judges = [m_sequence, gold, gold_pair, de_bruijn, golay, apa, modulated, shifted, spectrum]
judges = {judge.__name__: judge for judge in judges}
for line in sys.stdin:
    name, *rest = line.split()
    judges[name](*rest)
for what, count in counts.items():
    print(f"{what}: {count}")
