//! What a search has shown, and what its measurements say of each picture.

use crate::wavering::USUAL;

/// A picture that was handed over.
#[derive(Debug, Clone)]
struct Picture {
    /// The first picture with the same texels.
    content: usize,
    pattern: Vec<f32>,
    /// Sum and count of what was measured, with the mean of its variances; of this content, kept at the first.
    sum: f64,
    count: f64,
    variance: f64,
}

/// Pictures by number, with what was measured of each.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    pictures: Vec<Picture>,
    /// Contents that were measured, in the order of their first measurement.
    measured: Vec<usize>,
}

impl Shown {
    /// Takes a new picture; its number.
    pub fn add(&mut self, pattern: Vec<f32>) -> usize {
        let content = self.pictures.len();
        self.pictures.push(Picture { content, pattern, sum: 0.0, count: 0.0, variance: 0.0 });
        content
    }

    /// Takes a picture again; the number of the repetition.
    pub fn repeat(&mut self, content: usize) -> usize {
        let Picture { content, ref pattern, .. } = self.pictures[content];
        let pattern = pattern.clone();
        self.pictures.push(Picture { content, pattern, sum: 0.0, count: 0.0, variance: 0.0 });
        self.pictures.len() - 1
    }

    /// The first picture with the same texels as this one; `None` for a number that was not handed out.
    pub fn content(&self, picture: usize) -> Option<usize> {
        self.pictures.get(picture).map(|picture| picture.content)
    }

    /// A picture's texels.
    pub fn pattern(&self, picture: usize) -> &[f32] {
        &self.pictures[picture].pattern
    }

    /// Takes a measurement of a content and its standard error.
    pub fn note(&mut self, content: usize, value: f64, spread: f64) {
        let picture = &mut self.pictures[content];
        if picture.count == 0.0 {
            self.measured.push(content);
        }
        picture.count += 1.0;
        picture.sum += value;
        picture.variance += (spread * spread - picture.variance) / picture.count;
    }

    /// Contents that were measured, in the order of their first measurement.
    pub fn measured(&self) -> &[usize] {
        &self.measured
    }

    /// How often a content was measured.
    pub fn count(&self, content: usize) -> f64 {
        self.pictures[content].count
    }

    /// What is believed of the measured contents, in the order of their first measurement: number, and mean shrunken
    /// towards that of all, which is how the luckiest of many is kept from passing for the best (the posterior mean under a
    /// normal prior whose mean and variance are the data's own: Efron and Morris, J. Am. Stat. Assoc. 70, 1975; the variance as
    /// DerSimonian and Laird, Control. Clin. Trials 7, 1986, because some pictures are known much better than others).
    pub fn beliefs(&self) -> Vec<(usize, f64)> {
        let n = self.measured.len() as f64;
        let means = || self.measured.iter().map(|&at| &self.pictures[at]).map(|p| (p, p.sum / p.count));
        let all = means().map(|(_, mean)| mean).sum::<f64>() / n;
        let noise = |picture: &Picture| {
            let mean = picture.sum / picture.count;
            let wavering = USUAL.fast_sd * mean;
            (picture.variance + wavering * wavering) / picture.count
        };
        let scatter = means().map(|(_, mean)| (mean - all) * (mean - all)).sum::<f64>() / (n - 1.0).max(1.0);
        let (mut total, mut squares, mut sum) = (0.0, 0.0, 0.0);
        for (picture, mean) in means() {
            let weight = 1.0 / noise(picture).max(f64::MIN_POSITIVE);
            (total, squares, sum) = (total + weight, squares + weight * weight, sum + weight * mean);
        }
        let off = |(picture, mean): (&Picture, f64)| {
            (mean - sum / total).powi(2) / noise(picture).max(f64::MIN_POSITIVE)
        };
        let excess = means().map(off).sum::<f64>() - (n - 1.0);
        // Never nothing: a few measurements may scatter less than their noise.
        let between = (excess / (total - squares / total).max(f64::MIN_POSITIVE))
            .max(0.1 * scatter)
            .max(f64::MIN_POSITIVE);
        let belief = |(picture, mean): (&Picture, f64)| {
            let kept = between / (between + noise(picture));
            (picture.content, all + kept * (mean - all))
        };
        means().map(belief).collect()
    }

    /// The content of which most is believed.
    pub fn best(&self) -> Option<usize> {
        self.beliefs().into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(content, _)| content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_lucky_measurement_does_not_beat_many_good_ones() {
        let mut shown = Shown::default();
        for _ in 0..20 {
            shown.add(vec![0.0]);
        }
        for content in 0..20 {
            shown.note(content, if content % 2 == 0 { 0.8 } else { 1.2 }, 0.5);
        }
        shown.note(3, 3.2, 0.5);
        (0..9).for_each(|_| shown.note(7, 2.2, 0.5));
        assert_eq!((shown.best(), shown.count(7)), (Some(7), 10.0));
        let again = shown.repeat(7);
        assert_eq!((again, shown.content(again), shown.content(99)), (20, Some(7), None));
        let beliefs = shown.beliefs();
        let of = |content: usize| beliefs.iter().find(|(at, _)| *at == content).unwrap().1;
        assert!((1.6..2.1).contains(&of(7)) && of(3) < 1.6, "{beliefs:?}");
    }
}
