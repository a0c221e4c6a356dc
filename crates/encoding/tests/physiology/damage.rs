//! Scotomata, blind spots, lesions, noise.

use adjoint::{Limits, Model, Spec};
use encoding::v1::{self, Cell, Eye, Lesion, Noise, Params, Scotoma};
use ndarray::ArrayD;

use super::lab::{Grating, Lab, gratings, image};

/// A patch on a unit's place.
fn patch(lab: &Lab, unit: usize) -> Grating {
    let best = Grating::best(&lab.units[unit]);
    Grating { radius_deg: 0.8 / best.cpd, ..best }
}

#[test]
fn a_scotoma_silences_its_region_and_nothing_else() {
    let centre_deg = [1.0, -1.5];
    let scotoma = Scotoma { centre_deg, radius_deg: 1.2, softness_deg: 0.05, depth: 1.0 };
    let params = Params { scotomata: vec![scotoma], ..Params::default() };
    let (mut sound, mut blind) = (Lab::new(Params::default()), Lab::new(params.clone()));
    for (place, silent) in
        [(centre_deg, true), ([1.6, -1.2], true), ([-1.5, 1.5], false), ([1.0, 1.5], false)]
    {
        for scale in [0, 1] {
            let unit = sound.unit(scale, 4, 0.0, place);
            let shown = gratings(&params, &[patch(&sound, unit)]);
            let ratio = f64::from(blind.show(&shown)[unit]) / f64::from(sound.show(&shown)[unit]);
            eprintln!("scale {scale} at {place:?}: {ratio:.4} of the sound answer");
            assert!(if silent { ratio < 0.02 } else { (ratio - 1.0).abs() < 0.02 });
        }
    }
}

#[test]
fn one_eye_has_a_blind_spot_on_its_temporal_side() {
    let params = |eye| Params { width_deg: 40.0, scales_cpd: vec![0.8, 0.4], eye, ..Params::default() };
    let mut both = Lab::new(params(Eye::Both));
    for (eye, side) in [(Eye::Left, -1.0), (Eye::Right, 1.0)] {
        let mut one = Lab::new(params(eye));
        for (x, blind) in [(15.5 * side, true), (-15.5 * side, false), (0.0, false)] {
            let unit = both.unit(0, 0, 0.0, [x, -1.5]);
            let grating = Grating { radius_deg: 1.5, ..Grating::best(&both.units[unit]) };
            let shown = gratings(&params(eye), &[grating]);
            let ratio = f64::from(one.show(&shown)[unit]) / f64::from(both.show(&shown)[unit]);
            eprintln!("{eye:?} eye at x = {x} deg: {ratio:.3}");
            assert!(if blind { ratio < 0.1 } else { (ratio - 1.0).abs() < 0.02 });
        }
    }
}

#[test]
fn a_lesion_silences_its_cells_and_frees_the_others_from_them() {
    let lesion = Lesion { scale: Some(1), orientation: Some(2), cell: Some(Cell::Complex), gain: 0.0 };
    let params = Params { lesions: vec![lesion], ..Params::default() };
    let (mut sound, mut lesioned) = (Lab::new(Params::default()), Lab::new(params.clone()));
    let unit = sound.unit(1, 6, 0.0, [0.1, 0.1]);
    let test = Grating { contrast: 0.2, ..patch(&sound, unit) };
    let mask = Grating { orientation_deg: test.orientation_deg - 90.0, contrast: 0.4, ..test };
    let masked = gratings(&params, &[test, mask]);
    let (before, after) = (sound.show(&masked), lesioned.show(&masked));
    for (unit, (&before, &after)) in sound.units.iter().zip(before.iter().zip(&after)) {
        let hit = unit.scale == 1 && unit.orientation_deg == 45.0;
        assert!(if hit { after == 0.0 } else { after >= 0.999 * before });
    }
    eprintln!("cross-orientation suppression lifted: {:.2} -> {:.2}", before[unit], after[unit]);
    assert!(after[unit] > 1.2 * before[unit]);
}

#[test]
fn a_lesion_of_simple_cells_reaches_the_complex_ones() {
    let lesion = Lesion { scale: None, orientation: Some(0), cell: Some(Cell::Simple), gain: 0.25 };
    let params = Params { lesions: vec![lesion], ..Params::default() };
    let dim = |lab: &mut Lab, unit: usize| {
        let shown = gratings(&params, &[Grating { contrast: 0.01, ..Grating::best(&lab.units[unit]) }]);
        f64::from(lab.show(&shown)[unit])
    };
    let (mut sound, mut lesioned) = (Lab::new(Params::default()), Lab::new(params.clone()));
    let unit = sound.unit(1, 0, 0.0, [0.1, 0.1]);
    let ratio = dim(&mut lesioned, unit) / dim(&mut sound, unit);
    assert!((ratio - 0.25).abs() < 0.01, "{ratio}");
}

#[test]
fn noise_has_the_variance_that_was_asked_for() {
    let noise = Noise { fano: 0.3, floor: 0.01 };
    let params = Params { size_px: [32, 32], width_deg: 2.0, scales_cpd: vec![3.2], ..Params::default() };
    let noisy = Params { noise: Some(noise), ..params.clone() };
    let mut clean = Lab::new(params.clone());
    let unit = clean.unit(0, 0, 0.0, [0.0, 0.0]);
    let shown = gratings(&params, &[Grating::best(&clean.units[unit])]);
    let answers = clean.show(&shown);
    let bytes = v1::build(&noisy).unwrap();
    let model = Model::from_bytes("v1", &bytes, &Limits::default()).unwrap();
    let mut gradient = model.gradient(&Spec::new().untimed()).unwrap();
    let light = shown.mapv(|v| v as f32).into_shape_with_order(vec![1, 1, 32, 32]).unwrap();
    let mut random = random::Random::new(3, 0);
    let (mut sum, mut squares, trials) = (0.0, 0.0, 1500);
    for _ in 0..trials {
        let numbers = ArrayD::from_shape_fn(vec![1, answers.len()], |_| random.normal() as f32);
        let found = gradient.forward(&[light.view(), numbers.view()]).unwrap();
        let off = f64::from(found[0][[0, unit]] - answers[unit]);
        (sum, squares) = (sum + off, squares + off * off);
    }
    let n = f64::from(trials);
    let (mean, variance) = (sum / n, squares / n);
    let wanted = noise.fano * f64::from(answers[unit]) + noise.floor;
    eprintln!("noise: mean {mean:.4}, variance {variance:.4}, asked for {wanted:.4}");
    // Four standard errors of a mean and of a variance of normal numbers.
    assert!(mean.abs() < 4.0 * (wanted / n).sqrt());
    assert!((variance / wanted - 1.0).abs() < 4.0 * (2.0 / n).sqrt());
}

/// What lies outside of the image is like its border: a bright image is no edge.
#[test]
fn the_border_of_the_image_is_no_stimulus() {
    let mut lab = Lab::new(Params::default());
    let slope = image(&Params::default(), |[x, _]| 0.02 * x);
    let answers = lab.show(&slope);
    let most = answers.iter().fold(0.0f32, |most, &value| most.max(value));
    assert!(most < 0.02, "{most}");
}
