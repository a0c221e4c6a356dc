//! The version with a time axis.

use encoding::v1::{Params, Temporal};

use super::lab::{Grating, Lab, gratings, median};

/// A small field is enough, and sixteen frames take time.
fn params() -> Params {
    Params {
        size_px: [64, 64],
        width_deg: 4.0,
        scales_cpd: vec![3.2, 1.6, 0.8],
        temporal: Some(Temporal::default()),
        ..Params::default()
    }
}

/// Mean answer over the last quarter of a movie of a drifting grating.
fn answer_to_motion(lab: &mut Lab, unit: usize, grating: Grating, hz: f64) -> f64 {
    let time = lab.params.temporal.unwrap();
    let params = lab.params.clone();
    let frames: Vec<_> = (0..time.frames)
        .map(|frame| {
            let phase_deg = 360.0 * hz * frame as f64 / time.frame_rate_hz;
            gratings(&params, &[Grating { phase_deg, ..grating }])
        })
        .collect();
    let answers = lab.play(&frames);
    let units = lab.units.len();
    let late = time.frames - time.frames / 4..time.frames;
    late.clone().map(|frame| f64::from(answers[frame * units + unit])).sum::<f64>() / late.len() as f64
}

/// De Valois, Yund and Hepler, Vision Res. 22, 1982: direction index 1 - null / preferred; cells above 0.5 are called
/// direction-selective. All units of the temporal model are, over the band of temporal frequencies to which V1 answers
/// best, a few Hz (Foster, Gaska, Nagler and Pollen, J. Physiol. 365, 1985).
#[test]
fn direction_index_is_above_a_half() {
    let mut lab = Lab::new(params());
    let mut indices = Vec::new();
    for (scale, orientation) in [(0, 0), (0, 5), (1, 2), (2, 7)] {
        for direction in [1.0, -1.0] {
            let unit = lab.unit(scale, orientation, direction, [0.05, -0.05]);
            let best = Grating { contrast: 0.3, ..Grating::best(&lab.units[unit]) };
            for hz in [4.0, 6.0, 8.0] {
                let preferred = answer_to_motion(&mut lab, unit, best, direction * hz);
                let null = answer_to_motion(&mut lab, unit, best, -direction * hz);
                indices.push(1.0 - null / preferred);
            }
        }
    }
    let least = indices.iter().fold(f64::INFINITY, |least, &index| least.min(index));
    eprintln!("direction index: median {:.2}, least {least:.2}", median(&indices));
    assert!(least > 0.5);
}

/// Cells of V1 are band-pass or low-pass in time with a best frequency of a few Hz (Foster et al. 1985), and a grating
/// that stands still answers little once its appearance is over.
#[test]
fn the_best_temporal_frequency_is_a_few_hz() {
    let mut lab = Lab::new(params());
    let unit = lab.unit(1, 0, 1.0, [0.05, -0.05]);
    let best = Grating { contrast: 0.1, ..Grating::best(&lab.units[unit]) };
    let rates = [0.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0];
    let answers: Vec<f64> = rates.iter().map(|&hz| answer_to_motion(&mut lab, unit, best, hz)).collect();
    eprintln!("answers at {rates:?} Hz: {answers:.4?}");
    let peak = (0..rates.len()).max_by(|&a, &b| answers[a].total_cmp(&answers[b])).unwrap();
    assert!((4.0..=12.0).contains(&rates[peak]));
    assert!(answers[0] < 0.1 * answers[peak] && answers[7] < 0.5 * answers[peak]);
}
