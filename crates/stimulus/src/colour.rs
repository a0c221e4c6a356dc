//! Colours of a display: cd/m2 and chromaticity, cone contrasts, and the axes of Derrington, Krauskopf and Lennie.
//!
//! A colour on the screen is linear red, green and blue, each 0..=1 of its channel's range above black. Every stimulus
//! modulates about the mean grey (0.5, 0.5, 0.5), so a direction in colour space is three changes of -0.5..=0.5 there.
//!
//! **Cone contrast** is the change of each cone's excitation as a part of its excitation by the mean grey, black included.
//!
//! **DKL** (Derrington, Krauskopf and Lennie, Journal of Physiology 357:241, 1984; as mechanisms: Brainard in Kaiser and
//! Boynton, "Human Color Vision", 1996) has three axes, each with its own scaling in the literature. Here each counts the
//! contrast of its mechanism, which needs no display to be stated:
//!
//! - `luminance`: dY/Y of the observer's luminance, a weighted sum of L and M (the achromatic axis: all cones alike);
//! - `l_minus_m`: dL/L - dM/M, at constant luminance and constant S;
//! - `s`: dS/S - dY/Y, at constant L and M where the other two are 0.
//!
//! Isoluminant means so for the standard observer. People differ by up to a tenth in the weights of L and M; flicker
//! photometry finds a participant's own.

use thiserror::Error;

use crate::measured::MeasuredError;
use crate::observer::{
    SMITH_POKORNY_LUMINANCE, STOCKMAN_SHARPE_LUMINANCE, Spectra, smith_pokorny, xyz_and_cones,
};
use crate::scene::MEAN_LUMINANCE;
use crate::transfer::AGREEMENT;

/// What a channel may miss 0..=1 by rounding.
const ROUNDING: f64 = 1e-9;

type Matrix = [[f64; 3]; 3];

/// Light of one primary at full drive, the others at 0, as a colorimeter reads it: the screen's black is in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Primary {
    /// CIE 1931 chromaticity x, y.
    pub xy: [f64; 2],
    /// Luminance in cd/m2.
    pub cd_m2: f64,
}

/// Whose cones are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observer {
    /// Smith and Pokorny 1975, from chromaticities; blue's L and M are about 14 % too low, see [`crate::observer`].
    SmithPokorny,
    /// Stockman and Sharpe 2000 (CIE 170-1:2006, 2 degrees), from spectra.
    StockmanSharpe,
}

impl Observer {
    /// As a methods section names it.
    pub fn name(self) -> &'static str {
        match self {
            Observer::SmithPokorny => "Smith and Pokorny (1975), from CIE 1931 x, y by Vos (1978)",
            Observer::StockmanSharpe => "Stockman and Sharpe (2000), 2 degrees, from spectra",
        }
    }
}

/// Contrast of the three mechanisms; see the module.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Dkl {
    /// dY/Y.
    pub luminance: f64,
    /// dL/L - dM/M.
    pub l_minus_m: f64,
    /// dS/S - dY/Y.
    pub s: f64,
}

impl Dkl {
    /// From the sphere: azimuth 0 is +(L - M), 90 is +S; elevation 90 is +luminance; the radius is a contrast.
    pub fn from_angles(azimuth_deg: f64, elevation_deg: f64, radius: f64) -> Self {
        let (azimuth, elevation) = (azimuth_deg.to_radians(), elevation_deg.to_radians());
        let in_plane = radius * libm::cos(elevation);
        Self {
            luminance: radius * libm::sin(elevation),
            l_minus_m: in_plane * libm::cos(azimuth),
            s: in_plane * libm::sin(azimuth),
        }
    }
}

/// Why a colour cannot be had.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ColourError {
    /// A number outside its range.
    #[error("{what} is {value}, allowed is {allowed}")]
    Range {
        /// Its name.
        what: String,
        /// The number found.
        value: f64,
        /// What is allowed, in words.
        allowed: String,
    },
    /// A file of spectra.
    #[error(transparent)]
    Spectra(#[from] MeasuredError),
    /// The primaries are not this screen's, or its channels do not add up.
    #[error(
        "red, green and blue add up to {sum:.3} cd/m2 above black, white is {white:.3} above black; they may differ by \
         {allowed:.3}: either was measured at another brightness, or the channels depend on each other"
    )]
    NotAdditive {
        /// Sum of the primaries in cd/m2.
        sum: f64,
        /// White in cd/m2.
        white: f64,
        /// 5 % of white.
        allowed: f64,
    },
    /// Three primaries on a line make no colours.
    #[error("the chromaticities of red, green and blue lie on a line")]
    Flat,
    /// The display has no such colour.
    #[error(
        "{wanted} is out of gamut: it needs linear red {:.4}, green {:.4}, blue {:.4}, allowed is 0 to 1; {hint}",
        .rgb[0], .rgb[1], .rgb[2]
    )]
    OutOfGamut {
        /// The colour, in the units in which it was asked for.
        wanted: String,
        /// The linear light that it would need.
        rgb: [f64; 3],
        /// What could be had instead, with numbers.
        hint: String,
    },
}

/// A display's colours, prepared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gamut {
    observer: Observer,
    /// cd/m2 of X, Y, Z (rows) per linear red, green, blue (columns), and back.
    to_xyz: Matrix,
    from_xyz: Matrix,
    black_xyz: [f64; 3],
    to_cones: Matrix,
    from_cones: Matrix,
    grey_cones: [f64; 3],
    /// Parts of L and M in the luminance of the mean grey; they add up to 1.
    parts: [f64; 2],
}

impl Gamut {
    /// From chromaticities and luminances of red, green and blue; white and black in cd/m2 are the screen's. The primaries
    /// are scaled (by 5 % at most) so that they add up to white, and black has the chromaticity of white.
    ///
    /// # Errors
    /// Numbers outside their range, primaries that do not add up to white or that lie on a line.
    pub fn from_primaries(
        primaries: &[Primary; 3],
        max_cd_m2: f64,
        min_cd_m2: f64,
    ) -> Result<Self, ColourError> {
        for (primary, name) in primaries.iter().zip(["red", "green", "blue"]) {
            let ([x, y], cd_m2) = (primary.xy, primary.cd_m2);
            range(format!("x of {name}"), x, (0.0..1.0).contains(&x), "0 to 1")?;
            range(format!("y of {name}"), y, y > 0.0 && x + y <= 1.0, "above 0, x + y at most 1")?;
            let allowed = format!("more than black, {min_cd_m2} cd/m2, to below white, {max_cd_m2} cd/m2");
            range(format!("{name} in cd/m2"), cd_m2, cd_m2 > min_cd_m2 && cd_m2 < max_cd_m2, &allowed)?;
        }
        let sum = primaries.iter().map(|p| p.cd_m2).sum::<f64>() - 3.0 * min_cd_m2;
        let (white, allowed) = (max_cd_m2 - min_cd_m2, AGREEMENT * max_cd_m2);
        if (sum - white).abs() > allowed {
            return Err(ColourError::NotAdditive { sum, white, allowed });
        }
        let xyz = primaries.map(|p| tristimulus(p.xy, p.cd_m2));
        let cones = primaries.map(|p| smith_pokorny(p.xy, p.cd_m2));
        // Each reading has black in it, whose chromaticity is that of all three together.
        let black = min_cd_m2 / primaries.iter().map(|p| p.cd_m2).sum::<f64>();
        Self::new(Observer::SmithPokorny, without(xyz, black), without(cones, black), max_cd_m2, min_cd_m2)
    }

    /// From measured spectra, which say the proportions; together they are scaled to the screen's white.
    ///
    /// # Errors
    /// Spectra that do not differ.
    pub fn from_spectra(spectra: &Spectra, max_cd_m2: f64, min_cd_m2: f64) -> Result<Self, ColourError> {
        let both = [0, 1, 2].map(|primary| xyz_and_cones(spectra, primary));
        let (xyz, cones) = (both.map(|b| b.0), both.map(|b| b.1));
        Self::new(Observer::StockmanSharpe, xyz, cones, max_cd_m2, min_cd_m2)
    }

    /// From X, Y, Z and L, M, S of each primary above black, in any one scale.
    fn new(
        observer: Observer,
        xyz: [[f64; 3]; 3],
        cones: [[f64; 3]; 3],
        max_cd_m2: f64,
        min_cd_m2: f64,
    ) -> Result<Self, ColourError> {
        range("white in cd/m2".to_owned(), max_cd_m2, max_cd_m2 > min_cd_m2, "more than black")?;
        range("black in cd/m2".to_owned(), min_cd_m2, min_cd_m2 >= 0.0, "0 or more")?;
        let scale = (max_cd_m2 - min_cd_m2) / xyz.iter().map(|p| p[1]).sum::<f64>();
        let to_xyz = columns(xyz, scale);
        let to_cones = columns(cones, scale);
        // Black is this part of the light of white above black.
        let black = min_cd_m2 / (max_cd_m2 - min_cd_m2);
        let white_cones = times(&to_cones, [1.0; 3]);
        let grey_cones = white_cones.map(|cone| cone * (MEAN_LUMINANCE + black));
        let weights = match observer {
            Observer::SmithPokorny => SMITH_POKORNY_LUMINANCE,
            Observer::StockmanSharpe => STOCKMAN_SHARPE_LUMINANCE,
        };
        let (l, m) = (weights[0] * grey_cones[0], weights[1] * grey_cones[1]);
        Ok(Self {
            observer,
            from_xyz: inverse(&to_xyz)?,
            black_xyz: times(&to_xyz, [black; 3]),
            to_xyz,
            from_cones: inverse(&to_cones)?,
            to_cones,
            grey_cones,
            parts: [l / (l + m), m / (l + m)],
        })
    }

    /// Whose cones are meant.
    pub fn observer(&self) -> Observer {
        self.observer
    }

    /// What linear red, green and blue weigh in the luminance above black; they add up to 1.
    pub fn luminance_weights(&self) -> [f64; 3] {
        let white: f64 = self.to_xyz[1].iter().sum();
        self.to_xyz[1].map(|y| y / white)
    }

    /// X, Y, Z of red, green and blue at full drive, without black; Y in cd/m2.
    pub fn primaries_xyz(&self) -> [[f64; 3]; 3] {
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(|rgb| times(&self.to_xyz, rgb))
    }

    /// X, Y, Z of linear red, green and blue, black included; Y in cd/m2.
    pub fn xyz(&self, rgb: [f64; 3]) -> [f64; 3] {
        sum(times(&self.to_xyz, rgb), self.black_xyz)
    }

    /// Chromaticity x, y (CIE 1931) and cd/m2. A screen whose black is 0 has no chromaticity at rgb 0: then it is NaN.
    pub fn xy_and_cd_m2(&self, rgb: [f64; 3]) -> ([f64; 2], f64) {
        let [x, y, z] = self.xyz(rgb);
        let all = x + y + z;
        ([x / all, y / all], y)
    }

    /// The linear red, green and blue of a chromaticity (CIE 1931) at a luminance.
    ///
    /// # Errors
    /// A chromaticity that is none, and one that this display cannot show at this luminance.
    pub fn rgb_of_xy(&self, xy: [f64; 2], cd_m2: f64) -> Result<[f64; 3], ColourError> {
        range("x".to_owned(), xy[0], (0.0..1.0).contains(&xy[0]), "0 to 1")?;
        range("y".to_owned(), xy[1], xy[1] > 0.0 && xy[0] + xy[1] <= 1.0, "above 0, x + y at most 1")?;
        range("cd_m2".to_owned(), cd_m2, cd_m2 >= 0.0, "0 or more")?;
        let rgb_at = |cd_m2: f64| {
            let [x, y, z] = tristimulus(xy, cd_m2);
            let [black_x, black_y, black_z] = self.black_xyz;
            times(&self.from_xyz, [x - black_x, y - black_y, z - black_z])
        };
        in_gamut(rgb_at(cd_m2), |rgb| {
            let hint = self.luminances_of(rgb_at(0.0), rgb_at(1.0));
            let wanted = format!("the colour x {}, y {} at {cd_m2} cd/m2", xy[0], xy[1]);
            ColourError::OutOfGamut { wanted, rgb, hint }
        })
    }

    /// In words: the luminances at which a chromaticity can be shown, of which rgb at 0 and at 1 cd/m2 are known.
    fn luminances_of(&self, at_0: [f64; 3], at_1: [f64; 3]) -> String {
        let (mut from, mut to) = (0.0_f64, f64::MAX);
        for (start, end) in at_0.into_iter().zip(at_1) {
            let slope = end - start;
            if slope == 0.0 {
                continue;
            }
            let (a, b) = ((0.0 - start) / slope, (1.0 - start) / slope);
            from = from.max(a.min(b));
            to = to.min(a.max(b));
        }
        if from <= to {
            format!("this chromaticity can be shown from {from:.3} to {to:.3} cd/m2")
        } else {
            "this chromaticity lies outside the triangle of the primaries at any luminance".to_owned()
        }
    }

    /// Excitations of L, M and S by linear red, green and blue, black included. Their unit is the observer's.
    pub fn cones(&self, rgb: [f64; 3]) -> [f64; 3] {
        let change = times(&self.to_cones, rgb.map(|light| light - MEAN_LUMINANCE));
        sum(self.grey_cones, change)
    }

    /// Contrast dL/L, dM/M, dS/S of a colour against the mean grey.
    pub fn cone_contrast(&self, rgb: [f64; 3]) -> [f64; 3] {
        let change = times(&self.to_cones, rgb.map(|light| light - MEAN_LUMINANCE));
        [0, 1, 2].map(|cone| change[cone] / self.grey_cones[cone])
    }

    /// The change of linear red, green and blue from the mean grey that gives a cone contrast: the direction and amplitude
    /// of a modulation. It is within the gamut, to both sides, if no channel exceeds 0.5.
    pub fn modulation(&self, cone_contrast: [f64; 3]) -> [f64; 3] {
        times(&self.from_cones, [0, 1, 2].map(|cone| cone_contrast[cone] * self.grey_cones[cone]))
    }

    /// By how much a cone contrast may be multiplied until its modulation about the mean grey, to both sides, reaches the
    /// edge of the gamut; infinite for no contrast.
    pub fn largest(&self, cone_contrast: [f64; 3]) -> f64 {
        let change = self.modulation(cone_contrast);
        MEAN_LUMINANCE / change.iter().fold(0.0, |most: f64, c| most.max(c.abs()))
    }

    /// The modulation of a cone contrast, see [`Gamut::modulation`], if it can be shown to both sides of the mean grey.
    ///
    /// # Errors
    /// [`ColourError::OutOfGamut`], with the largest contrast in this direction.
    pub fn modulation_in_gamut(&self, cone_contrast: [f64; 3]) -> Result<[f64; 3], ColourError> {
        let change = self.modulation(cone_contrast);
        // The end that leaves the gamut above 1 or below 0; the other end is its mirror image.
        let rgb = change.map(|c| MEAN_LUMINANCE + c);
        in_gamut(rgb, |rgb| {
            let [l, m, s] = cone_contrast;
            let part = self.largest(cone_contrast);
            let [most_l, most_m, most_s] = cone_contrast.map(|c| c * part);
            ColourError::OutOfGamut {
                wanted: format!("the cone contrast L {l:.4}, M {m:.4}, S {s:.4}"),
                rgb,
                hint: format!("at most {part:.4} of it: L {most_l:.4}, M {most_m:.4}, S {most_s:.4}"),
            }
        })?;
        Ok(change)
    }

    /// Contrasts of the three mechanisms by a cone contrast.
    pub fn dkl_of(&self, [l, m, s]: [f64; 3]) -> Dkl {
        let luminance = self.parts[0] * l + self.parts[1] * m;
        Dkl { luminance, l_minus_m: l - m, s: s - luminance }
    }

    /// The cone contrast that gives these contrasts of the three mechanisms.
    pub fn cone_contrast_of(&self, dkl: Dkl) -> [f64; 3] {
        [
            dkl.luminance + self.parts[1] * dkl.l_minus_m,
            dkl.luminance - self.parts[0] * dkl.l_minus_m,
            dkl.luminance + dkl.s,
        ]
    }
}

fn range(what: String, value: f64, ok: bool, allowed: &str) -> Result<(), ColourError> {
    if ok && value.is_finite() {
        Ok(())
    } else {
        Err(ColourError::Range { what, value, allowed: allowed.to_owned() })
    }
}

/// Rounding at the edges is taken off; anything further out is an error.
fn in_gamut(rgb: [f64; 3], error: impl FnOnce([f64; 3]) -> ColourError) -> Result<[f64; 3], ColourError> {
    let fits = |light: f64| (-ROUNDING..=1.0 + ROUNDING).contains(&light);
    if rgb.into_iter().all(fits) { Ok(rgb.map(|light| light.clamp(0.0, 1.0))) } else { Err(error(rgb)) }
}

fn tristimulus([x, y]: [f64; 2], cd_m2: f64) -> [f64; 3] {
    [x * cd_m2 / y, cd_m2, (1.0 - x - y) * cd_m2 / y]
}

/// Takes this part of all three together from each.
fn without(primaries: [[f64; 3]; 3], part: f64) -> [[f64; 3]; 3] {
    let all = sum(sum(primaries[0], primaries[1]), primaries[2]);
    primaries.map(|primary| [0, 1, 2].map(|k| primary[k] - part * all[k]))
}

fn columns(primaries: [[f64; 3]; 3], scale: f64) -> Matrix {
    [0, 1, 2].map(|row| [0, 1, 2].map(|column| primaries[column][row] * scale))
}

fn sum(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

fn times(matrix: &Matrix, v: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
}

/// By cofactors.
fn inverse(m: &Matrix) -> Result<Matrix, ColourError> {
    let cofactor = |row: usize, column: usize| {
        let (r, s) = ((row + 1) % 3, (row + 2) % 3);
        let (c, d) = ((column + 1) % 3, (column + 2) % 3);
        m[r][c] * m[s][d] - m[r][d] * m[s][c]
    };
    let determinant = (0..3).map(|column| m[0][column] * cofactor(0, column)).sum::<f64>();
    let largest = m.iter().flatten().fold(0.0, |most: f64, v| most.max(v.abs()));
    if determinant.abs() < 1e-6 * largest * largest * largest || !determinant.is_finite() {
        return Err(ColourError::Flat);
    }
    Ok([0, 1, 2].map(|row| [0, 1, 2].map(|column| cofactor(column, row) / determinant)))
}
