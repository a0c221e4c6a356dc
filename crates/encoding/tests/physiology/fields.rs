//! Where cells look, and how widely.

use encoding::v1::Params;

use super::lab::{Lab, image, line};

/// Receptive fields grow in proportion to eccentricity: Hubel and Wiesel, J. Comp. Neurol. 158, 1974; in humans Dumoulin
/// and Wandell, NeuroImage 39, 2008. Mapped by dim spots of one px, a grid of them at once, 2 deg apart.
#[test]
fn receptive_field_size_is_linear_in_eccentricity() {
    let params = Params::default();
    let mut lab = Lab::new(params.clone());
    let places: Vec<[f64; 2]> =
        (0..12).map(|step| [-2.9 + 0.5 * f64::from(step), 0.4 - 0.1 * f64::from(step)]).collect();
    let units: Vec<usize> = places.iter().map(|&place| lab.unit(0, 2, 0.0, place)).collect();
    let px = params.px_per_deg();
    let mut sums = vec![[0.0f64; 6]; units.len()];
    for shift in 0..32 * 32 {
        let offset = [f64::from(shift % 32) / px, f64::from(shift / 32) / px];
        // The spot of a column of the grid that is nearest to x: within half a px of it there is light.
        let away = |value: f64, offset: f64| {
            let steps = (value - offset) / 2.0;
            2.0 * (steps - steps.round())
        };
        let half_px = 0.5 / px;
        let spots = image(&params, |[x, y]| {
            let on = away(x - half_px, offset[0]).abs() < 0.9 * half_px;
            if on && away(y - half_px, offset[1]).abs() < 0.9 * half_px { 0.2 } else { 0.0 }
        });
        let answers = lab.show(&spots);
        for (sum, &unit) in sums.iter_mut().zip(&units) {
            let [cx, cy] = lab.units[unit].centre_deg;
            // From the unit to its nearest spot.
            let x = -away(cx - half_px, offset[0]);
            let y = -away(cy - half_px, offset[1]);
            let answer = f64::from(answers[unit]);
            for (sum, weight) in sum.iter_mut().zip([1.0, x, y, x * x, y * y, 0.0]) {
                *sum += answer * weight;
            }
        }
    }
    let (mut eccentricities, mut sizes, mut wanted) = (Vec::new(), Vec::new(), Vec::new());
    for (sum, &unit) in sums.iter().zip(&units) {
        let [mass, x, y, xx, yy, _] = *sum;
        let (x, y) = (x / mass, y / mass);
        assert!(x.hypot(y) < 0.03, "the field of unit {unit} lies {x:.3}, {y:.3} deg off its place");
        sizes.push((0.5 * (xx / mass - x * x + yy / mass - y * y)).sqrt());
        let [cx, cy] = lab.units[unit].centre_deg;
        eccentricities.push(cx.hypot(cy));
        wanted.push(lab.units[unit].rf_sigma_deg);
    }
    let ([intercept, slope], r) = line(&eccentricities, &sizes);
    let set = params.fields.sigma_cycles / params.scales_cpd[0];
    eprintln!(
        "sigma = {intercept:.4} + {slope:.4} e deg, r {r:.4}; set: {set:.4} + {:.4} e",
        set / params.fields.e2_deg
    );
    assert!(r > 0.99);
    assert!((slope / (set / params.fields.e2_deg) - 1.0).abs() < 0.1);
    for (found, wanted) in sizes.iter().zip(&wanted) {
        assert!((found / wanted - 1.0).abs() < 0.1, "{found} for {wanted} deg");
    }
}

/// The fovea can be anywhere.
#[test]
fn the_smallest_fields_are_where_the_person_looks() {
    let params = Params { fovea_deg: [2.0, 1.0], ..Params::default() };
    let lab = Lab::new(params);
    let sigma = |place| lab.units[lab.unit(1, 0, 0.0, place)].rf_sigma_deg;
    assert!(sigma([2.0, 1.0]) < 0.5 * sigma([-2.0, 1.0]));
    assert!((sigma([0.0, 1.0]) - sigma([4.0, 1.0])).abs() < 0.1 * sigma([0.0, 1.0]));
}
