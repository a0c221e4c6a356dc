//! Blocks of trials as a protocol says them: a stimulus at the contrast that a procedure chose, an answer, the next.

use crate::check;
use crate::error::ProtocolError;
use crate::experiment::{Block, BlockKind, Decoder, Markers, Protocol, StreamKind};
use crate::reader::{Range, Table};

/// Most arms of a bandit, slopes or lapse rates.
const MOST_CHOICES: usize = 16;

/// A block of trials.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Index into [`Protocol::stimuli`]: what is shown; of a bandit, what the decoder measures.
    pub stimulus: usize,
    /// Time on in s, ramp included; at least the ramp, the decoder's window and one update where the answer is decoded.
    pub on_s: f64,
    /// From the end of a trial to the earliest begin of the next, in s; at least the grey ramp.
    pub gap_s: f64,
    /// How many trials at most; those that are lost count.
    pub trials: u32,
    /// Where the answer comes from.
    pub answer: Answer,
    /// What chooses.
    pub procedure: Procedure,
}

/// Where the answer to a trial comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Answer {
    /// `decoded`: detected when the decoded amplitude is this many of its standard errors above zero.
    Decoded {
        /// Standard errors, at least 0.
        criterion_sd: f64,
    },
    /// `amplitude`: the decoded amplitude itself, in uV; for a bandit.
    Amplitude,
    /// `marker`: a key, or whatever sends a marker.
    Marker {
        /// Index into [`Protocol::streams`]: markers.
        stream: usize,
        /// Code of the marker that says "detected".
        yes: u32,
        /// Code of the one that says "not detected".
        no: u32,
        /// How long after the stimulus went off it counts, in s.
        within_s: f64,
    },
}

impl Answer {
    /// Whether the decoder gives it.
    pub fn is_decoded(&self) -> bool {
        !matches!(self, Self::Marker { .. })
    }
}

/// Contrasts evenly spaced in their logarithm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogGrid {
    /// The lowest, above 0.
    pub from: f64,
    /// The highest.
    pub to: f64,
    /// How many, 2 to 512.
    pub count: u32,
}

/// What chooses the next trial.
#[derive(Debug, Clone, PartialEq)]
pub enum Procedure {
    /// `quest_plus` (Watson 2017, J Vis 17(3):10).
    QuestPlus(QuestPlus),
    /// `staircase` (Levitt 1971; Kaernbach 1991).
    Staircase(Staircase),
    /// `bandit`: which of several stimuli gives most.
    Bandit(Bandit),
}

/// See [`Procedure::QuestPlus`]. Logarithms are decimal.
#[derive(Debug, Clone, PartialEq)]
pub struct QuestPlus {
    /// Shape of the psychometric function over log contrast.
    pub form: Form,
    /// Contrasts that can be shown, up to 1.
    pub contrasts: LogGrid,
    /// Possible thresholds; they may lie beyond what can be shown.
    pub thresholds: LogGrid,
    /// Possible slopes per unit of log contrast, above 0.
    pub slopes_per_log10: Vec<f64>,
    /// Possible lapse rates, 0 to below 1 less the guess rate.
    pub lapse_rates: Vec<f64>,
    /// Rate of "detected" without a stimulus, 0..=0.99.
    pub guess_rate: f64,
    /// Contrast at the middle of the threshold's prior, and its standard deviation in log contrast; flat where absent.
    pub prior: Option<[f64; 2]>,
    /// It ends when the standard deviation of the log threshold is at most this; 0 for never.
    pub until_sd_log10: f64,
}

/// The shape of a psychometric function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `"weibull"`: the threshold is where its shape is at 0.632.
    Weibull,
    /// `"logistic"`: where it is at 0.5.
    Logistic,
}

/// See [`Procedure::Staircase`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Staircase {
    /// When it moves.
    pub rule: StaircaseRule,
    /// First contrast.
    pub start_contrast: f64,
    /// Lowest contrast, above 0.
    pub lowest_contrast: f64,
    /// Highest contrast, at most 1.
    pub highest_contrast: f64,
    /// First step to a higher contrast in dB, `20 log10` of the ratio.
    pub step_up_db: f64,
    /// First step to a lower one in dB.
    pub step_down_db: f64,
    /// Factor of both steps at each reversal, above 0, at most 1.
    pub shrink: f64,
    /// Where the factor stops, as a part of the first steps.
    pub least_part: f64,
    /// It ends after this many reversals.
    pub reversals: u32,
    /// How many of them, the last, make the estimate; at most 64.
    pub counted: u32,
}

/// When a staircase moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaircaseRule {
    /// `up_down`: up after so many misses in a row, down after so many detections in a row.
    UpDown {
        /// Misses.
        up: u32,
        /// Detections.
        down: u32,
    },
    /// `weighted`: after each answer, with steps of different size.
    Weighted,
}

/// See [`Procedure::Bandit`].
#[derive(Debug, Clone, PartialEq)]
pub struct Bandit {
    /// How an arm is chosen.
    pub rule: BanditRule,
    /// What is known before a choice.
    pub context: Context,
    /// Precision of the coefficients before any reward, above 0.
    pub ridge: f64,
    /// Seed of the draws.
    pub seed: u64,
    /// The arms, 2 to 16.
    pub arms: Vec<Arm>,
}

/// How an arm is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BanditRule {
    /// `thompson`: by a draw from the posterior.
    Thompson {
        /// Standard deviation of the reward around its mean, in the reward's unit (uV, or 1 for a yes).
        noise_sd: f64,
    },
    /// `lin_ucb`: by the highest upper bound.
    LinUcb {
        /// Standard errors above the mean.
        alpha: f64,
    },
}

/// What a bandit knows before a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Context {
    /// `"previous_sd"`: the amplitude before, in its standard errors.
    pub previous_sd: bool,
    /// `"minutes"`: since the block began.
    pub minutes: bool,
}

/// One arm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arm {
    /// Index into [`Protocol::stimuli`]; it flickers like the decoder's own.
    pub stimulus: usize,
    /// Michelson contrast, above 0, at most 1.
    pub contrast: f64,
}

impl Procedure {
    /// The highest contrast that it can choose.
    pub fn highest_contrast(&self) -> f64 {
        match self {
            Self::QuestPlus(quest) => quest.contrasts.to,
            Self::Staircase(staircase) => staircase.highest_contrast,
            Self::Bandit(bandit) => bandit.arms.iter().map(|arm| arm.contrast).fold(0.0, f64::max),
        }
    }

    /// Its name, as the key says it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::QuestPlus(_) => "quest_plus",
            Self::Staircase(_) => "staircase",
            Self::Bandit(_) => "bandit",
        }
    }
}

const PROCEDURES: [&str; 3] = ["quest_plus", "staircase", "bandit"];

/// Reads `trial = { ... }` of a block.
pub(crate) fn read_trial(block: &Table<'_>, protocol: &Protocol) -> Result<Trial, ProtocolError> {
    let mut keys = vec!["stimulus", "on_s", "gap_s", "trials", "answer"];
    keys.extend(PROCEDURES);
    let table = block.table("trial", &keys)?;
    let seconds = Range::above(0.0).up_to(3_600.0);
    let stimulus = check::stimulus(&table, protocol)?;
    let procedure = match table.one_of(&PROCEDURES)? {
        "quest_plus" => Procedure::QuestPlus(read_quest_plus(&table)?),
        "staircase" => Procedure::Staircase(read_staircase(&table)?),
        _ => Procedure::Bandit(read_bandit(&table, protocol)?),
    };
    let answer = read_answer(&table, protocol)?;
    if answer == Answer::Amplitude && !matches!(procedure, Procedure::Bandit(_)) {
        let inner = table.table_of_any("answer")?;
        let text =
            format!("is for `bandit`; {} needs detected or not: `decoded` or `marker`", procedure.name());
        return Err(inner.contradiction("amplitude", text));
    }
    let trial = Trial {
        stimulus,
        on_s: table.number("on_s", seconds)?,
        gap_s: table.number("gap_s", seconds)?,
        trials: table.integer("trials", 1..=100_000)? as u32,
        answer,
        procedure,
    };
    if trial.gap_s < protocol.grey_ramp_s {
        let allowed = format!("at least grey_ramp_s = {} s, in which a stimulus fades", protocol.grey_ramp_s);
        return Err(table.refuse("gap_s", allowed));
    }
    window_fits(&table, &trial, protocol)?;
    Ok(trial)
}

/// Time in which a contrast is reached: by the controller's slew, else by the grey ramp's; limits may be slower.
fn ramp_s(contrast: f64, protocol: &Protocol) -> f64 {
    let own_per_s = protocol
        .controller
        .as_ref()
        .map_or(1.0 / protocol.grey_ramp_s, |controller| controller.response().slew_per_s);
    contrast / protocol.limits.map_or(own_per_s, |limits| limits.slew_per_s.min(own_per_s))
}

fn window_fits(table: &Table<'_>, trial: &Trial, protocol: &Protocol) -> Result<(), ProtocolError> {
    let Some(Decoder::SsvepAmplitude(ssvep)) =
        protocol.decoder.as_ref().filter(|_| trial.answer.is_decoded())
    else {
        return Ok(());
    };
    let ramp_s = ramp_s(trial.procedure.highest_contrast(), protocol);
    let least_s = ramp_s + ssvep.window_s + ssvep.update_s;
    if trial.on_s < least_s * (1.0 - 1e-9) {
        let allowed = format!(
            "at least {least_s:.3} s, or no window is an answer: {ramp_s:.3} s of ramp, window_s = {} and update_s = {} of \
             [decoder]",
            ssvep.window_s, ssvep.update_s
        );
        return Err(table.refuse("on_s", allowed));
    }
    Ok(())
}

fn read_answer(trial: &Table<'_>, protocol: &Protocol) -> Result<Answer, ProtocolError> {
    let kinds = ["decoded", "amplitude", "marker"];
    let table = trial.table("answer", &kinds)?;
    Ok(match table.one_of(&kinds)? {
        "decoded" => {
            let table = table.table("decoded", &["criterion_sd"])?;
            Answer::Decoded { criterion_sd: table.number("criterion_sd", Range::from(0.0).up_to(100.0))? }
        }
        "amplitude" => {
            table.table("amplitude", &[])?;
            Answer::Amplitude
        }
        key => {
            let table = table.table(key, &["stream", "yes", "no", "within_s"])?;
            let stream = check::marker_stream(&table, "stream", protocol)?;
            let code = |key: &str| -> Result<u32, ProtocolError> {
                let StreamKind::Markers(Markers { markers }) = &protocol.streams[stream].kind else {
                    return Err(table.refuse("stream", "a stream of markers"));
                };
                let texts = markers.iter().map(|marker| marker.text.as_str());
                Ok(markers[table.reference(key, "marker", texts)?].code)
            };
            let (yes, no) = (code("yes")?, code("no")?);
            if yes == no {
                return Err(table.refuse("no", "a marker with another code than that of yes"));
            }
            let within_s = table.number("within_s", Range::above(0.0).up_to(60.0))?;
            Answer::Marker { stream, yes, no, within_s }
        }
    })
}

fn read_grid(parent: &Table<'_>, key: &str, highest: f64) -> Result<LogGrid, ProtocolError> {
    let table = parent.table(key, &["from", "to", "count"])?;
    let from = table.number("from", Range::from(1e-4).below(highest))?;
    Ok(LogGrid {
        from,
        to: table.number("to", Range::above(from).up_to(highest))?,
        count: table.integer("count", 2..=512)? as u32,
    })
}

fn few(table: &Table<'_>, key: &str, range: Range) -> Result<Vec<f64>, ProtocolError> {
    let numbers = table.numbers(key, None, range)?;
    if numbers.len() > MOST_CHOICES {
        return Err(table.refuse(key, format!("at most {MOST_CHOICES} numbers")));
    }
    Ok(numbers)
}

fn read_quest_plus(trial: &Table<'_>) -> Result<QuestPlus, ProtocolError> {
    let keys = [
        "form",
        "contrasts",
        "thresholds",
        "slopes_per_log10",
        "lapse_rates",
        "guess_rate",
        "prior",
        "until_sd_log10",
    ];
    let table = trial.table("quest_plus", &keys)?;
    let guess_rate = table.number("guess_rate", Range::from(0.0).up_to(0.99))?;
    let prior = |table: &Table<'_>, key: &str| {
        let prior = table.table(key, &["contrast", "sd_log10"])?;
        Ok([
            prior.number("contrast", Range::from(1e-4).up_to(100.0))?,
            prior.number("sd_log10", Range::above(0.0).up_to(10.0))?,
        ])
    };
    let quest = QuestPlus {
        form: table.choice("form", &[("weibull", Form::Weibull), ("logistic", Form::Logistic)])?,
        contrasts: read_grid(&table, "contrasts", 1.0)?,
        thresholds: read_grid(&table, "thresholds", 100.0)?,
        slopes_per_log10: few(&table, "slopes_per_log10", Range::above(0.0).up_to(1_000.0))?,
        lapse_rates: few(&table, "lapse_rates", Range::from(0.0).below(1.0 - guess_rate))?,
        guess_rate,
        prior: table.optional("prior", prior)?,
        until_sd_log10: table.number("until_sd_log10", Range::from(0.0).up_to(10.0))?,
    };
    let entries = f64::from(quest.contrasts.count)
        * f64::from(quest.thresholds.count)
        * (quest.slopes_per_log10.len() * quest.lapse_rates.len()) as f64;
    if entries > 4_194_304.0 {
        let text =
            format!("contrasts times thresholds, slopes and lapse rates are {entries}, at most 4194304");
        return Err(table.itself(text));
    }
    Ok(quest)
}

fn read_staircase(trial: &Table<'_>) -> Result<Staircase, ProtocolError> {
    let rules = ["up_down", "weighted"];
    let mut keys = vec![
        "start_contrast",
        "lowest_contrast",
        "highest_contrast",
        "step_up_db",
        "step_down_db",
        "shrink",
        "least_part",
        "reversals",
        "counted",
    ];
    keys.extend(rules);
    let table = trial.table("staircase", &keys)?;
    let rule = match table.one_of(&rules)? {
        "up_down" => {
            let rule = table.table("up_down", &["up", "down"])?;
            StaircaseRule::UpDown {
                up: rule.integer("up", 1..=100)? as u32,
                down: rule.integer("down", 1..=100)? as u32,
            }
        }
        key => {
            table.table(key, &[])?;
            StaircaseRule::Weighted
        }
    };
    let lowest_contrast = table.number("lowest_contrast", Range::from(1e-4).below(1.0))?;
    let highest_contrast = table.number("highest_contrast", Range::above(lowest_contrast).up_to(1.0))?;
    let span_db = 20.0 * (highest_contrast / lowest_contrast).log10();
    let reversals = table.integer("reversals", 1..=1_000_000)?;
    let part = Range::above(0.0).up_to(1.0);
    Ok(Staircase {
        rule,
        start_contrast: table
            .number("start_contrast", Range::from(lowest_contrast).up_to(highest_contrast))?,
        lowest_contrast,
        highest_contrast,
        step_up_db: table.number("step_up_db", Range::above(0.0).up_to(span_db))?,
        step_down_db: table.number("step_down_db", Range::above(0.0).up_to(span_db))?,
        shrink: table.number("shrink", part)?,
        least_part: table.number("least_part", part)?,
        reversals: reversals as u32,
        counted: table.integer("counted", 1..=reversals.min(64))? as u32,
    })
}

fn read_bandit(trial: &Table<'_>, protocol: &Protocol) -> Result<Bandit, ProtocolError> {
    let rules = ["thompson", "lin_ucb"];
    let table = trial.table("bandit", &["thompson", "lin_ucb", "context", "ridge", "seed", "arms"])?;
    let rule = match table.one_of(&rules)? {
        "thompson" => BanditRule::Thompson {
            noise_sd: table
                .table("thompson", &["noise_sd"])?
                .number("noise_sd", Range::above(0.0).up_to(1e6))?,
        },
        key => BanditRule::LinUcb {
            alpha: table.table(key, &["alpha"])?.number("alpha", Range::from(0.0).up_to(1e6))?,
        },
    };
    let mut arms = Vec::new();
    for arm in table.list("arms", &["stimulus", "contrast"])? {
        arms.push(Arm {
            stimulus: flickers_alike(&arm, protocol)?,
            contrast: arm.number("contrast", Range::above(0.0).up_to(1.0))?,
        });
    }
    if !(2..=MOST_CHOICES).contains(&arms.len()) {
        return Err(table.refuse("arms", format!("2 to {MOST_CHOICES} arms; there are {}", arms.len())));
    }
    Ok(Bandit {
        rule,
        context: read_context(&table)?,
        ridge: table.number("ridge", Range::above(0.0).up_to(1e9))?,
        seed: table.integer("seed", 0..=u64::from(u32::MAX))?,
        arms,
    })
}

/// Without the key a choice knows nothing but the rewards.
fn read_context(table: &Table<'_>) -> Result<Context, ProtocolError> {
    let mut context = Context::default();
    for name in table.optional("context", Table::texts)?.unwrap_or_default() {
        match name.as_str() {
            "previous_sd" => context.previous_sd = true,
            "minutes" => context.minutes = true,
            _ => {
                let allowed = "a list of \"previous_sd\" and \"minutes\"";
                return Err(table.refuse("context", allowed));
            }
        }
    }
    Ok(context)
}

/// One decoder measures all arms, so they flicker like its stimulus.
fn flickers_alike(arm: &Table<'_>, protocol: &Protocol) -> Result<usize, ProtocolError> {
    let index = check::stimulus(arm, protocol)?;
    let Some(Decoder::SsvepAmplitude(ssvep)) = &protocol.decoder else { return Ok(index) };
    let own = &protocol.stimuli[ssvep.stimulus];
    if protocol.stimuli[index].flicker() != own.flicker() {
        let allowed = format!("a stimulus that flickers like \"{}\", which the decoder measures", own.name);
        return Err(arm.refuse("stimulus", allowed));
    }
    Ok(index)
}

/// Decoded answers need a decoder that is calibrated before, whatever the seed.
pub(crate) fn calibration_comes_first(
    tables: &[Table<'_>],
    protocol: &Protocol,
) -> Result<(), ProtocolError> {
    let decodes = |block: &Block| matches!(&block.kind, BlockKind::Trial(trial) if trial.answer.is_decoded());
    let blocks = &protocol.blocks;
    let any_shuffled = blocks.iter().any(|block| block.shuffle && decodes(block));
    // A shuffled block can come to stand at any shuffled place.
    let first = blocks.iter().position(|block| decodes(block) || (block.shuffle && any_shuffled));
    let Some(first) = first else { return Ok(()) };
    let calibrates = |block: &Block| matches!(block.kind, BlockKind::Calibrate(_)) && !block.shuffle;
    if blocks[..first].iter().any(calibrates) {
        return Ok(());
    }
    let found = tables.iter().zip(blocks).find(|(_, block)| decodes(block));
    let table = found.map_or(&tables[first], |(table, _)| table);
    let text = "decoded answers need a block with `calibrate`, not shuffled, before any trial";
    Err(table.contradiction("trial", text))
}
