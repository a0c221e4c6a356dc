//! Image files: PNG of any kind to 8-bit red, green, blue and opacity.

use std::path::Path;

use recording::sha256_hex;
use stimulus::sheet::{Texels, Transfer};

use crate::image::decode;

/// A decoded image.
pub(super) struct Picture {
    /// Its pixels.
    pub(super) texels: Texels<[u8; 4]>,
}

impl Picture {
    /// Reads a file; also its SHA-256. The reason why not names it.
    pub(super) fn read(path: &Path) -> Result<(Self, String), String> {
        let named = |reason: String| format!("`{}`: {reason}", path.display());
        let bytes = std::fs::read(path).map_err(|error| named(error.to_string()))?;
        let sha256 = sha256_hex(&bytes);
        let wanted = png::Transformations::normalize_to_color8() | png::Transformations::ALPHA;
        let (frame, bytes) = decode(&bytes, wanted).map_err(|error| named(error.to_string()))?;
        let texels: Vec<[u8; 4]> = match frame.color_type {
            png::ColorType::GrayscaleAlpha => {
                bytes.as_chunks::<2>().0.iter().map(|&[grey, alpha]| [grey, grey, grey, alpha]).collect()
            }
            png::ColorType::Rgba => bytes.as_chunks::<4>().0.to_vec(),
            other => return Err(named(format!("its pixels are {other:?} after decoding"))),
        };
        let texels =
            Texels::new(frame.width, frame.height, texels).map_err(|error| named(error.to_string()))?;
        Ok((Self { texels }, sha256))
    }

    /// The same with no more columns than are shown: light is averaged over what falls into a pixel, because a pattern finer
    /// than the screen would alias.
    pub(super) fn at_most(self, width_px: u32, transfer: Transfer) -> Self {
        let old = &self.texels;
        if old.width <= width_px {
            return self;
        }
        let height =
            (f64::from(old.height) * f64::from(width_px) / f64::from(old.width)).round().max(1.0) as u32;
        let across = overlaps(old.width, width_px);
        let down = overlaps(old.height, height);
        let mut texels = Vec::with_capacity(width_px as usize * height as usize);
        for rows in &down {
            for columns in &across {
                texels.push(average(old, rows, columns, transfer));
            }
        }
        Self { texels: Texels { width: width_px, height, texels } }
    }
}

/// For each new pixel the old ones that it covers, each with the part of the new one that it makes up.
fn overlaps(old: u32, new: u32) -> Vec<Vec<(u32, f64)>> {
    let step = f64::from(old) / f64::from(new);
    let covered = |place: u32| {
        let (from, to) = (f64::from(place) * step, f64::from(place + 1) * step);
        let pixels = from.floor() as u32..(to.ceil() as u32).min(old);
        let part = |pixel: u32| (to.min(f64::from(pixel + 1)) - from.max(f64::from(pixel))) / step;
        pixels.map(|pixel| (pixel, part(pixel))).filter(|&(_, part)| part > 0.0).collect()
    };
    (0..new).map(covered).collect()
}

/// Light weighted by opacity, opacity by area.
fn average(
    old: &Texels<[u8; 4]>,
    rows: &[(u32, f64)],
    columns: &[(u32, f64)],
    transfer: Transfer,
) -> [u8; 4] {
    let (mut light, mut opacity) = ([0.0; 3], 0.0);
    for &(row, high) in rows {
        for &(column, wide) in columns {
            let Some([r, g, b, a]) = old.get(i64::from(column), i64::from(row)) else { continue };
            let weight = high * wide * f64::from(a) / 255.0;
            opacity += weight;
            for (sum, code) in light.iter_mut().zip([r, g, b]) {
                *sum += weight * transfer.light(code);
            }
        }
    }
    let code = |sum: f64| transfer.code(if opacity > 0.0 { sum / opacity } else { 0.0 });
    [code(light[0]), code(light[1]), code(light[2]), (255.0 * opacity).round() as u8]
}
