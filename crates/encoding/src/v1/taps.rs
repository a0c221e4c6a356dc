//! What can be read out of the model, and what can be fitted.

use super::cortex::channels;
use super::grid::{Scale, place_deg};
use super::params::{Cell, Params};

/// A tensor of the model that has a meaning.
#[derive(Debug, Clone, PartialEq)]
pub struct Tap {
    /// The tensor's name, as `adjoint` and `photic` take it.
    pub name: String,
    /// Where the cells are: `retina` or `V1`.
    pub area: &'static str,
    /// Their kind; none for signals that no cell sends.
    pub cell: Option<Cell>,
    /// What the numbers are.
    pub meaning: &'static str,
    /// Shape for one image or one movie.
    pub shape: Vec<usize>,
    /// The scale and its preferred spatial frequency in cycles per degree, for taps of one scale.
    pub scale: Option<(usize, f64)>,
    /// Preferred orientation of each channel (axis 1) in degrees, in order; empty where there is no orientation.
    pub orientation_deg: Vec<f64>,
    /// Preferred phase of each channel in degrees, for linear filters and simple cells.
    pub phase_deg: Vec<f64>,
    /// 1 where a channel prefers motion along its orientation's direction, -1 where it prefers the opposite; empty without
    /// a time axis.
    pub direction: Vec<f64>,
}

/// A unit of a flattened tap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unit {
    /// Index of its scale.
    pub scale: usize,
    /// Preferred spatial frequency.
    pub cpd: f64,
    /// Preferred orientation.
    pub orientation_deg: f64,
    /// Preferred direction along the orientation: 1 or -1; 0 without a time axis.
    pub direction: f64,
    /// Centre of the receptive field [x, y], in degrees from the image's centre.
    pub centre_deg: [f64; 2],
    /// Standard deviation of the receptive field.
    pub rf_sigma_deg: f64,
}

/// An input by which the model is fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct FittableInput {
    /// The input's name.
    pub name: &'static str,
    /// Where a fit starts: what the parameters say.
    pub start: f64,
    /// Lowest and highest useful value.
    pub bounds: [f64; 2],
    /// What it is.
    pub meaning: &'static str,
}

/// Name of the answers of all complex cells as one vector per image (or per frame of a movie).
pub fn output_name(params: &Params) -> &'static str {
    match (params.noise, params.temporal) {
        (Some(_), _) => "v1.response",
        (None, Some(_)) => "v1.direction",
        (None, None) => "v1.complex",
    }
}

/// The model's taps, from the eye to the output.
pub fn taps(params: &Params) -> Vec<Tap> {
    let images = params.temporal.map_or(1, |time| time.frames);
    let [height, width] = params.size_px;
    let plain = |name: &str, area, meaning, shape| Tap {
        name: name.into(),
        area,
        cell: None,
        meaning,
        shape,
        scale: None,
        orientation_deg: vec![],
        phase_deg: vec![],
        direction: vec![],
    };
    let mut taps = vec![
        plain(
            "retina.weber",
            "retina",
            "contrast relative to the local luminance",
            vec![images, 1, height, width],
        ),
        plain(
            "retina.contrast",
            "retina",
            "ganglion cells, on minus off, after contrast gain control",
            vec![images, 1, height, width],
        ),
    ];
    for scale in Scale::all(params) {
        taps.extend(of_scale(params, &scale, images));
    }
    let units: usize = Scale::all(params).iter().map(|scale| channels(params) * scale.count()).sum();
    let shape = match params.temporal {
        Some(time) => vec![1, time.frames, units],
        None => vec![1, units],
    };
    let name = if params.temporal.is_some() { "v1.direction" } else { "v1.complex" };
    let meaning = "complex cells of all scales: scale by scale, channel by channel, row by row";
    taps.push(Tap { cell: Some(Cell::Complex), ..plain(name, "V1", meaning, shape.clone()) });
    if params.noise.is_some() {
        let meaning = "the same with noise";
        taps.push(Tap { cell: Some(Cell::Complex), ..plain("v1.response", "V1", meaning, shape) });
    }
    taps
}

fn of_scale(params: &Params, scale: &Scale, images: usize) -> Vec<Tap> {
    let moving = params.temporal.is_some();
    let once: Vec<f64> = (0..params.orientations).map(|index| params.orientation_deg(index)).collect();
    let tap = |name: &str, cell, meaning, phases: &[f64], moving: bool| {
        let signs: &[f64] = if moving { &[1.0, -1.0] } else { &[0.0] };
        // Phases are the outermost, then directions, then orientations.
        let each = |value: fn(f64, f64, f64) -> f64| -> Vec<f64> {
            let phases = if phases.is_empty() { &[0.0][..] } else { phases };
            let nested = phases.iter().flat_map(|&phase| {
                let once = &once;
                signs.iter().flat_map(move |&sign| once.iter().map(move |&angle| value(phase, sign, angle)))
            });
            nested.collect()
        };
        let orientation_deg = each(|_, _, angle| angle);
        Tap {
            name: format!("{name}.s{}", scale.index),
            area: "V1",
            cell,
            meaning,
            shape: vec![images, orientation_deg.len(), scale.cells[0], scale.cells[1]],
            scale: Some((scale.index, params.scales_cpd[scale.index])),
            orientation_deg,
            phase_deg: if phases.is_empty() { vec![] } else { each(|phase, _, _| phase) },
            direction: if moving { each(|_, sign, _| sign) } else { vec![] },
        }
    };
    let linear = "linear receptive fields, 1 for an optimal grating of contrast 1";
    let simple = "simple cells: half-squared, normalised";
    let complex = "complex cells: energies, normalised";
    let last = if moving { "v1.direction" } else { "v1.complex" };
    vec![
        tap("v1.linear", None, linear, &[0.0, 90.0], false),
        tap("v1.simple", Some(Cell::Simple), simple, &[0.0, 90.0, 180.0, 270.0], moving),
        tap(last, Some(Cell::Complex), complex, &[], moving),
    ]
}

/// The units of the flattened output, in order.
pub fn units(params: &Params) -> Vec<Unit> {
    let signs: &[f64] = if params.temporal.is_some() { &[1.0, -1.0] } else { &[0.0] };
    let mut units = Vec::new();
    for scale in Scale::all(params) {
        let cpd = params.scales_cpd[scale.index];
        for channel in 0..channels(params) {
            for index in 0..scale.count() {
                let centre_deg =
                    place_deg(params, scale.cells, index / scale.cells[1], index % scale.cells[1]);
                units.push(Unit {
                    scale: scale.index,
                    cpd,
                    orientation_deg: params.orientation_deg(channel % params.orientations),
                    direction: signs[channel / params.orientations],
                    centre_deg,
                    rf_sigma_deg: params.rf_sigma_deg(scale.index, centre_deg),
                });
            }
        }
    }
    units
}

/// The inputs of a fittable model beside its image, each f32 of one element, in the order of the file.
pub fn fittable_inputs(params: &Params) -> Vec<FittableInput> {
    let scotoma = params.fitted_scotoma();
    let [height, width] = params.field_deg();
    let input = |name, start, bounds, meaning| FittableInput { name, start, bounds, meaning };
    vec![
        input(
            "scotoma_x_deg",
            scotoma.centre_deg[0],
            [-width / 2.0, width / 2.0],
            "centre of a scotoma, degrees right of the image's centre",
        ),
        input(
            "scotoma_y_deg",
            scotoma.centre_deg[1],
            [-height / 2.0, height / 2.0],
            "centre of a scotoma, degrees above the image's centre",
        ),
        input(
            "scotoma_radius_deg",
            scotoma.radius_deg,
            // Half a dozen edges below zero nothing of the scotoma is left.
            [-6.0 * scotoma.softness_deg, libm::hypot(height, width)],
            "distance from the centre at which half of the sight is lost",
        ),
        input("gain", params.gain, [0.0, 1e3], "factor of all answers"),
        input(
            "rf_scale",
            params.rf_scale,
            [0.5, super::cortex::MOST_RF_SCALE],
            "factor of all receptive-field sizes; below about 0.9 the foveal ones are as small as their filters allow",
        ),
    ]
}
