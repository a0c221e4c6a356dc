//! colour-science, numpy and scipy as judges of colours, tables and codes. Without PHOTIC_JUDGE_PYTHON it says that nothing
//! was compared.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use stimulus::{Dkl, Gamut, Light, Primary, Spectra, Transfer, TransferTable};

const WHITE_CD_M2: f64 = 118.0;
const BLACK_CD_M2: f64 = 0.4;

const LUT: &str = "code,red_cd_m2,green_cd_m2,blue_cd_m2\n0,0.4,0.4,0.4\n17,0.41,0.6,0.4\n51,1.5,4.1,0.7\n\
                   102,6.0,18.0,2.1\n153,13.5,41.0,4.4\n204,22,70,7.5\n238,24.5,81.5,8.6\n255,25,83.5,9.3\n";

fn spectra() -> String {
    let mut text = String::from("wavelength_nm,red,green,blue\n");
    for nm in (380..=780).step_by(2) {
        let bell = |peak: f64, sd: f64| (-0.5 * ((f64::from(nm) - peak) / sd).powi(2)).exp();
        let red = bell(630.0, 9.0) + 0.1 * bell(600.0, 20.0);
        let (green, blue) = (0.7 * bell(532.0, 17.0), 1.1 * bell(452.0, 10.0) + 0.02 * bell(540.0, 30.0));
        writeln!(text, "{nm},{red:.9},{green:.9},{blue:.9}").unwrap();
    }
    text
}

/// A line of the claims: a kind and its numbers.
fn claim(text: &mut String, kind: &str, numbers: &[f64]) {
    let numbers: Vec<String> = numbers.iter().map(|n| format!("{n:?}")).collect();
    writeln!(text, "{kind} {}", numbers.join(" ")).unwrap();
}

fn colours(text: &mut String, gamut: &Gamut) {
    claim(text, "screen", &[WHITE_CD_M2, BLACK_CD_M2]);
    claim(text, "weights", &gamut.luminance_weights());
    for step in 0..27 {
        let rgb @ [r, g, b] = [step % 3, step / 3 % 3, step / 9].map(|n| f64::from(n) / 2.0);
        let ([x, y], cd_m2) = gamut.xy_and_cd_m2(rgb);
        claim(text, "xy", &[r, g, b, x, y, cd_m2]);
        let contrast @ [l, m, s] = gamut.cone_contrast(rgb);
        claim(text, "contrast", &[r, g, b, l, m, s]);
        let Dkl { luminance, l_minus_m, s } = gamut.dkl_of(contrast);
        claim(text, "dkl", &[luminance, l_minus_m, s]);
    }
}

/// The same display as a colorimeter reads it, without spectra.
fn chromaticities(text: &mut String, measured: &Gamut) {
    let primaries = [0, 1, 2].map(|channel| {
        let mut rgb = [0.0; 3];
        rgb[channel] = 1.0;
        let (xy, cd_m2) = measured.xy_and_cd_m2(rgb);
        Primary { xy, cd_m2 }
    });
    let gamut = Gamut::from_primaries(&primaries, WHITE_CD_M2, BLACK_CD_M2).unwrap();
    for rgb @ [r, g, b] in [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]] {
        let (all, black) = (gamut.cones(rgb), gamut.cones([0.0; 3]));
        claim(text, "sp_red_green", &[r, g, b, all[0] - black[0], all[1] - black[1], all[2] - black[2]]);
    }
    for rgb @ [r, g, b] in [[1.0, 0.5, 0.5], [0.5, 1.0, 0.5], [0.5, 0.5, 1.0], [0.7, 0.4, 0.2]] {
        let [l, m, s] = gamut.cone_contrast(rgb);
        claim(text, "sp_contrast", &[r, g, b, l, m, s]);
    }
    claim(text, "sp_isolating", &gamut.modulation([0.0, 0.0, 0.5]).map(|change| 0.5 + change));
}

fn codes(text: &mut String) {
    for seed in [0, 1, 0xffff_ffff, 20_261_126] {
        let light = Light::prepare(&Transfer::Gamma([2.2; 3]), 8, Some(seed)).unwrap();
        for step in 0..50_u32 {
            let (pixel, frame) = ([step * 37 % 1920, step * 91 % 1080], u64::from(step) * 0x1234_5678);
            let noise = light.noise(pixel, frame);
            let frame = frame as u32;
            let numbers = [pixel[0], pixel[1], frame, seed, noise].map(f64::from);
            claim(text, "noise", &numbers);
        }
    }
    for gamma in [1.0, 1.8, 2.2, 3.1] {
        for bits in [8, 10] {
            let light = Light::prepare(&Transfer::Gamma([gamma; 3]), bits, Some(9)).unwrap();
            for step in 0..400_u32 {
                let linear = libm::powf(step as f32 / 399.0, 1.7);
                let noise = light.noise([step, 3], 7);
                let code = light.code(linear, 0, noise);
                let numbers = [gamma, f64::from(bits), f64::from(linear), f64::from(noise), f64::from(code)];
                claim(text, "code", &numbers);
            }
        }
    }
}

#[test]
fn others_find_the_same_colours_and_codes() {
    let Ok(python) = std::env::var("PHOTIC_JUDGE_PYTHON") else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "PHOTIC_JUDGE_PYTHON is not set");
        eprintln!("skipped: PHOTIC_JUDGE_PYTHON is not set");
        return;
    };
    let mut text = String::new();
    let measured =
        Gamut::from_spectra(&Spectra::parse(&spectra(), "spectra.csv").unwrap(), WHITE_CD_M2, BLACK_CD_M2);
    colours(&mut text, &measured.clone().unwrap());
    chromaticities(&mut text, &measured.unwrap());
    let table = TransferTable::parse(LUT, "lut.csv").unwrap();
    for channel in 0..3 {
        for step in 0..=200 {
            let drive = f64::from(step) / 200.0;
            claim(&mut text, "light", &[channel as f64, drive, table.light(channel, drive)]);
        }
    }
    codes(&mut text);

    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [("spectra.csv", spectra()), ("lut.csv", LUT.to_owned()), ("claims.txt", text)] {
        fs::write(folder.path().join(name), content).unwrap();
    }
    let judge = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/judges/light_colour.py");
    let said = Command::new(python).arg(judge).arg(folder.path()).output().unwrap();
    let words = [said.stdout, said.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    eprint!("{words}");
    assert!(said.status.success(), "{words}");
}
