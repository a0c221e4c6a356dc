//! What the electrodes see of a population by its place in the visual field.
//!
//! The visual field lies on the occipital cortex as a map: its left half in the right hemisphere, its lower half above the
//! calcarine sulcus and so higher on the head (Holmes, Br. J. Ophthalmol. 2, 1918; Wandell, Dumoulin and Brewer, Neuron 56,
//! 2007). The leadfield is that of a source under its place on the flattened head, as wide as volume conduction makes it,
//! times the person's own topography. What it leaves out: the sulcus turns sources over, so that upper and lower field may
//! differ in sign, and areas beyond V1 have maps of their own.

use crate::montage::Electrode;

/// How far the horizontal meridian's far end lies beside the midline, and the vertical one's above and below the middle; in
/// tenths of the nasion-inion arc, as [`Electrode`].
const REACH: [f64; 2] = [2.4, 0.6];
/// Eccentricity at which half of that is reached: the fovea is magnified.
const HALF_DEG: f64 = 1.5;
/// Height of the fovea on that head: just above Oz.
const FOVEA_Y: f64 = -3.6;
/// SD of what a source gives to the scalp.
const SPREAD: f64 = 1.5;

/// Share of each electrode, at most 1, for a population at a place [x, y] in degrees from the gaze (y up), given the person's
/// topography at the same electrodes.
pub(crate) fn leadfield(centre_deg: [f64; 2], electrodes: &[Electrode], topography: &[f64]) -> Vec<f64> {
    let eccentricity_deg = libm::hypot(centre_deg[0], centre_deg[1]);
    let out = 1.0 / (eccentricity_deg + HALF_DEG);
    let source = [-REACH[0] * centre_deg[0] * out, FOVEA_Y - REACH[1] * centre_deg[1] * out];
    let share = |(electrode, share): (&Electrode, &f64)| {
        let (dx, dy) = (electrode.x - source[0], electrode.y - source[1]);
        share * libm::exp(-0.5 * (dx * dx + dy * dy) / (SPREAD * SPREAD))
    };
    let shares: Vec<f64> = electrodes.iter().zip(topography).map(share).collect();
    let most = shares.iter().copied().fold(0.0, f64::max);
    shares.iter().map(|share| if most > 0.0 { share / most } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::montage::{OCCIPITAL, electrode};

    #[test]
    fn the_left_field_is_seen_on_the_right_and_the_lower_one_higher_up() {
        let electrodes: Vec<Electrode> = OCCIPITAL.iter().map(|label| electrode(label).unwrap()).collect();
        let shares = |centre| leadfield(centre, &electrodes, &[1.0; 8]);
        let (left, right) = (shares([-2.5, 0.0]), shares([2.5, 0.0]));
        let at = |label: &str| OCCIPITAL.iter().position(|known| *known == label).unwrap();
        assert!(left[at("PO8")] > 2.0 * left[at("PO7")], "{left:?}");
        for (a, b) in [("PO7", "PO8"), ("PO3", "PO4"), ("O1", "O2"), ("Oz", "Oz"), ("POz", "POz")] {
            assert!((left[at(a)] - right[at(b)]).abs() < 1e-12);
        }
        let (lower, upper) = (shares([0.0, -2.5]), shares([0.0, 2.5]));
        assert!(lower[at("POz")] > lower[at("Oz")] && upper[at("POz")] < upper[at("Oz")]);
        assert!(left.iter().all(|share| (0.0..=1.0).contains(share)) && left.contains(&1.0));
    }
}
