//! Numbers that no model can have.

use super::grid::Scale;
use super::params::Params;

/// What is wrong with the parameters.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A number out of its range.
    #[error("{what} is {value}: {allowed}")]
    Range {
        /// The parameter.
        what: String,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// A spatial frequency for which the pixels are too coarse.
    #[error(
        "scale {scale} prefers {cpd} cpd, but {px_per_deg} px per degree carry at most {most_cpd} cpd ({LEAST_CYCLE_PX} px per cycle)"
    )]
    Frequency {
        /// Index of the scale.
        scale: usize,
        /// Its spatial frequency.
        cpd: f64,
        /// Pixels per degree.
        px_per_deg: f64,
        /// Highest spatial frequency.
        most_cpd: f64,
    },
    /// Filters that do not fit into the image.
    #[error(
        "the filters of scale {scale} ({cpd} cpd) span {span_deg:.2} deg, the image {field_deg:.2} deg: leave the scale out, or widen the field"
    )]
    Kernel {
        /// Index of the scale.
        scale: usize,
        /// Its spatial frequency.
        cpd: f64,
        /// Width of its filters.
        span_deg: f64,
        /// The shorter side of the image.
        field_deg: f64,
    },
    /// An image that does not halve as often as the coarsest scale asks.
    #[error(
        "an image of {height} x {width} px cannot be halved {times} times for scale {scale} ({cpd} cpd): both sides must be multiples of {multiple}"
    )]
    Halving {
        /// Height.
        height: usize,
        /// Width.
        width: usize,
        /// Halvings.
        times: usize,
        /// Index of the scale.
        scale: usize,
        /// Its spatial frequency.
        cpd: f64,
        /// What both sides must be multiples of.
        multiple: usize,
    },
    /// Receptive fields smaller than their filters.
    #[error(
        "fields.sigma_cycles * rf_scale is {found:.3}, but the filters of scale {scale} alone span {least:.3} cycles"
    )]
    Field {
        /// Index of the scale.
        scale: usize,
        /// The asked sigma in cycles.
        found: f64,
        /// The filters' own.
        least: f64,
    },
    /// The graph itself.
    #[error(transparent)]
    Graph(#[from] crate::onnx::GraphError),
}

/// Fewest px of a cycle: below, a filter's pass band is cut by the pixel grid.
pub const LEAST_CYCLE_PX: f64 = 4.0;
/// Most pixels of an image.
const MOST_PX: usize = 1 << 22;

pub(super) fn check(params: &Params) -> Result<(), Fault> {
    let [height, width] = params.size_px;
    within("size_px", height.saturating_mul(width) as f64, 256.0, MOST_PX as f64)?;
    positive("width_deg", params.width_deg)?;
    for (axis, name) in ["fovea_deg[0]", "fovea_deg[1]"].into_iter().enumerate() {
        within(name, params.fovea_deg[axis], -90.0, 90.0)?;
    }
    within("orientations", params.orientations as f64, 4.0, 64.0)?;
    within("number of scales", params.scales_cpd.len() as f64, 1.0, 12.0)?;
    within("bandwidth_octaves", params.bandwidth_octaves, 0.6, 2.5)?;
    within("half_width_deg", params.half_width_deg, 10.0, 45.0)?;
    within("gain", params.gain, 0.0, 1e6)?;
    within("rf_scale", params.rf_scale, 0.1, 10.0)?;
    retina(params)?;
    normalisation(params)?;
    regions(params)?;
    time(params)?;
    scales(params)
}

fn retina(params: &Params) -> Result<(), Fault> {
    let retina = &params.retina;
    positive("retina.adaptation_sigma_deg", retina.adaptation_sigma_deg)?;
    within("retina.dark_light", retina.dark_light, 1e-4, 1.0)?;
    positive("retina.centre_sigma_deg", retina.centre_sigma_deg)?;
    within("retina.surround_sigma_deg", retina.surround_sigma_deg, retina.centre_sigma_deg, 10.0)?;
    within("retina.surround_weight", retina.surround_weight, 0.0, 1.0)?;
    within("retina.gain_control_contrast", retina.gain_control_contrast, 1e-3, 1e3)?;
    positive("retina.gain_control_sigma_deg", retina.gain_control_sigma_deg)
}

fn normalisation(params: &Params) -> Result<(), Fault> {
    let pools = &params.normalisation;
    within("normalisation.sigma_contrast", pools.sigma_contrast, 1e-3, 10.0)?;
    within("normalisation.local_weight", pools.local_weight, 0.0, 100.0)?;
    within("normalisation.surround_weight", pools.surround_weight, 0.0, 100.0)?;
    within("normalisation.surround_size", pools.surround_size, 1.0, 10.0)?;
    within("normalisation.neighbour_scale", pools.neighbour_scale, 0.0, 10.0)?;
    within("fields.sigma_cycles", params.fields.sigma_cycles, 0.05, 10.0)?;
    positive("fields.e2_deg", params.fields.e2_deg)
}

fn regions(params: &Params) -> Result<(), Fault> {
    for (index, scotoma) in params.scotomata.iter().enumerate() {
        let name = |field: &str| format!("scotomata[{index}].{field}");
        within(&name("centre_deg[0]"), scotoma.centre_deg[0], -180.0, 180.0)?;
        within(&name("centre_deg[1]"), scotoma.centre_deg[1], -180.0, 180.0)?;
        within(&name("radius_deg"), scotoma.radius_deg, 0.0, 180.0)?;
        within(&name("softness_deg"), scotoma.softness_deg, 1e-3, 90.0)?;
        within(&name("depth"), scotoma.depth, 0.0, 1.0)?;
    }
    for (index, lesion) in params.lesions.iter().enumerate() {
        let name = |field: &str| format!("lesions[{index}].{field}");
        within(&name("gain"), lesion.gain, 0.0, 100.0)?;
        if let Some(scale) = lesion.scale {
            within(&name("scale"), scale as f64, 0.0, params.scales_cpd.len() as f64 - 1.0)?;
        }
        if let Some(orientation) = lesion.orientation {
            within(&name("orientation"), orientation as f64, 0.0, params.orientations as f64 - 1.0)?;
        }
    }
    if let Some(noise) = &params.noise {
        within("noise.fano", noise.fano, 0.0, 1e3)?;
        within("noise.floor", noise.floor, 1e-9, 1e3)?;
    }
    Ok(())
}

fn time(params: &Params) -> Result<(), Fault> {
    let Some(time) = &params.temporal else { return Ok(()) };
    within("temporal.frames", time.frames as f64, 2.0, 1024.0)?;
    within("temporal.frame_rate_hz", time.frame_rate_hz, 1.0, 1e4)?;
    // At most one radian of the filters' own rate per third of a frame, or they are not sampled.
    within("temporal.rate_per_s", time.rate_per_s, 1.0, 3.0 * time.frame_rate_hz)?;
    within("temporal.fast_order", f64::from(time.fast_order), 1.0, 16.0)?;
    within("temporal.slow_order", f64::from(time.slow_order), f64::from(time.fast_order) + 1.0, 18.0)
}

fn scales(params: &Params) -> Result<(), Fault> {
    let px_per_deg = params.px_per_deg();
    let [height, width] = params.size_px;
    let field_deg = params.field_deg().into_iter().fold(f64::INFINITY, f64::min);
    for (scale, &cpd) in params.scales_cpd.iter().enumerate() {
        positive(&format!("scales_cpd[{scale}]"), cpd)?;
        if scale > 0 {
            let before = params.scales_cpd[scale - 1];
            within(&format!("scales_cpd[{scale}]"), cpd, 0.0, before / 1.05)?;
        }
        let most_cpd = px_per_deg / LEAST_CYCLE_PX;
        if cpd > most_cpd * (1.0 + 1e-9) {
            return Err(Fault::Frequency { scale, cpd, px_per_deg, most_cpd });
        }
        let plan = Scale::new(params, scale);
        let span_deg = plan.kernel as f64 * plan.px_deg(params);
        if span_deg > field_deg {
            return Err(Fault::Kernel { scale, cpd, span_deg, field_deg });
        }
        let times = plan.level + 1;
        let multiple = 1 << times;
        if height % multiple != 0 || width % multiple != 0 {
            return Err(Fault::Halving { height, width, times, scale, cpd, multiple });
        }
        let found = params.fields.sigma_cycles * params.rf_scale;
        let least = super::filters::Bank::new(params, &plan).sigma_px / plan.cycle_px;
        if !params.fittable && found < least {
            return Err(Fault::Field { scale, found, least });
        }
    }
    Ok(())
}

fn positive(what: &str, value: f64) -> Result<(), Fault> {
    within(what, value, f64::MIN_POSITIVE, 1e6)
}

/// Refuses what is not between two numbers; NaN is between none.
fn within(what: &str, value: f64, low: f64, high: f64) -> Result<(), Fault> {
    if value >= low && value <= high {
        return Ok(());
    }
    let allowed = match (low, high) {
        (f64::MIN_POSITIVE, high) => format!("above 0, at most {high}"),
        (low, high) => format!("{low} to {high}"),
    };
    Err(Fault::Range { what: what.into(), value: value.to_string(), allowed })
}
