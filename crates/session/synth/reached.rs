//! What each stimulus of a set reaches: the objective's terms, one stimulus at a time.

use ndarray::{Array5, ArrayD};
use synthesis::assembly::Synthesis;
use synthesis::objective::{Objective, Site, Weighted};

/// For each stimulus the value of every term that has one for a single stimulus, by name. Terms over the whole set (how
/// diverse it is, how confusable) have none.
pub fn each(
    synthesis: &mut Synthesis,
    stimuli: &Array5<f32>,
    terms: &[(String, Weighted)],
) -> Vec<Vec<(String, f64)>> {
    let sites = synthesis.objective().sites().to_vec();
    // The flag of a search that was stopped is still raised: then there is no more to say than the search has said.
    let Ok(taps) = synthesis.taps(stimuli) else { return vec![Vec::new(); stimuli.shape()[0]] };
    let one = |index: usize, (name, term): &(String, Weighted)| {
        if term.stimulus.is_some_and(|only| only != index) {
            return None;
        }
        let alone = [Weighted { stimulus: Some(index), ..term.clone() }];
        let arrays = taps_of(&alone, &sites, &taps)?;
        let shapes: Vec<Vec<usize>> = arrays.iter().map(|array| array.shape().to_vec()).collect();
        let value = Objective::new(&alone, &shapes).ok()?.evaluate(&arrays).ok()?.terms[0];
        Some((name.clone(), value))
    };
    (0..stimuli.shape()[0]).map(|index| terms.iter().filter_map(|term| one(index, term)).collect()).collect()
}

/// The arrays of the sites that some terms read, in those terms' order.
fn taps_of(terms: &[Weighted], sites: &[Site], taps: &[ArrayD<f32>]) -> Option<Vec<ArrayD<f32>>> {
    let wanted = synthesis::objective::sites(terms);
    let place = |site: &Site| sites.iter().position(|other| other == site);
    wanted.iter().map(|site| place(site).map(|at| taps[at].clone())).collect()
}
