//! What each stimulus of a set reaches: the objective's terms, one stimulus at a time.

use encoding::encoder::Encoder;
use ndarray::Axis;
use synthesis::assembly::{AssemblyError, Parts, Shown, Synthesis};
use synthesis::constraint::Constraints;
use synthesis::objective::{Term, Weighted};
use synthesis::parametrisation::{Parametrisation, Pixels};
use synthesis::robustness::Robustness;

/// For each stimulus the value of every term that has one for a single stimulus, by name. Terms over the whole set (how
/// diverse it is, how confusable) have none.
///
/// # Errors
/// A model that fails.
pub fn each(
    arms: &[Encoder],
    terms: &[(String, Weighted)],
    shown: &Shown,
) -> Result<Vec<Vec<(String, f64)>>, AssemblyError> {
    let count = shown.stimuli.len_of(Axis(0));
    let single = |(_, term): &&(String, Weighted)| {
        !matches!(term.term, Term::Diverse { .. } | Term::LeastConfusable { .. })
    };
    let singles: Vec<&(String, Weighted)> = terms.iter().filter(single).collect();
    if singles.is_empty() {
        return Ok(vec![Vec::new(); count]);
    }
    if count == 1 {
        // The set's values are the stimulus's own, and none of its terms needs a second one.
        let values = terms.iter().zip(&shown.terms).map(|((name, _), value)| (name.clone(), *value));
        return Ok(vec![values.collect()]);
    }
    let alone: Vec<Weighted> =
        singles.iter().map(|(_, term)| Weighted { stimulus: None, ..term.clone() }).collect();
    let read = synthesis::objective::sites(&alone);
    if (0..arms.len()).any(|arm| read.iter().all(|site| site.arm != arm)) {
        // A model that only terms over the set read has nothing to say of one stimulus.
        return Ok(vec![Vec::new(); count]);
    }
    let shape = [1, 2, 3, 4].map(|axis| shown.stimuli.len_of(Axis(axis)));
    let mut synthesis = looking(arms.to_vec(), alone, shape, 1)?;
    let mut reached = Vec::new();
    for (index, stimulus) in shown.stimuli.outer_iter().enumerate() {
        let light: Vec<f64> = stimulus.iter().map(|&light| f64::from(light)).collect();
        let values = synthesis.shown(&light)?.terms;
        let own = singles
            .iter()
            .zip(values)
            .filter(|((_, term), _)| term.stimulus.is_none_or(|only| only == index));
        reached.push(own.map(|((name, _), value)| (name.clone(), value)).collect());
    }
    Ok(reached)
}

/// An assembly that looks at stimuli as they are, `count` at once of the shape [T, C, H, W], and searches nothing.
///
/// # Errors
/// What does not fit.
pub fn looking(
    arms: Vec<Encoder>,
    terms: Vec<Weighted>,
    [t, c, h, w]: [usize; 4],
    count: usize,
) -> Result<Synthesis, AssemblyError> {
    Synthesis::new(Parts {
        parametrisation: Parametrisation::Pixels(Pixels::new([count, t, c, h, w], 0.0)),
        constraints: Constraints::default(),
        robustness: Robustness::default(),
        views: 1,
        priors: Vec::new(),
        arms,
        terms,
        seed: 0,
        threads: 1,
        repeatable: true,
    })
}
