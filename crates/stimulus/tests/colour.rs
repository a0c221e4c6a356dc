//! Colours against closed forms, and what cannot be shown against its message.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]

use std::fmt::Write as _;

use proptest::prelude::*;
use stimulus::{ColourError, Dkl, Gamut, Primary, Spectra};

/// An office monitor with the primaries of Rec. 709.
const PRIMARIES: [Primary; 3] = [
    Primary { xy: [0.64, 0.33], cd_m2: 25.8 },
    Primary { xy: [0.30, 0.60], cd_m2: 86.2 },
    Primary { xy: [0.15, 0.06], cd_m2: 8.9 },
];

fn from_chromaticities() -> Gamut {
    Gamut::from_primaries(&PRIMARIES, 120.5, 0.25).unwrap()
}

/// Light-emitting diodes, every 4 nm as a spectroradiometer gives them.
fn spectra() -> String {
    let mut text = String::from("wavelength_nm,red,green,blue\n");
    for nm in (380..=780).step_by(4) {
        let bell = |peak: f64, sd: f64| (-0.5 * ((f64::from(nm) - peak) / sd).powi(2)).exp();
        let (red, green, blue) = (bell(628.0, 9.0), 0.8 * bell(531.0, 17.0), 1.1 * bell(452.0, 10.0));
        writeln!(text, "{nm},{red:.9},{green:.9},{blue:.9}").unwrap();
    }
    text
}

fn gamuts() -> [Gamut; 2] {
    let spectra = Spectra::parse(&spectra(), "led.csv").unwrap();
    [from_chromaticities(), Gamut::from_spectra(&spectra, 120.5, 0.25).unwrap()]
}

fn near(a: [f64; 3], b: [f64; 3], bound: f64) -> bool {
    a.into_iter().zip(b).all(|(a, b)| (a - b).abs() <= bound)
}

#[test]
fn black_white_and_grey_are_the_screens() {
    for gamut in gamuts() {
        let (white, black) = (gamut.xy_and_cd_m2([1.0; 3]), gamut.xy_and_cd_m2([0.0; 3]));
        assert!((white.1 - 120.5).abs() < 1e-10 && (black.1 - 0.25).abs() < 1e-12, "{white:?} {black:?}");
        assert!((gamut.xy_and_cd_m2([0.5; 3]).1 - 60.375).abs() < 1e-10);
        assert!((white.0[0] - black.0[0]).abs() < 1e-12 && (white.0[1] - black.0[1]).abs() < 1e-12);
        let weights = gamut.luminance_weights();
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{weights:?}");
        assert_eq!(gamut.cone_contrast([0.5; 3]), [0.0; 3]);
        // A grey modulation is the same contrast for every cone: what black leaves of it.
        let contrast = gamut.cone_contrast([0.75; 3]);
        let expected = 0.25 * (120.5 - 0.25) / 60.375;
        assert!(near(contrast, [expected; 3], 1e-12), "{contrast:?}");
    }
    // D65 is what Rec. 709's primaries make in these proportions.
    let (xy, _) = from_chromaticities().xy_and_cd_m2([1.0; 3]);
    assert!((xy[0] - 0.3127).abs() < 3e-3 && (xy[1] - 0.3290).abs() < 3e-3, "{xy:?}");
    let weights = from_chromaticities().luminance_weights();
    assert!(near(weights, [0.2126, 0.7152, 0.0722], 5e-3), "{weights:?}");
}

#[test]
fn a_reading_of_a_primary_comes_back() {
    // Full red as the colorimeter saw it, black and all.
    let gamut = from_chromaticities();
    for (channel, primary) in PRIMARIES.iter().enumerate() {
        let mut rgb = [0.0; 3];
        rgb[channel] = 1.0;
        let (xy, cd_m2) = gamut.xy_and_cd_m2(rgb);
        assert!((cd_m2 / primary.cd_m2 - 1.0).abs() < 2e-3, "{cd_m2} {primary:?}");
        assert!((xy[0] - primary.xy[0]).abs() < 1e-3 && (xy[1] - primary.xy[1]).abs() < 1e-3, "{xy:?}");
    }
}

proptest! {
    #[test]
    fn round_trips(r in 0.0..=1.0, g in 0.0..=1.0, b in 0.0..=1.0) {
        let rgb = [r, g, b];
        for gamut in gamuts() {
            let (xy, cd_m2) = gamut.xy_and_cd_m2(rgb);
            prop_assert!(near(gamut.rgb_of_xy(xy, cd_m2).unwrap(), rgb, 1e-12));
            let contrast = gamut.cone_contrast(rgb);
            let back = gamut.modulation(contrast).map(|change| 0.5 + change);
            prop_assert!(near(back, rgb, 1e-12), "{:?} {:?}", back, rgb);
            prop_assert!(near(gamut.modulation_in_gamut(contrast).unwrap().map(|c| 0.5 + c), rgb, 1e-12));
            let again = gamut.cone_contrast_of(gamut.dkl_of(contrast));
            prop_assert!(near(again, contrast, 1e-12), "{:?} {:?}", again, contrast);
        }
    }
}

#[test]
fn the_axes_are_what_they_say() {
    for gamut in gamuts() {
        let contrast = |luminance, l_minus_m, s| gamut.cone_contrast_of(Dkl { luminance, l_minus_m, s });
        // Luminance moves all cones alike, and the channels with them.
        assert!(near(contrast(0.3, 0.0, 0.0), [0.3; 3], 1e-12));
        let grey = gamut.modulation(contrast(0.3, 0.0, 0.0));
        assert!((grey[0] - grey[1]).abs() < 1e-12 && (grey[0] - grey[2]).abs() < 1e-12, "{grey:?}");
        // L - M leaves S and luminance alone; S leaves L and M alone.
        let [l, m, s] = contrast(0.0, 0.1, 0.0);
        assert!(l > 0.0 && m < 0.0 && s == 0.0 && (l - m - 0.1).abs() < 1e-12);
        assert!(gamut.dkl_of([l, m, s]).luminance.abs() < 1e-15);
        assert_eq!(contrast(0.0, 0.0, 0.4), [0.0, 0.0, 0.4]);
        let isolating = gamut.modulation([0.0, 0.0, 0.4]);
        let seen = gamut.cone_contrast(isolating.map(|change| 0.5 + change));
        assert!(near(seen, [0.0, 0.0, 0.4], 1e-12), "{seen:?}");
    }
    // Of chromaticities, what is isoluminant is so in cd/m2 as well: luminance is L + M there.
    let gamut = from_chromaticities();
    for (l_minus_m, s) in [(0.1, 0.0), (0.0, 0.5), (-0.05, 0.3)] {
        let dkl = Dkl { luminance: 0.0, l_minus_m, s };
        let rgb = gamut.modulation(gamut.cone_contrast_of(dkl)).map(|change| 0.5 + change);
        let cd_m2 = gamut.xy_and_cd_m2(rgb).1;
        assert!((cd_m2 - 60.375).abs() < 1e-9, "{cd_m2}");
    }
    let equator = Dkl::from_angles(90.0, 0.0, 0.2);
    assert!(equator.luminance == 0.0 && equator.l_minus_m.abs() < 1e-16 && equator.s == 0.2);
    assert!((Dkl::from_angles(0.0, 90.0, 0.2).luminance - 0.2).abs() < 1e-16);
}

#[test]
fn the_largest_contrast_touches_the_edge_and_no_more() {
    for gamut in gamuts() {
        for direction in
            [[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, -0.3]]
        {
            let most = gamut.largest(direction);
            let at = |factor: f64| gamut.modulation_in_gamut(direction.map(|c| c * most * factor));
            let furthest = at(1.0).unwrap().into_iter().map(f64::abs).fold(0.0, f64::max);
            assert!((furthest - 0.5).abs() < 1e-12, "{furthest}");
            assert!(matches!(at(1.001), Err(ColourError::OutOfGamut { .. })));
        }
        assert_eq!(gamut.largest([0.0; 3]), f64::INFINITY);
    }
    // The achromatic one is all of the range, less what black takes of it.
    let most = from_chromaticities().largest([1.0; 3]);
    assert!((most - (120.5 - 0.25) / (120.5 + 0.25)).abs() < 1e-12, "{most}");
}

#[test]
fn colours_that_do_not_exist_are_refused_with_numbers() {
    let gamut = from_chromaticities();
    let green = gamut.rgb_of_xy([0.3, 0.59], 100.0).unwrap_err().to_string();
    assert!(
        green.starts_with("the colour x 0.3, y 0.59 at 100 cd/m2 is out of gamut: it needs linear red "),
        "{green}"
    );
    let (from, to) = green.split_once("can be shown from ").unwrap().1.split_once(" to ").unwrap();
    let to: f64 = to.trim_end_matches(" cd/m2").parse().unwrap();
    let from: f64 = from.parse().unwrap();
    assert!(
        gamut.rgb_of_xy([0.3, 0.59], to - 1e-3).is_ok() && gamut.rgb_of_xy([0.3, 0.59], from + 1e-3).is_ok()
    );
    assert!(
        gamut.rgb_of_xy([0.3, 0.59], to + 1e-3).is_err()
            && gamut.rgb_of_xy([0.3, 0.59], from - 1e-3).is_err()
    );
    let laser = gamut.rgb_of_xy([0.17, 0.79], 20.0).unwrap_err().to_string();
    assert!(
        laser.ends_with("this chromaticity lies outside the triangle of the primaries at any luminance"),
        "{laser}"
    );
    let none = gamut.rgb_of_xy([0.5, 0.6], 20.0).unwrap_err().to_string();
    assert_eq!(none, "y is 0.6, allowed is above 0, x + y at most 1");

    let strong = gamut.modulation_in_gamut([0.3, -0.3, 0.0]).unwrap_err().to_string();
    assert!(
        strong.starts_with("the cone contrast L 0.3000, M -0.3000, S 0.0000 is out of gamut"),
        "{strong}"
    );
    let part: f64 = strong.split_once("at most ").unwrap().1.split_once(" of it").unwrap().0.parse().unwrap();
    assert!((part - gamut.largest([0.3, -0.3, 0.0])).abs() < 1e-4);

    let primaries = |change: fn(&mut [Primary; 3])| {
        let mut primaries = PRIMARIES;
        change(&mut primaries);
        Gamut::from_primaries(&primaries, 120.5, 0.25).unwrap_err().to_string()
    };
    assert_eq!(primaries(|p| p[0].xy = [0.64, 0.5]), "y of red is 0.5, allowed is above 0, x + y at most 1");
    assert_eq!(
        primaries(|p| p[2].cd_m2 = 0.2),
        "blue in cd/m2 is 0.2, allowed is more than black, 0.25 cd/m2, to below white, 120.5 cd/m2"
    );
    assert!(
        primaries(|p| p[1].cd_m2 = 60.0)
            .starts_with("red, green and blue add up to 93.950 cd/m2 above black")
    );
    assert_eq!(
        primaries(|p| p[0].xy = [0.225, 0.33]),
        "the chromaticities of red, green and blue lie on a line"
    );
}

#[test]
fn spectra_are_refused_with_their_row() {
    let good = spectra();
    let read = |text: &str| Spectra::parse(text, "led.csv").unwrap_err().to_string();
    let cut = |from: &str, to: &str| {
        assert!(good.contains(from));
        good.replacen(from, to, 1)
    };
    let row = |nm: u32| good.lines().find(|line| line.starts_with(&nm.to_string())).unwrap().to_owned();
    assert_eq!(
        read("wavelength_nm,red,green,blue\n"),
        "led.csv: no rows, wanted are spectra over 400 to 700 nm"
    );
    let short = good.lines().take_while(|line| !line.starts_with("696")).collect::<Vec<_>>().join("\n");
    assert_eq!(read(&short), "led.csv: 380 to 692 nm, wanted are spectra over 400 to 700 nm");
    let gap = cut(&format!("{}\n{}\n", row(400), row(404)), "");
    assert_eq!(read(&gap), "led.csv:7: wavelength_nm is 408, allowed is at most 406 after 396");
    let back = cut("\n404,", "\n400,");
    assert_eq!(read(&back), "led.csv:8: wavelength_nm is 400, allowed is more than 400 of the row before");
    let negative = cut(&row(400), "400,-0.02,0,0");
    assert_eq!(read(&negative), "led.csv:7: red is -0.02, allowed is at least -1 % of its peak, 1");
    let noise = cut(&row(400), "400,-0.002,0,0");
    assert!(Spectra::parse(&noise, "led.csv").is_ok());
    let dark: String = good
        .lines()
        .map(|line| match line.rsplit_once(',') {
            Some((rest, blue)) if blue != "blue" => format!("{rest},0\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    assert_eq!(read(&dark), "led.csv: blue gives no light at any wavelength");
}
