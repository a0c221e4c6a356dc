//! State-dependent onset as a protocol says it: the table `[onset]`, how the brain's state is followed, and the table
//! `onset = { ... }` of a block, what a presentation waits for. Any kind of block that presents something reads the latter
//! with `read_rule`.

use crate::check;
use crate::error::ProtocolError;
use crate::experiment::{Block, BlockKind, Protocol, Samples};
use crate::reader::{Range, Table};

/// How the state of the brain is followed (`[onset]`).
#[derive(Debug, Clone, PartialEq)]
pub struct OnsetState {
    /// Index into [`Protocol::streams`], a stream of samples.
    pub stream: usize,
    /// Positions in the stream's channels; their mean is the signal whose rhythm counts.
    pub channels: Vec<usize>,
    /// Positions of channels whose mean is taken away from it; may be empty.
    pub reference_channels: Vec<usize>,
    /// The band in which the rhythm lies and whose power counts, in Hz.
    pub band_hz: [f64; 2],
    /// Frequency of the mains, in Hz.
    pub mains_hz: f64,
    /// From the newest sample that may count to the refresh that it decides, in s: it must cover a chunk, the way to this
    /// machine and two refreshes, and every millisecond of it costs certainty.
    pub lead_s: f64,
    /// Rest from which the rhythm is learnt, and memory of the power's baseline, in s.
    pub baseline_s: f64,
    /// Memory of the power, in s.
    pub power_window_s: f64,
    /// How quiet eyes are told, if anything watches them.
    pub eyes: Option<Eyes>,
}

/// How quiet eyes are told.
#[derive(Debug, Clone, PartialEq)]
pub struct Eyes {
    /// Index into [`Protocol::streams`]: EEG with frontal or EOG channels, or a gaze.
    pub stream: usize,
    /// Positions in the stream's channels.
    pub channels: Vec<usize>,
    /// How long they must have been quiet, in s.
    pub window_s: f64,
    /// Greatest less least value that a channel may have in that time, in its stream's unit.
    pub range_max: f64,
}

/// What a presentation waits for; at least one condition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OnsetRule {
    /// A phase of the rhythm at the first photon.
    pub phase: Option<WantedPhase>,
    /// Least band power over its baseline.
    pub power_min: Option<f64>,
    /// Greatest band power over its baseline, above `power_min`.
    pub power_max: Option<f64>,
    /// Whether the eyes must be quiet.
    pub quiet_eyes: bool,
    /// How long it waits, in s.
    pub timeout_s: f64,
    /// What happens then.
    pub then: Then,
}

/// A wanted phase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WantedPhase {
    /// In degrees, -180..=360: 0 at the positive peak of the signal, 180 at its trough.
    pub phase_deg: f64,
    /// How far off the forecast may be, in degrees, above 0, up to 180.
    pub tolerance_deg: f64,
    /// Least mean resultant length that the forecast must promise, 0 to below 1.
    pub resultant_min: f64,
}

/// What happens when the time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The presentation begins all the same.
    Go,
    /// It is left out.
    Skip,
}

/// See [`BlockKind::Flash`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flash {
    /// Index into [`Protocol::stimuli`].
    pub stimulus: usize,
    /// Michelson contrast while on, above 0, at most 1.
    pub contrast: f64,
    /// Time in which contrast rises and falls, in s, at most `on_s`; 0 for a step, which no `[limits]` allow.
    pub ramp_s: f64,
    /// Time on in s.
    pub on_s: f64,
    /// From one presentation to the first instant at which the next may begin, in s; at least `lead_s` and `ramp_s`.
    pub gap_s: f64,
    /// How many presentations; those that are left out count.
    pub count: u32,
    /// What each waits for; nothing where the key is absent.
    pub onset: Option<OnsetRule>,
}

/// Rest that must be there beyond the baseline: samples are late, and the fit takes some of them.
const REST_MARGIN_S: f64 = 1.0;

/// Reads `[onset]`.
pub(crate) fn read_state(
    root: &Table<'_>,
    key: &str,
    protocol: &Protocol,
) -> Result<OnsetState, ProtocolError> {
    let keys = [
        "stream",
        "channels",
        "reference_channels",
        "band_hz",
        "mains_hz",
        "lead_s",
        "baseline_s",
        "power_window_s",
        "eyes",
    ];
    let table = root.table(key, &keys)?;
    let (stream, samples) = check::sample_stream(&table, "stream", protocol)?;
    let band_hz = table.span_of_numbers("band_hz", Range::from(1.0).up_to(100.0))?;
    if band_hz[1] - band_hz[0] < 1.0 {
        return Err(table.refuse("band_hz", "at least 1 Hz from the lower edge to the upper one"));
    }
    if 4.0 * band_hz[1] > samples.rate_hz {
        let most = samples.rate_hz / 4.0;
        return Err(table.refuse("band_hz", format!("up to a quarter of the stream's rate, {most} Hz")));
    }
    let state = OnsetState {
        stream,
        channels: channels(&table, "channels", samples)?,
        reference_channels: table
            .optional("reference_channels", |table, key| channels(table, key, samples))?
            .unwrap_or_default(),
        band_hz,
        mains_hz: table.number("mains_hz", Range::from(40.0).up_to(70.0))?,
        lead_s: table.number("lead_s", Range::above(0.0).up_to(1.0))?,
        baseline_s: table.number("baseline_s", Range::from(8.0).up_to(3_600.0))?,
        power_window_s: table.number("power_window_s", Range::from(0.05).up_to(60.0))?,
        eyes: table.optional("eyes", |table, key| read_eyes(table, key, protocol))?,
    };
    if state.reference_channels.iter().any(|channel| state.channels.contains(channel)) {
        return Err(table.refuse("reference_channels", "channels that are not in `channels`"));
    }
    Ok(state)
}

fn read_eyes(onset: &Table<'_>, key: &str, protocol: &Protocol) -> Result<Eyes, ProtocolError> {
    let table = onset.table(key, &["stream", "channels", "window_s", "range_max"])?;
    let (stream, samples) = check::sample_stream(&table, "stream", protocol)?;
    Ok(Eyes {
        stream,
        channels: channels(&table, "channels", samples)?,
        window_s: table.number("window_s", Range::from(0.01).up_to(60.0))?,
        range_max: table.number("range_max", Range::above(0.0).up_to(1e9))?,
    })
}

/// Labels of a stream's channels as their positions.
fn channels(table: &Table<'_>, key: &str, samples: &Samples) -> Result<Vec<usize>, ProtocolError> {
    let place = |label: &String| samples.channels.iter().position(|known| known == label);
    let found: Option<Vec<usize>> = table.texts(key)?.iter().map(place).collect();
    found.ok_or_else(|| table.refuse(key, format!("channels of the stream: {}", samples.channels.join(", "))))
}

const RULE_KEYS: [&str; 8] = [
    "phase_deg",
    "tolerance_deg",
    "resultant_min",
    "power_min",
    "power_max",
    "quiet_eyes",
    "timeout_s",
    "then",
];

/// Reads what a presentation waits for, `onset = { ... }` of a block.
pub(crate) fn read_rule(
    block: &Table<'_>,
    key: &str,
    protocol: &Protocol,
) -> Result<OnsetRule, ProtocolError> {
    let table = block.table(key, &RULE_KEYS)?;
    let power = |table: &Table<'_>, key: &str| table.number(key, Range::above(0.0).up_to(1_000.0));
    let rule = OnsetRule {
        phase: read_phase(&table)?,
        power_min: table.optional("power_min", power)?,
        power_max: table.optional("power_max", power)?,
        quiet_eyes: table.optional("quiet_eyes", Table::boolean)?.unwrap_or(false),
        timeout_s: table.number("timeout_s", Range::above(0.0).up_to(3_600.0))?,
        then: table.choice("then", &[("go", Then::Go), ("skip", Then::Skip)])?,
    };
    if let (Some(least), Some(most)) = (rule.power_min, rule.power_max)
        && most <= least
    {
        return Err(table.refuse("power_max", format!("above power_min = {least}")));
    }
    let is_free = rule.phase.is_none() && rule.power_min.is_none() && rule.power_max.is_none();
    if is_free && !rule.quiet_eyes {
        let text =
            "waits for nothing: give phase_deg, power_min, power_max or quiet_eyes = true, or leave it out";
        return Err(block.contradiction(key, text));
    }
    match &protocol.onset {
        None => Err(block.contradiction(key, "needs the table [onset], and there is none")),
        Some(state) if rule.quiet_eyes && state.eyes.is_none() => {
            Err(table.contradiction("quiet_eyes", "needs `eyes` in [onset], and there are none"))
        }
        Some(_) => Ok(rule),
    }
}

/// A phase comes with its tolerance and the certainty that it needs, or not at all.
fn read_phase(table: &Table<'_>) -> Result<Option<WantedPhase>, ProtocolError> {
    if !table.has("phase_deg") {
        let alone = ["tolerance_deg", "resultant_min"].into_iter().find(|key| table.has(key));
        return match alone {
            Some(key) => Err(table.contradiction(key, "means something only with phase_deg")),
            None => Ok(None),
        };
    }
    Ok(Some(WantedPhase {
        phase_deg: table.number("phase_deg", Range::from(-180.0).up_to(360.0))?,
        tolerance_deg: table.number("tolerance_deg", Range::above(0.0).up_to(180.0))?,
        resultant_min: table.number("resultant_min", Range::from(0.0).below(1.0))?,
    }))
}

const FLASH_KEYS: [&str; 7] = ["stimulus", "contrast", "ramp_s", "on_s", "gap_s", "count", "onset"];

/// Reads `flash = { ... }` of a block.
pub(crate) fn read_flash(block: &Table<'_>, protocol: &Protocol) -> Result<Flash, ProtocolError> {
    let table = block.table("flash", &FLASH_KEYS)?;
    let seconds = Range::above(0.0).up_to(3_600.0);
    let flash = Flash {
        stimulus: check::stimulus(&table, protocol)?,
        contrast: table.number("contrast", Range::above(0.0).up_to(1.0))?,
        ramp_s: table.number("ramp_s", Range::from(0.0).up_to(60.0))?,
        on_s: table.number("on_s", seconds)?,
        gap_s: table.number("gap_s", seconds)?,
        count: table.integer("count", 1..=1_000_000)? as u32,
        onset: table.optional("onset", |table, key| read_rule(table, key, protocol))?,
    };
    if flash.ramp_s > flash.on_s {
        return Err(table.refuse("ramp_s", format!("at most on_s = {} s", flash.on_s)));
    }
    let Some(state) = &protocol.onset else {
        return Err(block.contradiction("flash", "needs the table [onset], and there is none"));
    };
    if flash.gap_s < state.lead_s + flash.ramp_s {
        let text = format!(
            "at least lead_s = {} s of [onset], within which an onset is planned, and ramp_s = {} s",
            state.lead_s, flash.ramp_s
        );
        return Err(table.refuse("gap_s", text));
    }
    Ok(flash)
}

/// A block that waits for a phase or a power comes after enough rest to learn them from, whatever the seed.
pub(crate) fn rest_comes_first(tables: &[Table<'_>], protocol: &Protocol) -> Result<(), ProtocolError> {
    let Some(state) = &protocol.onset else { return Ok(()) };
    let needed_s = state.baseline_s + REST_MARGIN_S;
    let mut rested_s = 0.0;
    for (table, block) in tables.iter().zip(&protocol.blocks) {
        if block.kind == BlockKind::Rest && !block.shuffle {
            rested_s += block.duration_s;
        }
        if let Some(key) = waits(block, protocol).filter(|_| rested_s < needed_s) {
            let text = format!(
                "waits for a state that is learnt from {needed_s} s of rest (baseline_s and {REST_MARGIN_S} s), and the \
                 `rest` blocks before it that are not shuffled make {rested_s} s"
            );
            return Err(table.contradiction(key, text));
        }
    }
    Ok(())
}

/// The kind of a block whose presentations wait for a state, or whose planner conditions on it.
fn waits(block: &Block, protocol: &Protocol) -> Option<&'static str> {
    let conditions = protocol.planner.as_ref().is_some_and(|planner| planner.state.is_some());
    match &block.kind {
        BlockKind::Flash(flash) => flash.onset.is_some().then_some("flash"),
        BlockKind::Steer(steer) => (steer.onset.is_some() || conditions).then_some("steer"),
        _ => None,
    }
}
