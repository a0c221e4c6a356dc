//! Images that a specification names, as light.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use ndarray::{Array3, Array4, ArrayD, Axis, Ix4};
use ndarray_npy::ReadNpyExt;

use crate::image::{ImageError, decode};

/// Why a file is no image of the stimulus's shape.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It cannot be read.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// It is no PNG.
    #[error("{0}")]
    Png(#[from] ImageError),
    /// It is no array.
    #[error("not an array of f32: {0}")]
    Npy(#[from] ndarray_npy::ReadNpyError),
    /// Another kind of file.
    #[error("an image is a .png (sRGB) or a .npy (linear light 0 to 1, f32)")]
    Kind,
    /// Another shape.
    #[error("its shape [T, C, H, W] is {found:?}, the stimulus has {wanted:?}")]
    Shape {
        /// Given.
        found: Vec<usize>,
        /// Allowed.
        wanted: [usize; 4],
    },
    /// No light.
    #[error("it holds the value {0}; linear light from 0 to 1 is allowed")]
    Light(f32),
}

/// Reads an image as linear light [T, C, H, W] of this shape.
///
/// A PNG is taken as sRGB. A coloured one becomes grey by its luminance (ITU-R BT.709), a grey one is the same in all
/// channels; an array has to fit as it is, where [H, W] and [C, H, W] stand for one frame.
///
/// # Errors
/// See [`Unfit`].
pub fn read(path: &Path, shape: [usize; 4]) -> Result<Array4<f32>, Unfit> {
    let is = |end: &str| path.extension().is_some_and(|kind| kind.eq_ignore_ascii_case(end));
    let image = if is("png") {
        recoloured(read_png(path)?, shape[1]).insert_axis(Axis(0)).into_dyn()
    } else if is("npy") {
        let mut array = ArrayD::<f32>::read_npy(BufReader::new(File::open(path)?))?;
        while array.ndim() < 4 {
            array = array.insert_axis(Axis(0));
        }
        array
    } else {
        return Err(Unfit::Kind);
    };
    if image.shape() != shape {
        return Err(Unfit::Shape { found: image.shape().to_vec(), wanted: shape });
    }
    if let Some(&light) = image.iter().find(|light| !(0.0..=1.0).contains(*light)) {
        return Err(Unfit::Light(light));
    }
    let found = image.shape().to_vec();
    image.into_dimensionality::<Ix4>().map_err(|_| Unfit::Shape { found, wanted: shape })
}

/// [C, H, W], light; transparency is left out.
fn read_png(path: &Path) -> Result<Array3<f32>, Unfit> {
    let (frame, bytes) = decode(&std::fs::read(path)?, png::Transformations::EXPAND)?;
    let samples = frame.color_type.samples();
    let channels = if samples >= 3 { 3 } else { 1 };
    let (height, width) = (frame.height as usize, frame.width as usize);
    let code = |at: usize| match frame.bit_depth {
        png::BitDepth::Sixteen => f32::from(u16::from_be_bytes([bytes[2 * at], bytes[2 * at + 1]])) / 65535.0,
        _ => f32::from(bytes[at]) / 255.0,
    };
    Ok(Array3::from_shape_fn((channels, height, width), |(c, y, x)| {
        light(code((y * width + x) * samples + c))
    }))
}

/// Light of an sRGB code (IEC 61966-2-1).
fn light(code: f32) -> f32 {
    if code <= 0.040_45 { code / 12.92 } else { libm::powf((code + 0.055) / 1.055, 2.4) }
}

fn recoloured(image: Array3<f32>, channels: usize) -> Array3<f32> {
    const LUMINANCE: [f32; 3] = [0.2126, 0.7152, 0.0722];
    let (found, height, width) = image.dim();
    match (found, channels) {
        (3, 1) => Array3::from_shape_fn((1, height, width), |(_, y, x)| {
            (0..3).map(|c| LUMINANCE[c] * image[[c, y, x]]).sum::<f32>().min(1.0)
        }),
        (1, 3) => Array3::from_shape_fn((3, height, width), |(_, y, x)| image[[0, y, x]]),
        _ => image,
    }
}

#[cfg(test)]
mod tests {
    use ndarray_npy::WriteNpyExt;

    use super::super::{Code, Coding, Depth, png};
    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same_light() {
        let folder = tempfile::tempdir().unwrap();
        let image = Array4::from_shape_fn((1, 1, 4, 64), |(_, _, y, x)| (x * 4 + y) as f32 / 255.0);
        let path = folder.path().join("a.png");
        for (depth, near) in [(Depth::Eight, 5e-3), (Depth::Sixteen, 2e-5)] {
            let bytes = png(image.view(), Coding { code: Code::Srgb, depth }, None).unwrap();
            std::fs::write(&path, bytes).unwrap();
            let back = read(&path, [1, 1, 4, 64]).unwrap();
            let worst = (&back - &image).iter().fold(0.0f32, |worst, d| worst.max(d.abs()));
            assert!(worst < near, "{depth:?}: {worst}");
        }
        let coloured = read(&path, [1, 3, 4, 64]).unwrap();
        assert_eq!(coloured[[0, 2, 3, 5]], coloured[[0, 0, 3, 5]]);
        assert!(matches!(read(&path, [1, 1, 4, 65]), Err(Unfit::Shape { .. })));

        let path = folder.path().join("a.npy");
        ArrayD::<f32>::from_elem(vec![4, 4], 0.25).write_npy(File::create(&path).unwrap()).unwrap();
        assert_eq!(read(&path, [1, 1, 4, 4]).unwrap()[[0, 0, 3, 3]], 0.25);
        ArrayD::<f32>::from_elem(vec![4, 4], 200.0).write_npy(File::create(&path).unwrap()).unwrap();
        assert!(matches!(read(&path, [1, 1, 4, 4]), Err(Unfit::Light(_))));
    }

    #[test]
    fn codes_and_light_are_inverse() {
        for step in 0..=100 {
            let code = step as f32 / 100.0;
            assert!((encoding::form::Transfer::Srgb.code(light(code)) - code).abs() < 1e-6);
        }
    }
}
