//! Codes against the closed forms that define their families.

use proptest::prelude::*;
use stimulus::code::{
    GoldSet, apa, bits_of, de_bruijn, default_taps, golay_pair, m_sequence, modulated, shifted,
};
use stimulus::{Change, Code, CodeError};

/// 1 as +1, 0 as -1, twice over, so that a shift is a window.
fn twice(bits: &[bool]) -> Vec<i16> {
    let bipolar = |bit: &bool| if *bit { 1 } else { -1 };
    bits.iter().chain(bits).map(bipolar).collect()
}

/// Periodic correlation of bit i with bit i + shift.
fn periodic(one: &[i16], other: &[i16], shift: usize) -> i64 {
    let length = one.len() / 2;
    let products = one[..length].iter().zip(&other[shift..shift + length]);
    products.map(|(one, other)| i32::from(one * other)).sum::<i32>().into()
}

/// All shifts of a short code, some of a long one, the first and the last among them.
fn shifts(length: usize) -> impl Iterator<Item = usize> {
    (1..length).step_by((length / 2048).max(1)).chain([length - 1])
}

#[test]
fn m_sequences_do_not_know_their_shifts() {
    for order in 2..=16 {
        let bits = m_sequence(order, None, None).unwrap();
        let length = (1 << order) - 1;
        assert_eq!(bits.len(), length);
        assert_eq!(bits.iter().filter(|bit| **bit).count(), 1 << (order - 1), "ones of order {order}");
        let row = twice(&bits);
        for shift in shifts(length) {
            assert_eq!(periodic(&row, &row, shift), -1, "order {order}, shift {shift}");
        }
    }
}

#[test]
fn taps_and_seeds_are_followed() {
    // Order 4, 1 + x + x^4, worked by hand: each bit is the xor of the bits one and four before it.
    let by_hand = bits_of("0101 1001 0001 111").unwrap();
    assert_eq!(m_sequence(4, Some(&[1, 4]), None).unwrap(), by_hand);
    // What came last before the first bit was 1, before it 0, 0 and 0: the next is 1 xor 0.
    assert!(m_sequence(4, Some(&[1, 4]), Some(0b0001)).unwrap()[0]);
    assert!(!m_sequence(4, Some(&[1, 4]), Some(0b1001)).unwrap()[0]);
    for seed in 1..16 {
        let seeded = m_sequence(4, None, Some(seed)).unwrap();
        assert!((0..15).any(|by| shifted(&by_hand, by) == seeded), "seed {seed}");
    }
    for seed in [0, 16] {
        let refused = m_sequence(4, None, Some(seed)).unwrap_err();
        assert_eq!(refused, CodeError::Seed { seed, order: 4 });
    }
    // 1 + x^2 + x^4 is a square; 1 + x + x^2 + x^3 + x^4 is irreducible and divides 1 + x^5.
    for (taps, period) in [(&[2, 4][..], 6), (&[1, 2, 3, 4], 5)] {
        let refused = m_sequence(4, Some(taps), None).unwrap_err();
        let taps = taps.to_vec();
        assert_eq!(refused, CodeError::NotPrimitive { taps, order: 4, period, needed: 15 });
    }
    for taps in [&[1, 3][..], &[4, 1], &[0, 4], &[1, 4, 4], &[]] {
        let refused = m_sequence(4, Some(taps), None).unwrap_err();
        assert!(matches!(refused, CodeError::Taps { .. }), "{refused}");
    }
    for order in [0, 1, 17, 32, u32::MAX] {
        assert!(matches!(m_sequence(order, None, None), Err(CodeError::Order { .. })), "{order}");
        assert!(default_taps(order).is_err());
    }
}

#[test]
fn gold_codes_correlate_in_three_values() {
    for order in [3, 5, 6, 7, 9, 10, 11, 13, 14, 15] {
        let set = GoldSet::new(order).unwrap();
        assert_eq!(set.len(), (1 << order) + 1);
        let t = 1_i64 << order.midpoint(if order % 2 == 0 { 2 } else { 1 });
        let allowed = [-1, -1 - t, t - 1];
        // All pairs of small sets; of large ones some, with the two sequences that all others come from.
        let step = (set.len() / 5).max(1);
        let mut codes: Vec<_> = (0..set.len()).step_by(if order <= 5 { 1 } else { step }).collect();
        codes.extend([set.len() - 2, set.len() - 1]);
        codes.sort_unstable();
        codes.dedup();
        let rows: Vec<_> = codes.iter().map(|index| twice(&set.code(*index).unwrap())).collect();
        let mut seen = [false; 3];
        for (first, row) in rows.iter().enumerate() {
            for (second, other) in rows.iter().enumerate().skip(first) {
                for shift in shifts(row.len() / 2).chain([0]) {
                    let found = periodic(row, other, shift);
                    if first == second && shift == 0 {
                        assert_eq!(found, (1 << order) - 1);
                        continue;
                    }
                    let value = allowed.iter().position(|value| *value == found);
                    let value = value.unwrap_or_else(|| {
                        panic!("order {order}, codes {} and {}: {found}", codes[first], codes[second])
                    });
                    seen[value] = true;
                }
            }
        }
        assert_eq!(seen, [true; 3], "order {order}");
    }
    for order in [0, 1, 2, 4, 8, 12, 16, 17] {
        assert!(matches!(GoldSet::new(order), Err(CodeError::Order { .. })), "{order}");
    }
    let refused = GoldSet::new(5).unwrap().code(33).unwrap_err();
    assert_eq!(refused, CodeError::GoldIndex { index: 33, order: 5, last: 32 });
}

#[test]
fn de_bruijn_sequences_have_every_word_once() {
    assert_eq!(de_bruijn(3).unwrap(), bits_of("00010111").unwrap());
    for order in 1..=16 {
        let bits = de_bruijn(order).unwrap();
        assert_eq!(bits.len(), 1 << order);
        let mut seen = vec![false; 1 << order];
        for start in 0..bits.len() {
            let word = (0..order as usize)
                .fold(0, |word, place| 2 * word + usize::from(bits[(start + place) % bits.len()]));
            assert!(!seen[word], "order {order}: {word:b} twice");
            seen[word] = true;
        }
    }
    assert!(de_bruijn(0).is_err() && de_bruijn(17).is_err());
}

#[test]
fn golay_pairs_complement_each_other() {
    for order in 1..=16 {
        let length = 1 << order;
        let pair = golay_pair(length).unwrap();
        let rows = pair.each_ref().map(|bits| twice(bits)[..length].to_vec());
        for shift in shifts(length).chain([0]) {
            let sum: i32 = rows
                .iter()
                .flat_map(|row| row[shift..].iter().zip(row))
                .map(|(one, other)| i32::from(one * other))
                .sum();
            assert_eq!(sum, if shift == 0 { 2 * length as i32 } else { 0 }, "{length} bits, shift {shift}");
        }
    }
    for (length, shorter, longer) in
        [(0, None, Some(2)), (1, None, Some(2)), (48, Some(32), Some(64)), (65_537, Some(65_536), None)]
    {
        let refused = golay_pair(length).unwrap_err();
        let CodeError::Length { shorter: below, longer: above, .. } = refused else { panic!("{refused}") };
        assert_eq!((below, above), (shorter, longer), "{length}");
    }
}

#[test]
fn apa_sequences_correlate_at_one_shift_only() {
    let mut lengths = 0;
    for length in (2..400).chain([1_000, 1_020, 16_368, 65_364]) {
        let Ok(bits) = apa(length) else { continue };
        lengths += 1;
        let row = twice(&bits);
        for shift in shifts(length).chain([length / 2]) {
            let expected = if shift == length / 2 { 4 - length as i64 } else { 0 };
            assert_eq!(periodic(&row, &row, shift), expected, "{length} bits, shift {shift}");
        }
    }
    // The 45 odd primes below 199, 1020 = 2 (509 + 1) and the two large ones.
    assert!(lengths >= 45, "{lengths}");
    let refused = apa(63).unwrap_err();
    assert!(refused.to_string().contains("nearest are 60 and 64"), "{refused}");
    for length in [0, 7, 20, 1 << 17, usize::MAX] {
        assert!(matches!(apa(length), Err(CodeError::Length { .. })), "{length}");
    }
}

#[test]
fn rates_are_whole_frames_or_refused_or_repaired() {
    let bits = bits_of("1101_0").unwrap();
    let code = Code::realise(bits.clone(), 30.0, 60.0).unwrap();
    assert_eq!((code.frames_per_bit(), code.period_frames(), code.bit_rate_hz(60.0)), (2, 10, 30.0));
    let levels: Vec<f64> = (0..12).map(|frame| code.level(frame)).collect();
    assert_eq!(levels, [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
    let refused = Code::realise(bits.clone(), 40.0, 60.0).unwrap_err();
    assert!(refused.to_string().contains("nearest are 30.000000 bit/s and 60.000000 bit/s"), "{refused}");
    let repaired = Code::repair(bits.clone(), 40.0, 60.0).unwrap();
    assert_eq!(repaired.changes, [Change { key: "bit_rate_hz", asked: 40.0, made: 30.0 }]);
    assert_eq!(repaired.value, code);
    // 60 bit/s on a screen that was measured: a frame per bit.
    assert!(Code::realise(bits.clone(), 60.0, 59.94).is_err());
    let measured = Code::repair(bits.clone(), 60.0, 59.94).unwrap();
    assert_eq!((measured.value.frames_per_bit(), measured.changes[0].made), (1, 59.94));
    assert!(Code::repair(bits.clone(), 60.0, 60.0).unwrap().changes.is_empty());
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(
            matches!(Code::repair(bits.clone(), rate, 60.0), Err(CodeError::NotPositive { .. })),
            "{rate}"
        );
        assert!(
            matches!(Code::realise(bits.clone(), 60.0, rate), Err(CodeError::NotPositive { .. })),
            "{rate}"
        );
    }
    assert!(Code::repair(bits.clone(), 1e-300, 60.0).is_ok());
}

#[test]
fn bits_that_show_nothing_are_refused() {
    assert_eq!(Code::new(vec![true], 1), Err(CodeError::Bits { length: 1 }));
    assert_eq!(Code::new(vec![true; 8], 1), Err(CodeError::Constant { length: 8, bit: 1 }));
    assert_eq!(Code::new(vec![false, true], 0), Err(CodeError::NoFrames));
    assert_eq!(bits_of("01 0x"), Err(CodeError::Bit { place: 4, found: 'x' }));
    let code = Code::new(bits_of("0010111").unwrap(), 1).unwrap();
    assert!(code.target(7, 7).is_err() && code.target(0, 8).is_err() && code.target(0, 0).is_err());
}

proptest! {
    #[test]
    fn any_code_repeats_and_turns(
        bits in prop::collection::vec(any::<bool>(), 2..80), frames in 1_u32..9, by in 0_usize..200, frame in 0_u64..1 << 50
    ) {
        prop_assume!(bits.contains(&true) && bits.contains(&false));
        let code = Code::new(bits.clone(), frames).unwrap();
        prop_assert_eq!(code.level(frame), code.level(frame + code.period_frames()));
        // A turned code is the same that much later.
        let later = by as u64 * u64::from(frames);
        prop_assert_eq!(code.shifted(by).level(frame + later), code.level(frame));
        let doubled = modulated(&bits);
        prop_assert_eq!(doubled.len(), 2 * bits.len());
        for (pair, bit) in doubled.chunks(2).zip(&bits) {
            prop_assert_eq!(pair, if *bit { [false, true] } else { [true, false] });
        }
        // No state lasts longer than two bits, over the end as well.
        let twice = [doubled.clone(), doubled].concat();
        prop_assert!(twice.windows(3).all(|run| run.contains(&true) && run.contains(&false)));
        for targets in [1, 2, bits.len()] {
            let shifts: Vec<_> = (0..targets).map(|target| code.target(target, targets).unwrap()).collect();
            prop_assert_eq!(&shifts[0], &code);
            prop_assert_eq!(&shifts[targets - 1], &code.shifted((targets - 1) * bits.len() / targets));
        }
    }
}
