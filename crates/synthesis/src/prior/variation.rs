//! Total variation.

/// Value and gradient for light [B, T, C, H, W].
pub(super) fn value_and_slopes(
    light: &[f64],
    shape: [usize; 5],
    temporal: f64,
    smoothing: f64,
) -> (f64, Vec<f64>) {
    let [_, frames, channels, height, width] = shape;
    let plane = height * width;
    let per_frame = channels * plane;
    let share = 1.0 / light.len() as f64;
    let mut slopes = vec![0.0; light.len()];
    let mut value = 0.0;
    for (index, &here) in light.iter().enumerate() {
        let within = index % plane;
        let last_column = within % width + 1 == width;
        let last_row = within / width + 1 == height;
        let last_frame = index / per_frame % frames + 1 == frames;
        let dx = if last_column { 0.0 } else { light[index + 1] - here };
        let dy = if last_row { 0.0 } else { light[index + width] - here };
        let dt = if last_frame { 0.0 } else { temporal * (light[index + per_frame] - here) };
        let length = (dx * dx + dy * dy + dt * dt + smoothing * smoothing).sqrt();
        value += share * (length - smoothing);
        let factor = share / length;
        slopes[index] -= factor * (dx + dy + temporal * dt);
        if !last_column {
            slopes[index + 1] += factor * dx;
        }
        if !last_row {
            slopes[index + width] += factor * dy;
        }
        if !last_frame {
            slopes[index + per_frame] += factor * temporal * dt;
        }
    }
    (value, slopes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_costs_its_height_times_its_length() {
        // A step of 0.4 between columns 3 and 4 of 8 x 6: 6 differences of 0.4 among 48 numbers.
        let light: Vec<f64> = (0..48).map(|i| if i % 8 < 4 { 0.3 } else { 0.7 }).collect();
        let (value, _) = value_and_slopes(&light, [1, 1, 1, 6, 8], 1.0, 1e-9);
        assert!((value - 6.0 * 0.4 / 48.0).abs() < 1e-8);
        // The same numbers as a movie of a single change in time.
        let movie: Vec<f64> = (0..48).map(|i| if i < 24 { 0.3 } else { 0.7 }).collect();
        let (value, _) = value_and_slopes(&movie, [1, 8, 1, 2, 3], 0.5, 1e-9);
        assert!((value - 6.0 * 0.5 * 0.4 / 48.0).abs() < 1e-8);
    }

    #[test]
    fn a_diagonal_gradient_costs_no_more_than_its_length() {
        // Isotropic: a plane that rises by (3, 4) / 100 per px costs 5 / 100 in the inner part.
        let light: Vec<f64> = (0..100).map(|i| 0.03 * f64::from(i % 10) + 0.04 * f64::from(i / 10)).collect();
        let (value, _) = value_and_slopes(&light, [1, 1, 1, 10, 10], 0.0, 1e-9);
        let wanted = (81.0 * 0.05 + 9.0 * 0.03 + 9.0 * 0.04) / 100.0;
        assert!((value - wanted).abs() < 1e-8, "{value} {wanted}");
    }
}
