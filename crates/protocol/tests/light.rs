//! A rig's light: what is read, and what is refused where.

use protocol::{ProtocolError, Rig, RigLut, RigPrimaries, RigTransfer};

const SCREEN: &str = "[screen]\nwidth_px = 320\nheight_px = 240\nwidth_cm = 32.0\nheight_cm = 24.0\n\
                      distance_cm = 57.3\nrefresh_hz = 60.0\nluminance_max_cd_m2 = 120.0\nluminance_min_cd_m2 = 0.5\n";

const LUT: &str = "[screen.lut]\ncode = [0, 64, 128, 192, 255]\ncd_m2 = [0.5, 6, 27, 64, 119]\n";

const PRIMARIES: &str = "gamma = 2.2\n[screen.primaries]\nred_xy = [0.64, 0.33]\nred_cd_m2 = 26\ngreen_xy = [0.3, 0.6]\n\
                         green_cd_m2 = 86\nblue_xy = [0.15, 0.06]\nblue_cd_m2 = 9.2\n";

fn rig(light: &str) -> Result<Rig, ProtocolError> {
    Rig::parse(&format!("{SCREEN}{light}"), "f.toml")
}

#[test]
fn every_form_is_read() {
    let plain = rig("gamma = 2.2\n").expect("valid");
    assert_eq!(plain.light.transfer, RigTransfer::Gamma(2.2));
    assert_eq!((plain.light.bits, plain.light.dither, plain.screen.gamma), (8, false, 2.2));
    assert_eq!(plain.light.primaries, None);

    let three = rig("gamma_rgb = [2.1, 2.2, 2.3]\nbits = 10\ndither = true\n").expect("valid");
    assert_eq!(three.light.transfer, RigTransfer::GammaRgb([2.1, 2.2, 2.3]));
    assert_eq!((three.light.bits, three.light.dither), (10, true));

    let grey =
        RigLut::Inline { code: vec![0, 64, 128, 192, 255], cd_m2: vec![vec![0.5, 6.0, 27.0, 64.0, 119.0]] };
    assert_eq!(rig(LUT).expect("valid").light.transfer, RigTransfer::Lut(grey));
    let colours = LUT.replace(
        "cd_m2 = [0.5, 6, 27, 64, 119]",
        "red_cd_m2 = [0.5, 2, 7, 14, 26]\ngreen_cd_m2 = [0.5, 5, 20, 44, 86]\nblue_cd_m2 = [0.5, 0.7, 2, 5, 9]",
    );
    let read = rig(&colours).expect("valid").light.transfer;
    assert!(matches!(&read, RigTransfer::Lut(RigLut::Inline { cd_m2, .. }) if cd_m2.len() == 3), "{read:?}");
    let file = rig("lut = { file = \"lut.csv\" }\n").expect("valid").light.transfer;
    assert_eq!(file, RigTransfer::Lut(RigLut::File("lut.csv".to_owned())));

    let Some(RigPrimaries::Measured(primaries)) = rig(PRIMARIES).expect("valid").light.primaries else {
        panic!("no primaries")
    };
    assert_eq!((primaries[1].xy, primaries[2].cd_m2), ([0.3, 0.6], 9.2));
    let spectra = rig("gamma = 2.2\nprimaries = { file = \"led.csv\" }\n").expect("valid").light.primaries;
    assert_eq!(spectra, Some(RigPrimaries::Spectra("led.csv".to_owned())));
}

#[test]
#[rustfmt::skip] // a table: one fault per line
fn faults_name_their_place() {
    let cases = [
        ("gamma = 2.2\ngamma_rgb = [2, 2, 2]", "f.toml:11:1: screen.gamma_rgb: cannot stand beside gamma; only one of gamma, gamma_rgb, lut"),
        ("", "f.toml:1:2: screen: missing; wanted: one of gamma, gamma_rgb, lut"),
        ("gamma = 6", "f.toml:10:9: screen.gamma: found 6, allowed: a number from 0.5 to 5"),
        ("gamma_rgb = [2.2, 2.2]", "f.toml:10:13: screen.gamma_rgb: found [2.2, 2.2], allowed: a list of 3, each a number from 0.5 to 5"),
        ("gamma = 2.2\nbits = 9", "f.toml:11:8: screen.bits: found 9, allowed: 8 or 10"),
        ("gamma = 2.2\nbits = 12", "f.toml:11:8: screen.bits: found 12, allowed: a whole number from 8 to 10"),
        ("gamma = 2.2\ndither = 1", "f.toml:11:10: screen.dither: found 1, allowed: true or false"),
        ("lut = { file = \"a.csv\", cd_m2 = [1] }", "f.toml:10:25: screen.lut.cd_m2: cannot stand beside file"),
        ("lut = { code = [0, 64, 128, 255] }", "f.toml:10:16: screen.lut.code: found [0, 64, 128, 255], allowed: at least 5 rising codes from 0 to 255 or 1023, full drive"),
        ("lut = { code = [0, 64, 64, 192, 255], cd_m2 = [0, 1, 2, 3, 4] }", "f.toml:10:16: screen.lut.code: found [0, 64, 64, 192, 255], allowed: at least 5 rising codes from 0 to 255 or 1023, full drive"),
        ("lut = { code = [0, 64, 128, 192, 255], cd_m2 = [0, 6, 27, 64] }", "f.toml:10:48: screen.lut.cd_m2: found [0, 6, 27, 64], allowed: a list of 5, each a number from 0 to 100000"),
        ("lut = { code = [0, 64, 128, 192, 255], cd_m2 = [0, 6, 27, 26, 120] }", "f.toml:10:48: screen.lut.cd_m2: found [0, 6, 27, 26, 120], allowed: luminances that never fall: 26 at code 192 is below 27"),
        ("lut = { code = [0, 64, 128, 192, 255], cd_m2 = [0.5, 6, 27, 64, 240] }", "f.toml:10:1: screen.lut: its white is 240.000 cd/m2, luminance_max_cd_m2 is 120; they may differ by 6.000"),
        ("lut = { code = [0, 64, 128, 192, 255] }", "f.toml:10:1: screen.lut: missing; wanted: one of cd_m2, red_cd_m2"),
    ];
    for (light, message) in cases {
        let error = rig(&format!("{light}\n")).expect_err(light).to_string();
        assert_eq!(error.lines().next(), Some(message), "{light}");
    }
    let primaries = [
        ("red_xy = [0.64, 0.33]", "red_xy = [0.64, 0.43]", "f.toml:12:10: screen.primaries.red_xy: found [0.64, 0.43], allowed: x and y of a colour: y above 0, x + y at most 1"),
        ("blue_cd_m2 = 9.2", "", "f.toml:11:9: screen.primaries.blue_cd_m2: missing; wanted: a number above 0.5, below 120 cd/m2"),
        ("blue_cd_m2 = 9.2", "blue_cd_m2 = 0.4", "f.toml:17:14: screen.primaries.blue_cd_m2: found 0.4, allowed: a number above 0.5, below 120 cd/m2"),
        ("green_cd_m2 = 86", "green_cd_m2 = 60", "f.toml:11:9: screen.primaries: red, green and blue add up to 93.700 cd/m2 above black, white is 119.500 above black; they may differ by 6.000: either was measured at another brightness, or the channels depend on each other"),
        ("blue_cd_m2 = 9.2", "file = \"led.csv\"", "f.toml:12:1: screen.primaries.red_xy: cannot stand beside file"),
    ];
    for (from, to, message) in primaries {
        let error = rig(&PRIMARIES.replace(from, to)).expect_err(to).to_string();
        assert_eq!(error.lines().next(), Some(message), "{to}");
    }
}

#[test]
fn the_lines_that_the_example_offers_are_valid() {
    let text = include_str!("../../../protocols/lab-rig.toml");
    let with = |keys: &[&str]| {
        let text = keys
            .iter()
            .fold(text.to_owned(), |text, key| text.replace(&format!("# {key} ="), &format!("{key} =")));
        Rig::parse(&text, "lab-rig.toml")
    };
    let rig = with(&["bits", "dither", "primaries"]).expect("valid");
    assert!(rig.light.dither && rig.light.bits == 10 && rig.light.primaries.is_some());
    for key in ["gamma_rgb", "lut"] {
        let both = with(&[key]).expect_err("two transfers");
        assert_eq!(both.key(), Some(format!("screen.{key}").as_str()));
    }
}
