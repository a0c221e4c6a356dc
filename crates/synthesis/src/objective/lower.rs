//! From wishes to kernels: names become slots, indices become flat places, and everything is checked on the way.

use std::ops::Range;

use ndarray::{Array2, ArrayView1};

use super::claim::{Claim, Claims};
use super::error::ObjectiveError;
use super::features::{Channels, Reading, flat};
use super::point::{Group, Point};
use super::pooling::Pooling;
use super::set::{LeastConfusable, Set};
use super::statistic::Matched;
use super::term::{Centre, Pool, Ratio, Response, Site, Source, Statistic, Term, Units, Versus, Weighted};
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
    let mut claims = Claims::default();
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
        let (kernel, claimed) = kernel(&weighted.term, &places, stimuli.len())?;
        for (claim, units) in claimed {
            if let Some(claim) = claim.under(weighted.weight) {
                claims.add(number, slots[0], &places[0], stimuli.clone(), claim, units)?;
            }
        }
        lowered.push(Lowered { weight: weighted.weight, sources: slots, stimuli, kernel });
    }
    Ok(Objective { sites, shapes, readings, terms: lowered })
}

/// One source as a term sees it.
pub(super) struct Place<'a> {
    pub term: &'static str,
    pub site: &'a Site,
    pub stimuli: usize,
    /// Of one stimulus; of the responses, through a readout.
    pub shape: Vec<usize>,
}

impl<'a> Place<'a> {
    /// The place, and how its tap is pooled.
    fn new(
        term: &'static str,
        source: &'a Source,
        shape: &[usize],
    ) -> Result<(Self, Option<Pooling>), ObjectiveError> {
        let (stimuli, shape) = (shape.first().copied().unwrap_or(0), shape.get(1..).unwrap_or(&[]).to_vec());
        let site = &source.site;
        let mut place = Self { term, site, stimuli, shape };
        if stimuli == 0 || place.shape.contains(&0) {
            return Err(ObjectiveError::NoUnits { term, site: site.clone() });
        }
        let pooling = match source.pool {
            Some(pool) => Some(place.pool(pool)?),
            None => None,
        };
        if let Some(readout) = &source.readout {
            let (found, wanted) = (readout.weights().nrows(), place.len());
            if found != wanted {
                return Err(ObjectiveError::Readout { found, wanted, site: site.clone() });
            }
            place.shape = vec![readout.weights().ncols()];
        }
        Ok((place, pooling))
    }

    /// Checks a grid and takes its shape.
    fn pool(&mut self, Pool { cells, axes }: Pool) -> Result<Pooling, ObjectiveError> {
        let axes_in = |axis: usize| self.within("pooling axis", axis, 1, self.shape.len());
        axes.iter().try_for_each(|&axis| axes_in(axis))?;
        let [rows, columns] = axes.map(|axis| axis - 1);
        if rows == columns {
            let message = format!("pooling over axis {} twice; rows and columns have one each", axes[0]);
            return Err(ObjectiveError::Set { term: self.term, message });
        }
        self.within("rows of the pooling grid:", cells[0], 1, self.shape[rows])?;
        self.within("columns of the pooling grid:", cells[1], 1, self.shape[columns])?;
        let pooling = Pooling::new(&self.shape, [rows, columns], cells);
        (self.shape[rows], self.shape[columns]) = (cells[0], cells[1]);
        Ok(pooling)
    }

    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    fn units(&self, units: &Units) -> Result<Vec<usize>, ObjectiveError> {
        let places = |indices: &[Vec<usize>]| {
            indices.iter().map(|index| self.unit(index)).collect::<Result<Vec<usize>, _>>()
        };
        let found = match units {
            Units::All => (0..self.len()).collect(),
            Units::Only(indices) => places(indices)?,
            Units::Except(indices) => {
                let out = places(indices)?;
                (0..self.len()).filter(|unit| !out.contains(unit)).collect::<Vec<_>>()
            }
        };
        if found.is_empty() {
            return Err(ObjectiveError::NoUnits { term: self.term, site: self.site.clone() });
        }
        Ok(found)
    }

    fn unit(&self, index: &[usize]) -> Result<usize, ObjectiveError> {
        flat(&self.shape, index).ok_or_else(|| ObjectiveError::Unit {
            term: self.term,
            unit: index.to_vec(),
            site: self.site.clone(),
            shape: self.shape.clone(),
        })
    }

    fn channels(&self, axis: usize) -> Result<Channels, ObjectiveError> {
        self.within("channel axis", axis, 1, self.shape.len())?;
        Ok(Channels::new(&self.shape, axis - 1))
    }

    fn within(
        &self,
        what: &'static str,
        found: usize,
        least: usize,
        most: usize,
    ) -> Result<(), ObjectiveError> {
        if (least..=most).contains(&found) {
            return Ok(());
        }
        let (site, shape) = (self.site.clone(), self.shape.clone());
        Err(ObjectiveError::Axis { term: self.term, what, found, least, most, site, shape })
    }

    fn length(&self, what: &'static str, found: &[f64], wanted: &[usize]) -> Result<(), ObjectiveError> {
        finite(self.term, what, found)?;
        if wanted.contains(&found.len()) {
            return Ok(());
        }
        let words: Vec<String> = wanted.iter().map(usize::to_string).collect();
        Err(ObjectiveError::Length {
            term: self.term,
            what,
            found: found.len(),
            wanted: words.join(" or "),
            site: self.site.clone(),
        })
    }
}

fn finite(term: &'static str, what: &'static str, numbers: &[f64]) -> Result<(), ObjectiveError> {
    match numbers.iter().find(|number| !number.is_finite()) {
        None => Ok(()),
        Some(&found) => Err(ObjectiveError::Number { term, what, found, allowed: "it has to be finite" }),
    }
}

fn positive(term: &'static str, what: &'static str, numbers: &[f64]) -> Result<(), ObjectiveError> {
    finite(term, what, numbers)?;
    match numbers.iter().find(|number| **number <= 0.0) {
        None => Ok(()),
        Some(&found) => Err(ObjectiveError::Number { term, what, found, allowed: "it has to be above 0" }),
    }
}

fn not_negative(term: &'static str, what: &'static str, number: f64) -> Result<(), ObjectiveError> {
    finite(term, what, &[number])?;
    if number >= 0.0 {
        return Ok(());
    }
    Err(ObjectiveError::Number { term, what, found: number, allowed: "it has to be at least 0" })
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

type Claimed = Vec<(Claim, Vec<usize>)>;

fn kernel(term: &Term, places: &[Place<'_>], stimuli: usize) -> Result<(Kernel, Claimed), ObjectiveError> {
    let place = &places[0];
    let name = place.term;
    let mut claimed = Vec::new();
    let kernel = match term {
        Term::Unit { units, .. } => {
            let units = place.units(units)?;
            claimed.push((Claim::Driven, units.clone()));
            Kernel::Point(Point::mean(units))
        }
        Term::Suppress { units, .. } => {
            let units = place.units(units)?;
            claimed.push((Claim::Suppressed, units.clone()));
            Kernel::Point(Point::Mean { units, sign: -1.0 })
        }
        Term::Channel { channel, channels, centre, .. } => {
            let units = channel_units(place, *channel, *channels, *centre)?;
            claimed.push((Claim::Driven, units.clone()));
            Kernel::Point(Point::mean(units))
        }
        Term::Direction { vector, channels, power, .. } => {
            not_negative(name, "power", *power)?;
            Kernel::Point(direction(place, vector, *channels, *power)?)
        }
        Term::Target { units, state, .. } => {
            let units = place.units(units)?;
            place.length("state", state, &[units.len()])?;
            let norm = square(state);
            let scale = if norm > 0.0 { norm } else { units.len() as f64 };
            Kernel::Point(Point::Distance { units, state: state.clone(), scale })
        }
        Term::Hold { units, baseline, spread, .. } => {
            let units = place.units(units)?;
            place.length("baseline", baseline, &[1, units.len()])?;
            positive(name, "spread", &[*spread])?;
            claimed.push((Claim::Held, units.clone()));
            let scale = units.len() as f64 * spread * spread;
            let state = spread_out(baseline, units.len());
            Kernel::Point(Point::Distance { units, state, scale })
        }
        Term::Metamer { reference, tolerance, .. } => {
            place.length("reference", reference, &[place.len()])?;
            positive(name, "tolerance", &[*tolerance])?;
            let norm = square(reference);
            positive(name, "squared length of the reference", &[norm])?;
            let scale = norm * tolerance * tolerance;
            Kernel::Point(Point::Distance {
                units: (0..place.len()).collect(),
                state: reference.clone(),
                scale,
            })
        }
        Term::Contrast { up, down, ratio, .. } => {
            let (up, down) = (place.units(up)?, place.units(down)?);
            if let Ratio::Log { floor } = ratio {
                not_negative(name, "floor", *floor)?;
            }
            claimed.extend([(Claim::Driven, up.clone()), (Claim::Suppressed, down.clone())]);
            Kernel::Point(Point::Contrast { up, down, ratio: *ratio })
        }
        Term::Texture { reference, channels, .. } => {
            let channels = place.channels(*channels)?;
            place.length("reference", reference, &[place.len()])?;
            let matched = Matched::new(channels, ArrayView1::from(&reference[..]));
            positive(name, "squared length of the reference's Gram matrix", &[matched.scale()])?;
            Kernel::Statistic(matched)
        }
        Term::Diverse { statistic, channels, .. } => {
            several(name, stimuli)?;
            let channels = match statistic {
                Statistic::Gram => Some(place.channels(*channels)?),
                Statistic::Features => None,
            };
            Kernel::Set(Set::Diverse { gram: channels })
        }
        Term::LeastConfusable { classes, noise_sd, sharpness, .. } => {
            several(name, stimuli)?;
            place.length("noise", noise_sd, &[1, place.len()])?;
            positive(name, "noise", noise_sd)?;
            positive(name, "sharpness", &[*sharpness])?;
            let pairs = set::pairs(classes, stimuli)
                .map_err(|message| ObjectiveError::Set { term: name, message })?;
            let noise_sd = spread_out(noise_sd, place.len());
            Kernel::Set(Set::LeastConfusable(LeastConfusable { pairs, noise_sd, sharpness: *sharpness }))
        }
        Term::Discriminate { a, b, versus, .. } => Kernel::Versus(compared(places, a, b, *versus)?),
    };
    Ok((kernel, claimed))
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
