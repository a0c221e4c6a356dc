//! Standard observers of a 2 degree field: what light is to a photometer and to the three cones.
//!
//! - Measured spectra are integrated: the CIE 1931 colour-matching functions (ISO/CIE 11664-1:2019) give
//!   X, Y, Z, and the fundamentals of Stockman and Sharpe (Vision Research 40:1711, 2000; CIE 170-1:2006) give L, M, S.
//! - Chromaticity and luminance have to do where there are no spectra: the fundamentals of Smith and Pokorny (Vision Research
//!   15:161, 1975) are linear in the tristimulus values that Judd (1951) and Vos (1978) corrected below 460 nm. Vos (Color
//!   Research and Application 3:125, 1978) gives the corrected chromaticity from that of 1931. A corrected *luminance*
//!   cannot be had without a spectrum, so the measured one stands in its place. A photometer reads a blue primary of 450
//!   nm about 14 % too low for this observer, and its L and M excitations with it.

use crate::measured::{Columns, MeasuredError};

/// Wavelength of the first row of [`OBSERVER`] and the step between rows.
const FIRST_NM: f64 = 380.0;
const STEP_NM: f64 = 5.0;

/// Spectra are taken from 380 to 780 nm and have to reach over this part of it.
const NEEDED_NM: [f64; 2] = [400.0, 700.0];

/// Readings further apart miss the narrow lines of a display's phosphors.
const WIDEST_STEP_NM: f64 = 10.0;

/// Noise about zero may reach this part of a column's peak below zero; what is lower is a mistake.
const NOISE: f64 = 0.01;

/// Lumens per watt at the peak of the photopic observer.
const LUMENS_PER_WATT: f64 = 683.0;

/// `V_F = 0.68990272 L + 0.34832189 M`: luminance of the Stockman and Sharpe observer (CIE 170-2:2015; Sharpe et al.,
/// Color Research and Application 36:42, 2011).
pub(crate) const STOCKMAN_SHARPE_LUMINANCE: [f64; 2] = [0.689_902_72, 0.348_321_89];

/// Smith and Pokorny's fundamentals are scaled so that luminance is their plain sum.
pub(crate) const SMITH_POKORNY_LUMINANCE: [f64; 2] = [1.0, 1.0];

/// Spectra of a display's red, green and blue, each at full drive and alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectra {
    columns: Columns,
}

impl Spectra {
    /// Reads a file's text: `wavelength_nm,red,green,blue`, radiances in any one unit that is proportional to W/(sr m2 nm),
    /// the same for all three. Wavelengths rise by 10 nm at most and reach from 400 to 700 nm; what lies outside the file
    /// counts as dark. Readings slightly below zero are noise and stand as they are.
    ///
    /// # Errors
    /// The first row that is not so, with its line.
    pub fn parse(text: &str, file: &str) -> Result<Self, MeasuredError> {
        let names: &[&str] = &["wavelength_nm", "red", "green", "blue"];
        let columns = Columns::parse(text, file, &[names])?;
        let nm = &columns.values[0];
        if nm.len() < 2 || nm[0] > NEEDED_NM[0] || nm[nm.len() - 1] < NEEDED_NM[1] {
            let found = match nm[..] {
                [] => "no rows".to_owned(),
                [first, .., last] => format!("{first} to {last} nm"),
                [only] => format!("{only} nm alone"),
            };
            let what = format!("{found}, wanted are spectra over {} to {} nm", NEEDED_NM[0], NEEDED_NM[1]);
            return Err(MeasuredError::new(file, what));
        }
        columns.rises(0, names[0], false)?;
        for (row, pair) in nm.windows(2).enumerate() {
            if pair[1] - pair[0] > WIDEST_STEP_NM {
                let what = format!(
                    "wavelength_nm is {}, allowed is at most {} after {}",
                    pair[1],
                    pair[0] + WIDEST_STEP_NM,
                    pair[0]
                );
                return Err(MeasuredError::new(&columns.places[row + 1], what));
            }
        }
        for (values, name) in columns.values[1..].iter().zip(&names[1..]) {
            let peak = values.iter().fold(0.0, |peak: f64, &v| peak.max(v));
            if peak == 0.0 {
                return Err(MeasuredError::new(file, format!("{name} gives no light at any wavelength")));
            }
            if let Some(row) = values.iter().position(|&v| v < -NOISE * peak) {
                let what = format!("{name} is {}, allowed is at least -1 % of its peak, {peak}", values[row]);
                return Err(MeasuredError::new(&columns.places[row], what));
            }
        }
        Ok(Self { columns })
    }

    /// Radiance of primary 0 (red), 1 or 2 at a wavelength, linear between readings.
    fn radiance(&self, primary: usize, nm: f64) -> f64 {
        let (at, values) = (&self.columns.values[0], &self.columns.values[primary + 1]);
        let above = at.partition_point(|&w| w < nm);
        match above {
            _ if above == at.len() => 0.0,
            0 if at[0] > nm => 0.0,
            0 => values[0],
            _ => {
                let part = (nm - at[above - 1]) / (at[above] - at[above - 1]);
                values[above - 1] + part * (values[above] - values[above - 1])
            }
        }
    }
}

/// X, Y, Z (Y in cd/m2 if the spectrum is in W/(sr m2 nm)) and L, M, S of a primary: sums over each nm.
pub(crate) fn xyz_and_cones(spectra: &Spectra, primary: usize) -> ([f64; 3], [f64; 3]) {
    let mut sums = [0.0; 6];
    let last = (OBSERVER.len() - 1) * STEP_NM as usize;
    for step in 0..=last {
        let radiance = spectra.radiance(primary, FIRST_NM + step as f64);
        for (sum, sensitivity) in sums.iter_mut().zip(sensitivities(step as f64 / STEP_NM)) {
            *sum += radiance * sensitivity;
        }
    }
    let [x, y, z, l, m, s] = sums.map(|sum| LUMENS_PER_WATT * sum);
    ([x, y, z], [l, m, s])
}

/// A row between the rows, by the cubic through the four nearest.
fn sensitivities(row: f64) -> [f64; 6] {
    let first = (row as usize).saturating_sub(1).min(OBSERVER.len() - 4);
    let t = row - first as f64;
    let weights = [
        -(t - 1.0) * (t - 2.0) * (t - 3.0) / 6.0,
        t * (t - 2.0) * (t - 3.0) / 2.0,
        -t * (t - 1.0) * (t - 3.0) / 2.0,
        t * (t - 1.0) * (t - 2.0) / 6.0,
    ];
    let rows = &OBSERVER[first..first + 4];
    std::array::from_fn(|k| rows.iter().zip(weights).map(|(row, weight)| weight * row[k]).sum())
}

/// L, M, S of a light of this chromaticity (CIE 1931) and luminance: Vos's correction, then the matrix of Smith and Pokorny
/// as Wyszecki and Stiles give it ("Color Science", 2nd ed. 1982, p. 615).
pub(crate) fn smith_pokorny([x, y]: [f64; 2], cd_m2: f64) -> [f64; 3] {
    let divisor = 0.038_45 * x + 0.014_96 * y + 1.0;
    let corrected_x = (1.0271 * x - 0.000_08 * y - 0.000_09) / divisor;
    let corrected_y = (0.003_76 * x + 1.0072 * y + 0.007_64) / divisor;
    let per_y = cd_m2 / corrected_y;
    let [x, y, z] = [corrected_x * per_y, cd_m2, (1.0 - corrected_x - corrected_y) * per_y];
    [0.155_14 * x + 0.543_12 * y - 0.032_86 * z, -0.155_14 * x + 0.456_84 * y + 0.032_86 * z, 0.008_01 * z]
}

/// X, Y, Z of 1931, then L, M, S of Stockman and Sharpe (energy units, peak 1; not defined below 390 nm), every 5 nm from
/// 380 nm.
#[rustfmt::skip]
const OBSERVER: [[f64; 6]; 81] = [
    [0.001368, 0.000039, 0.00645, 0.0, 0.0, 0.0],
    [0.002236, 0.000064, 0.01055, 0.0, 0.0, 0.0],
    [0.004243, 0.00012, 0.02005, 0.000415003, 0.000368349, 0.00954729],
    [0.00765, 0.000217, 0.03621, 0.00105192, 0.000958658, 0.023825],
    [0.01431, 0.000396, 0.06785, 0.00240836, 0.00226991, 0.0566498],
    [0.02319, 0.00064, 0.1102, 0.00483339, 0.0047001, 0.122451],
    [0.04351, 0.00121, 0.2074, 0.00872127, 0.00879369, 0.233008],
    [0.07763, 0.00218, 0.3713, 0.0133837, 0.0145277, 0.381363],
    [0.13438, 0.004, 0.6456, 0.018448, 0.0216649, 0.543618],
    [0.21477, 0.0073, 1.03905, 0.0229317, 0.0295714, 0.674474],
    [0.2839, 0.0116, 1.3856, 0.0281877, 0.0394566, 0.802555],
    [0.3285, 0.01684, 1.62296, 0.0341054, 0.0518199, 0.903573],
    [0.34828, 0.023, 1.74706, 0.0402563, 0.0647782, 0.99102],
    [0.34806, 0.0298, 1.7826, 0.044938, 0.0758812, 0.991515],
    [0.3362, 0.038, 1.77211, 0.0498639, 0.0870524, 0.955393],
    [0.3187, 0.048, 1.7441, 0.0553418, 0.0981934, 0.86024],
    [0.2908, 0.06, 1.6692, 0.0647164, 0.116272, 0.786704],
    [0.2511, 0.0739, 1.5281, 0.0806894, 0.144541, 0.738268],
    [0.19536, 0.09098, 1.28764, 0.0994755, 0.175893, 0.646359],
    [0.1421, 0.1126, 1.0419, 0.118802, 0.205398, 0.516411],
    [0.09564, 0.13902, 0.81295, 0.140145, 0.235754, 0.390333],
    [0.05795, 0.1693, 0.6162, 0.163952, 0.268063, 0.290322],
    [0.03201, 0.20802, 0.46518, 0.191556, 0.30363, 0.211867],
    [0.0147, 0.2586, 0.3533, 0.232926, 0.357061, 0.160526],
    [0.0049, 0.323, 0.272, 0.288959, 0.427764, 0.122839],
    [0.0024, 0.4073, 0.2123, 0.359716, 0.515587, 0.0888965],
    [0.0093, 0.503, 0.1582, 0.443683, 0.61552, 0.060821],
    [0.0291, 0.6082, 0.1117, 0.536494, 0.719154, 0.0428123],
    [0.06327, 0.71, 0.07825, 0.628561, 0.81661, 0.0292033],
    [0.1096, 0.7932, 0.05725, 0.70472, 0.88555, 0.0193912],
    [0.1655, 0.862, 0.04216, 0.77063, 0.935687, 0.0126013],
    [0.22575, 0.91485, 0.02984, 0.825711, 0.968858, 0.00809453],
    [0.2904, 0.954, 0.0203, 0.881011, 0.995217, 0.005089],
    [0.3597, 0.9803, 0.0134, 0.919067, 0.997193, 0.00316893],
    [0.43345, 0.99495, 0.00875, 0.940198, 0.977193, 0.00195896],
    [0.51205, 1.0, 0.00575, 0.965733, 0.956583, 0.00120277],
    [0.5945, 0.995, 0.0039, 0.981445, 0.91775, 0.000740174],
    [0.6784, 0.9786, 0.00275, 0.994486, 0.873205, 0.000455979],
    [0.7621, 0.952, 0.0021, 0.999993, 0.813509, 0.0002818],
    [0.8425, 0.9154, 0.0018, 0.99231, 0.740291, 0.000175039],
    [0.9163, 0.87, 0.00165, 0.969429, 0.653274, 0.000109454],
    [0.9786, 0.8163, 0.0014, 0.955602, 0.572597, 0.0000689991],
    [1.0263, 0.757, 0.0011, 0.927673, 0.492599, 0.0000439024],
    [1.0567, 0.6949, 0.001, 0.885969, 0.411246, 0.0000282228],
    [1.0622, 0.631, 0.0008, 0.833982, 0.334429, 0.0000183459],
    [1.0456, 0.5668, 0.0006, 0.775103, 0.264872, 0.0000120667],
    [1.0026, 0.503, 0.00034, 0.705713, 0.205273, 0.00000803488],
    [0.9384, 0.4412, 0.00024, 0.630773, 0.156243, 0.00000541843],
    [0.85445, 0.381, 0.00019, 0.554224, 0.116641, 0.0],
    [0.7514, 0.321, 0.0001, 0.479941, 0.0855872, 0.0],
    [0.6424, 0.265, 0.00005, 0.400711, 0.062112, 0.0],
    [0.5419, 0.217, 0.00003, 0.327864, 0.0444879, 0.0],
    [0.4479, 0.175, 0.00002, 0.265784, 0.0314282, 0.0],
    [0.3608, 0.1382, 0.00001, 0.213284, 0.0218037, 0.0],
    [0.2835, 0.107, -0.00000000000000000000190582, 0.165141, 0.015448, 0.0],
    [0.2187, 0.0816, 0.0, 0.124749, 0.010712, 0.0],
    [0.1649, 0.061, 0.0, 0.0930085, 0.00730255, 0.0],
    [0.1212, 0.04458, 0.0, 0.06851, 0.00497179, 0.0],
    [0.0874, 0.032, 0.0, 0.0498661, 0.00343667, 0.0],
    [0.0636, 0.0232, 0.0, 0.0358233, 0.00237617, 0.0],
    [0.04677, 0.017, 0.0, 0.025379, 0.00163734, 0.0],
    [0.0329, 0.01192, 0.0, 0.0177201, 0.00112128, 0.0],
    [0.0227, 0.00821, 0.0, 0.0121701, 0.000761051, 0.0],
    [0.01584, 0.005723, 0.0, 0.0084717, 0.000525457, 0.0],
    [0.0113592, 0.004102, 0.0, 0.00589749, 0.000365317, 0.0],
    [0.00811092, 0.002929, 0.0, 0.00409129, 0.000253417, 0.0],
    [0.00579035, 0.002091, 0.0, 0.00280447, 0.000174402, 0.0],
    [0.00410946, 0.001484, 0.0, 0.00192058, 0.000120608, 0.0],
    [0.00289933, 0.001047, 0.0, 0.00132687, 0.0000841716, 0.0],
    [0.00204919, 0.00074, 0.0, 0.000917777, 0.0000589349, 0.0],
    [0.00143997, 0.00052, 0.0, 0.000639373, 0.0000416049, 0.0],
    [0.000999949, 0.0003611, 0.0, 0.000446035, 0.0000294354, 0.0],
    [0.000690079, 0.0002492, 0.0, 0.000310869, 0.000020886, 0.0],
    [0.000476021, 0.0001719, 0.0, 0.000219329, 0.0000150458, 0.0],
    [0.000332301, 0.00012, 0.0, 0.000154549, 0.00001082, 0.0],
    [0.000234826, 0.0000848, 0.0, 0.000109508, 0.00000782271, 0.0],
    [0.00016615, 0.00006, 0.0, 0.0000779912, 0.00000569093, 0.0],
    [0.000117413, 0.0000424, 0.0, 0.0000556264, 0.00000413998, 0.0],
    [0.0000830753, 0.00003, 0.0, 0.0000399295, 0.00000302683, 0.0],
    [0.0000587065, 0.0000212, 0.0, 0.0000286163, 0.000002211, 0.0],
    [0.0000415099, 0.00001499, 0.0, 0.0000207321, 0.00000163433, 0.0],
];
