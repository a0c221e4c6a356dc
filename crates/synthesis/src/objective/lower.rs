//! From wishes to kernels: names become slots, indices become flat places, and everything is checked on the way.

use std::ops::Range;

use ndarray::{Array2, ArrayView1};

use super::claim::{Claim, Claims};
use super::error::ObjectiveError;
use super::features::Reading;
use super::place::{Place, finite, not_negative, positive};
use super::point::{Group, Point};
use super::set::{LeastConfusable, Set};
use super::statistic::Matched;
use super::term::{Centre, Ratio, Response, Site, Source, Statistic, Term, Units, Versus, Weighted};
use super::versus::{Compared, Scored};
use super::{Objective, set};

/// A term with nothing left to look up.
#[derive(Debug, Clone)]
pub(super) struct Lowered {
    pub weight: f64,
    /// Slots in the objective's readings.
    pub sources: Vec<usize>,
    pub stimuli: Range<usize>,
    pub kernel: Kernel,
}

/// Functions of a source's values, by what they couple.
#[derive(Debug, Clone)]
pub(super) enum Kernel {
    /// Each stimulus for itself, units at their places.
    Point(Point),
    /// Each stimulus for itself, places forgotten.
    Statistic(Matched),
    /// Stimuli among each other.
    Set(Set),
    /// Two sources.
    Versus(Compared),
}

/// Checks and lowers all terms; see [`Objective::new`].
pub(super) fn lower(
    terms: &[Weighted],
    sites: Vec<Site>,
    shapes: Vec<Vec<usize>>,
) -> Result<Objective, ObjectiveError> {
    if terms.is_empty() {
        return Err(ObjectiveError::Empty);
    }
    if shapes.len() != sites.len() {
        return Err(ObjectiveError::Count { found: shapes.len(), wanted: sites.len() });
    }
    let mut known: Vec<&Source> = Vec::new();
    let mut readings = Vec::new();
    let mut lowered = Vec::new();
    let mut made = Claims::default();
    for (number, weighted) in terms.iter().enumerate() {
        let term = weighted.term.name();
        finite(term, "weight", &[weighted.weight])?;
        let mut slots = Vec::new();
        let mut places = Vec::new();
        for source in weighted.term.sources() {
            let site = sites.iter().position(|site| *site == source.site).unwrap_or_default();
            let (place, pooling) = Place::new(term, source, &shapes[site])?;
            let slot = known.iter().position(|other| other.same(source)).unwrap_or_else(|| {
                known.push(source);
                readings.push(Reading { site, pooling, readout: source.readout.clone() });
                known.len() - 1
            });
            slots.push(slot);
            places.push(place);
        }
        let stimuli = stimuli(term, weighted.stimulus, places[0].stimuli)?;
        let kernel = kernel(&weighted.term, &places, stimuli.len())?;
        for (claim, units) in claims(&weighted.term, &kernel) {
            if let Some(claim) = claim.under(weighted.weight) {
                made.add(number, slots[0], &places[0], stimuli.clone(), claim, units)?;
            }
        }
        lowered.push(Lowered { weight: weighted.weight, sources: slots, stimuli, kernel });
    }
    Ok(Objective { sites, shapes, readings, terms: lowered })
}

fn stimuli(term: &'static str, only: Option<usize>, count: usize) -> Result<Range<usize>, ObjectiveError> {
    match only {
        None => Ok(0..count),
        Some(one) if one < count => Ok(one..one + 1),
        Some(one) => Err(ObjectiveError::Set {
            term,
            message: format!("stimulus {one} of a set of {count}; they are counted from 0"),
        }),
    }
}

fn kernel(term: &Term, places: &[Place<'_>], stimuli: usize) -> Result<Kernel, ObjectiveError> {
    let place = &places[0];
    Ok(match term {
        Term::Unit { units, .. } => Kernel::Point(Point::mean(place.units(units)?)),
        Term::Suppress { units, .. } => Kernel::Point(Point::Mean { units: place.units(units)?, sign: -1.0 }),
        Term::Channel { channel, channels, centre, .. } => {
            Kernel::Point(Point::mean(channel_units(place, *channel, *channels, *centre)?))
        }
        Term::Direction { vector, channels, power, .. } => {
            Kernel::Point(direction(place, vector, *channels, *power)?)
        }
        Term::Target { units, state, .. } => Kernel::Point(target(place, units, state)?),
        Term::Hold { units, baseline, spread, .. } => Kernel::Point(hold(place, units, baseline, *spread)?),
        Term::Metamer { reference, tolerance, .. } => Kernel::Point(metamer(place, reference, *tolerance)?),
        Term::Contrast { up, down, ratio, .. } => Kernel::Point(contrast(place, up, down, *ratio)?),
        Term::Texture { reference, channels, .. } => Kernel::Statistic(texture(place, reference, *channels)?),
        Term::Diverse { statistic, channels, .. } => {
            several(place.term, stimuli)?;
            let gram = match statistic {
                Statistic::Gram => Some(place.channels(*channels)?),
                Statistic::Features => None,
            };
            Kernel::Set(Set::Diverse { gram })
        }
        Term::LeastConfusable { classes, noise_sd, sharpness, .. } => {
            Kernel::Set(least_confusable(place, stimuli, classes, noise_sd, *sharpness)?)
        }
        Term::Discriminate { a, b, versus, .. } => Kernel::Versus(compared(places, a, b, *versus)?),
    })
}

/// What a term does to single units.
fn claims(term: &Term, kernel: &Kernel) -> Vec<(Claim, Vec<usize>)> {
    match (term, kernel) {
        (Term::Unit { .. } | Term::Channel { .. }, Kernel::Point(Point::Mean { units, .. })) => {
            vec![(Claim::Driven, units.clone())]
        }
        (Term::Suppress { .. }, Kernel::Point(Point::Mean { units, .. })) => {
            vec![(Claim::Suppressed, units.clone())]
        }
        (Term::Hold { .. }, Kernel::Point(Point::Distance { units, .. })) => {
            vec![(Claim::Held, units.clone())]
        }
        (_, Kernel::Point(Point::Contrast { up, down, .. })) => {
            vec![(Claim::Driven, up.clone()), (Claim::Suppressed, down.clone())]
        }
        // A state, a direction or a comparison of populations leaves each single unit open.
        _ => Vec::new(),
    }
}

fn target(place: &Place<'_>, units: &Units, state: &[f64]) -> Result<Point, ObjectiveError> {
    let units = place.units(units)?;
    place.length("state", state, &[units.len()])?;
    let norm = square(state);
    let scale = if norm > 0.0 { norm } else { units.len() as f64 };
    Ok(Point::Distance { units, state: state.to_vec(), scale })
}

fn hold(place: &Place<'_>, units: &Units, baseline: &[f64], spread: f64) -> Result<Point, ObjectiveError> {
    let units = place.units(units)?;
    place.length("baseline", baseline, &[1, units.len()])?;
    positive(place.term, "spread", &[spread])?;
    let scale = units.len() as f64 * spread * spread;
    let state = spread_out(baseline, units.len());
    Ok(Point::Distance { units, state, scale })
}

fn metamer(place: &Place<'_>, reference: &[f64], tolerance: f64) -> Result<Point, ObjectiveError> {
    place.length("reference", reference, &[place.len()])?;
    positive(place.term, "tolerance", &[tolerance])?;
    let norm = square(reference);
    positive(place.term, "squared length of the reference", &[norm])?;
    let scale = norm * tolerance * tolerance;
    Ok(Point::Distance { units: (0..place.len()).collect(), state: reference.to_vec(), scale })
}

fn contrast(place: &Place<'_>, up: &Units, down: &Units, ratio: Ratio) -> Result<Point, ObjectiveError> {
    if let Ratio::Log { floor } = ratio {
        not_negative(place.term, "floor", floor)?;
    }
    Ok(Point::Contrast { up: place.units(up)?, down: place.units(down)?, ratio })
}

fn texture(place: &Place<'_>, reference: &[f64], channels: usize) -> Result<Matched, ObjectiveError> {
    let channels = place.channels(channels)?;
    place.length("reference", reference, &[place.len()])?;
    let matched = Matched::new(channels, ArrayView1::from(reference));
    positive(place.term, "squared length of the reference's Gram matrix", &[matched.scale()])?;
    Ok(matched)
}

fn least_confusable(
    place: &Place<'_>,
    stimuli: usize,
    classes: &[usize],
    noise_sd: &[f64],
    sharpness: f64,
) -> Result<Set, ObjectiveError> {
    several(place.term, stimuli)?;
    place.length("noise", noise_sd, &[1, place.len()])?;
    positive(place.term, "noise", noise_sd)?;
    positive(place.term, "sharpness", &[sharpness])?;
    let pairs =
        set::pairs(classes, stimuli).map_err(|message| ObjectiveError::Set { term: place.term, message })?;
    let noise_sd = spread_out(noise_sd, place.len());
    Ok(Set::LeastConfusable(LeastConfusable { pairs, noise_sd, sharpness }))
}

fn square(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum()
}

/// One number for all, or each its own.
fn spread_out(numbers: &[f64], len: usize) -> Vec<f64> {
    if numbers.len() == len { numbers.to_vec() } else { vec![numbers[0]; len] }
}

fn several(term: &'static str, stimuli: usize) -> Result<(), ObjectiveError> {
    if stimuli >= 2 {
        return Ok(());
    }
    Err(ObjectiveError::Set { term, message: format!("a set of {stimuli} stimulus; at least 2 are needed") })
}

fn channel_units(
    place: &Place<'_>,
    channel: usize,
    axis: usize,
    centre: Centre,
) -> Result<Vec<usize>, ObjectiveError> {
    let channels = place.channels(axis)?;
    place.within("channel", channel, 0, channels.count - 1)?;
    Ok(match centre {
        Centre::Whole => (0..channels.positions).map(|position| channels.unit(channel, position)).collect(),
        Centre::Only => {
            let mut index: Vec<usize> = place.shape.iter().map(|n| n / 2).collect();
            index[axis - 1] = channel;
            vec![place.unit(&index)?]
        }
    })
}

fn direction(place: &Place<'_>, vector: &[f64], axis: usize, power: f64) -> Result<Point, ObjectiveError> {
    not_negative(place.term, "power", power)?;
    positive(place.term, "squared length of the vector", &[square(vector)])?;
    if vector.len() == place.len() {
        let groups = vec![Group { units: (0..place.len()).collect() }];
        return Ok(Point::Direction { groups, vector: vector.to_vec(), power });
    }
    let channels = place.channels(axis)?;
    place.length("vector", vector, &[channels.count, place.len()])?;
    let groups = (0..channels.positions).map(|position| Group {
        units: (0..channels.count).map(|channel| channels.unit(channel, position)).collect(),
    });
    Ok(Point::Direction { groups: groups.collect(), vector: vector.to_vec(), power })
}

fn compared(
    places: &[Place<'_>],
    a: &Response,
    b: &Response,
    versus: Versus,
) -> Result<Compared, ObjectiveError> {
    let scored = |place: &Place<'_>, response: &Response| {
        let units = place.units(&response.units)?;
        place.length("mean", &response.mean, &[units.len()])?;
        place.length("sd", &response.sd, &[units.len()])?;
        positive(place.term, "sd", &response.sd)?;
        Ok::<_, ObjectiveError>(Scored { units, mean: response.mean.clone(), sd: response.sd.clone() })
    };
    let (a, b) = (scored(&places[0], a)?, scored(&places[1], b)?);
    let (term, count) = (places[0].term, a.units.len());
    if b.units.len() != count {
        let message =
            format!("{count} units of {} against {} of {}", places[0].site, b.units.len(), places[1].site);
        return Err(ObjectiveError::Set { term, message });
    }
    if places[0].stimuli != places[1].stimuli {
        let message = format!("{} stimuli against {}", places[0].stimuli, places[1].stimuli);
        return Err(ObjectiveError::Set { term, message });
    }
    if let Versus::Controversial { first, second, sharpness } = versus {
        positive(term, "sharpness", &[sharpness])?;
        if first == second || first >= count || second >= count {
            let message =
                format!("units {first} and {second} of {count}: two different ones, counted from 0");
            return Err(ObjectiveError::Set { term, message });
        }
    }
    Ok(Compared { a, b, versus })
}

/// Where a matrix has one row per stimulus and the term is a mean over them.
pub(super) fn mean_over_rows(
    values: ndarray::ArrayView2<'_, f64>,
    mut one: impl FnMut(ArrayView1<'_, f64>, ndarray::ArrayViewMut1<'_, f64>) -> f64,
) -> (f64, Array2<f64>) {
    let mut gradient = Array2::zeros(values.raw_dim());
    let mut sum = 0.0;
    for (row, slope) in values.rows().into_iter().zip(gradient.rows_mut()) {
        sum += one(row, slope);
    }
    let count = values.nrows() as f64;
    gradient /= count;
    (sum / count, gradient)
}
