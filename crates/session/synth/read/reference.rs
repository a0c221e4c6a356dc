//! Numbers that a term compares with: as they stand in the file, from an array, or what a model answers to an image.

use ndarray::{Array1, Array2, Array5, ArrayD, Axis};
use ndarray_npy::ReadNpyExt;
use protocol::ProtocolError;
use protocol::reader::{Range, Table};
use random::Random;
use synthesis::objective::{Source, Units};

use super::model::Arms;
use crate::synth::picture;

/// Any number that is one.
const ANY: Range = Range::from(-f64::MAX);

/// Stream of the seed that draws reference scenes; the search draws from others.
const SCENES: u64 = 0x5ce7e5;

/// A list under `key`, or the array of `file`.
pub fn numbers(body: &Table<'_>, key: &str, arms: &mut Arms<'_>) -> Result<Vec<f64>, ProtocolError> {
    match body.one_of(&[key, "file"])? {
        "file" => array(body, arms),
        key => body.numbers(key, None, ANY),
    }
}

/// A response state of `units`: a list under `key`, an array of `file`, or the response to `image`.
pub fn state(
    body: &Table<'_>,
    key: &str,
    source: &Source,
    units: &Units,
    arms: &mut Arms<'_>,
) -> Result<Vec<f64>, ProtocolError> {
    match body.one_of(&[key, "file", "image"])? {
        "file" => array(body, arms),
        "image" => {
            let all = features(body, "image", source, arms)?;
            let shape = shape(source, arms);
            chosen(&all, &shape, units).map_err(|reason| body.itself(reason))
        }
        key => body.numbers(key, None, ANY),
    }
}

/// What a source answers to the image under `key`, flattened.
pub fn features(
    body: &Table<'_>,
    key: &str,
    source: &Source,
    arms: &mut Arms<'_>,
) -> Result<Vec<f64>, ProtocolError> {
    let path = super::head::file(body, key, &arms.folder)?;
    arms.used(body, key, &path)?;
    let image = picture::read(&path, arms.stimulus.shape);
    let image =
        image.map_err(|error| body.refuse(key, format!("an image of the stimulus's shape: {error}")))?;
    let rows = arms.answer(source, &image.insert_axis(Axis(0))).map_err(|reason| body.itself(reason))?;
    Ok(rows.row(0).to_vec())
}

/// Mean and standard deviation of each of `units` over reference scenes.
pub fn spread(
    body: &Table<'_>,
    source: &Source,
    units: &Units,
    scenes: &Array5<f32>,
    arms: &mut Arms<'_>,
) -> Result<(Vec<f64>, Vec<f64>), ProtocolError> {
    let rows = arms.answer(source, scenes).map_err(|reason| body.itself(reason))?;
    let shape = shape(source, arms);
    let pick =
        |values: Array1<f64>| chosen(&values.to_vec(), &shape, units).map_err(|reason| body.itself(reason));
    let mean = pick(rows.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(rows.ncols())))?;
    let sd = pick(rows.std_axis(Axis(0), 1.0))?;
    if let Some(unit) = sd.iter().position(|sd| !(sd.is_finite() && *sd > 0.0)) {
        return Err(body.itself(format!(
            "unit {unit} of {} answers the same, {}, to all {} reference scenes: it has no spread to compare with",
            sd.len(),
            mean[unit],
            rows.nrows()
        )));
    }
    Ok((mean, sd))
}

/// `reference = { scenes = 64, rms_contrast = 0.2 }`: images of noise with the spectrum of natural ones (amplitude 1/f;
/// Field 1987, J. Opt. Soc. Am. A 4, 2379), drawn by the seed. Their light is clipped to 0..1.
pub fn scenes(body: &Table<'_>, key: &str, arms: &Arms<'_>) -> Result<Array5<f32>, ProtocolError> {
    let table = body.table(key, &["scenes", "rms_contrast"])?;
    let count = table.integer("scenes", 8..=4096)? as usize;
    let contrast = table.number("rms_contrast", Range::above(0.0).up_to(1.0))?;
    Ok(pink(count, arms.stimulus.shape, contrast, &mut Random::new(arms.seed, SCENES)))
}

/// Every octave of block sizes adds the same variance, which is what 1/f amplitude means in two dimensions; blocks are
/// smoothed by linear interpolation.
fn pink(
    count: usize,
    [frames, channels, height, width]: [usize; 4],
    contrast: f64,
    random: &mut Random,
) -> Array5<f32> {
    let mut scenes = Array5::zeros((count, frames, channels, height, width));
    for mut scene in scenes.outer_iter_mut() {
        let mut field = Array2::<f64>::zeros((height, width));
        let mut step = height.max(width);
        while step >= 1 {
            let (rows, columns) = (height / step + 2, width / step + 2);
            // Between knots the variance is less: along each axis (1 - u)^2 + u^2, on average this.
            let along = |k: usize| (k as f64 / step as f64).powi(2) + (1.0 - k as f64 / step as f64).powi(2);
            let kept = (0..step).map(along).sum::<f64>() / step as f64;
            let knots = Array2::from_shape_simple_fn((rows, columns), || random.normal() / kept);
            for ((y, x), value) in field.indexed_iter_mut() {
                let (v, u) = (y as f64 / step as f64, x as f64 / step as f64);
                let (row, column) = (v as usize, u as usize);
                let (v, u) = (v - row as f64, u - column as f64);
                let top = knots[[row, column]] * (1.0 - u) + knots[[row, column + 1]] * u;
                let bottom = knots[[row + 1, column]] * (1.0 - u) + knots[[row + 1, column + 1]] * u;
                *value += top * (1.0 - v) + bottom * v;
            }
            step /= 2;
        }
        let mean = field.mean().unwrap_or(0.0);
        let sd = field.std(0.0).max(f64::MIN_POSITIVE);
        for ((_, _, y, x), light) in scene.indexed_iter_mut() {
            *light = (0.5 * (1.0 + contrast * (field[[y, x]] - mean) / sd)).clamp(0.0, 1.0) as f32;
        }
    }
    scenes
}

fn array(body: &Table<'_>, arms: &mut Arms<'_>) -> Result<Vec<f64>, ProtocolError> {
    let path = super::head::file(body, "file", &arms.folder)?;
    arms.used(body, "file", &path)?;
    let open = || std::fs::File::open(&path).ok().map(std::io::BufReader::new);
    let single =
        open().and_then(|file| ArrayD::<f32>::read_npy(file).ok()).map(|array| array.mapv(f64::from));
    let array = single.or_else(|| open().and_then(|file| ArrayD::<f64>::read_npy(file).ok()));
    match array {
        Some(array) if array.iter().all(|value| value.is_finite()) => Ok(array.iter().copied().collect()),
        Some(_) => Err(body.refuse("file", "an array of finite numbers")),
        None => Err(body.refuse("file", "an .npy of f32 or f64")),
    }
}

/// Shape of one stimulus's values at a source.
fn shape(source: &Source, arms: &Arms<'_>) -> Vec<usize> {
    if let Some(readout) = &source.readout {
        return vec![readout.channels().len()];
    }
    let mut shape = arms.shape_at(source.site.arm, &source.site.tap)[1..].to_vec();
    if let Some(pool) = &source.pool {
        for (axis, cells) in pool.axes.iter().zip(pool.cells) {
            if let Some(length) = shape.get_mut(axis - 1) {
                *length = cells;
            }
        }
    }
    shape
}

/// The values of some units, in the order of [`Units`].
fn chosen(values: &[f64], shape: &[usize], units: &Units) -> Result<Vec<f64>, String> {
    let flat = |index: &Vec<usize>| {
        let fits = index.len() == shape.len() && index.iter().zip(shape).all(|(i, n)| i < n);
        let place = index.iter().zip(shape).fold(0, |flat, (i, n)| flat * n + i);
        if fits { Ok(place) } else { Err(format!("unit {index:?} is outside the shape {shape:?}")) }
    };
    match units {
        Units::All => Ok(values.to_vec()),
        Units::Only(indices) => indices.iter().map(|index| Ok(values[flat(index)?])).collect(),
        Units::Except(indices) => {
            let out = indices.iter().map(flat).collect::<Result<Vec<_>, _>>()?;
            Ok(values.iter().enumerate().filter(|(place, _)| !out.contains(place)).map(|(_, v)| *v).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenes_have_the_contrast_asked_for_and_most_of_it_at_low_frequencies() {
        let scenes = pink(8, [1, 1, 64, 64], 0.2, &mut Random::new(3, SCENES));
        for scene in scenes.outer_iter() {
            let mean = scene.mean().unwrap();
            assert!((mean - 0.5).abs() < 0.01, "{mean}");
            assert!((scene.std(0.0) / mean - 0.2).abs() < 0.01, "{}", scene.std(0.0) / mean);
        }
        // White noise has neighbours that differ by twice its variance; of seven octaves with a seventh each, only the
        // finest have neighbours that differ at all.
        let neighbours = (0..8).flat_map(|n| (0..64).flat_map(move |y| (0..63).map(move |x| (n, y, x))));
        let step = |(n, y, x): (usize, usize, usize)| scenes[[n, 0, 0, y, x + 1]] - scenes[[n, 0, 0, y, x]];
        let rough = neighbours.map(step).map(|step| step * step).sum::<f32>() / (8.0 * 64.0 * 63.0);
        assert!(rough > 0.2 * 0.01 && rough < 0.65 * 0.01, "{rough}");
    }

    #[test]
    fn units_are_chosen_in_their_order() {
        let values: Vec<f64> = (0..6).map(f64::from).collect();
        let only = Units::Only(vec![vec![1, 2], vec![0, 1]]);
        assert_eq!(chosen(&values, &[2, 3], &only).unwrap(), [5.0, 1.0]);
        assert_eq!(
            chosen(&values, &[2, 3], &Units::Except(vec![vec![0, 0]])).unwrap(),
            [1.0, 2.0, 3.0, 4.0, 5.0]
        );
        assert!(chosen(&values, &[2, 3], &Units::one(&[2, 0])).unwrap_err().contains("[2, 3]"));
    }
}
