//! Records of discrete trials and of values that are scored against a baseline.

use crate::SceneId;
use crate::row::{Columns, Row, RowError, index_column};

/// What came of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrialOutcome {
    /// No answer, or none that counts: an artefact, a stimulus cut short, no key in time. The procedure did not hear of it.
    Lost,
    /// Not detected.
    No,
    /// Detected.
    Yes,
    /// How large the response was: [`Trial::value`].
    Reward,
}

impl TrialOutcome {
    const ALL: [TrialOutcome; 4] = [Self::Lost, Self::No, Self::Yes, Self::Reward];
}

/// One trial: what was shown, what was answered, and what the procedure then knew.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    /// 0, 1, 2 ... in one session.
    pub index: u64,
    /// The turn in which it was closed.
    pub turn: u64,
    /// The block, in the order in which blocks run.
    pub block: u64,
    /// The command that began it.
    pub command: u64,
    /// What was shown.
    pub scene: SceneId,
    /// Which of the procedure's levels or arms; 0 for a staircase, whose levels have no index.
    pub choice: u64,
    /// Its Michelson contrast.
    pub contrast: f64,
    /// When that command was issued.
    pub begin_ns: i64,
    /// When the one that ended it was.
    pub end_ns: i64,
    /// The decision that answered, if one did.
    pub decision: Option<u64>,
    /// The marker that answered, by its number in its source, if one did.
    pub marker: Option<u64>,
    /// The decoded amplitude in uV; NaN where a marker answered or nothing did.
    pub value: f64,
    /// Its standard error in uV; NaN as before.
    pub spread: f64,
    /// What came of it.
    pub outcome: TrialOutcome,
    /// What the procedure then knew: decimal logarithm of the threshold's contrast, or, of a bandit, the reward expected of
    /// what was shown. NaN while it knows nothing.
    pub estimate: f64,
    /// Its standard deviation (of a staircase, its standard error); NaN where there is none.
    pub estimate_sd: f64,
}

/// What came of a value that was scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScoreOutcome {
    /// Below the threshold.
    Miss,
    /// Above it.
    Success,
    /// An artefact lay in the window: neither, and nothing adapted.
    Frozen,
}

impl ScoreOutcome {
    const ALL: [ScoreOutcome; 3] = [Self::Miss, Self::Success, Self::Frozen];
}

/// A decoded value in standard deviations above a baseline, and the threshold that it met.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// 0, 1, 2 ... in one session.
    pub index: u64,
    /// The turn in which it was given.
    pub turn: u64,
    /// `now` of that turn.
    pub at_ns: i64,
    /// The decision whose value it is.
    pub decision: u64,
    /// The block, in the order in which blocks run.
    pub block: u64,
    /// The value above the baseline's centre, in its standard deviations.
    pub score: f64,
    /// The threshold that it was compared with, in the same.
    pub threshold: f64,
    /// Centre of the baseline in uV.
    pub baseline_uv: f64,
    /// Standard deviation of the baseline in uV.
    pub baseline_sd_uv: f64,
    /// What came of it.
    pub outcome: ScoreOutcome,
}

impl Row for Trial {
    const STREAM: &'static str = "photic-trials";
    const COLUMNS: &'static [&'static str] = &[
        "index",
        "turn",
        "block",
        "command",
        "scene",
        "choice",
        "contrast_f64",
        "begin_ns",
        "end_ns",
        "decision",
        "marker",
        "value_f64",
        "spread_f64",
        "outcome",
        "estimate_f64",
        "estimate_sd_f64",
    ];

    fn write(&self, put: &mut impl FnMut(i64)) {
        put(self.index as i64);
        put(self.turn as i64);
        put(self.block as i64);
        put(self.command as i64);
        put(i64::from(self.scene.0));
        put(self.choice as i64);
        put(self.contrast.to_bits() as i64);
        put(self.begin_ns);
        put(self.end_ns);
        put(index_column(self.decision));
        put(index_column(self.marker));
        put(self.value.to_bits() as i64);
        put(self.spread.to_bits() as i64);
        put(self.outcome as i64);
        put(self.estimate.to_bits() as i64);
        put(self.estimate_sd.to_bits() as i64);
    }

    fn read(row: &[i64]) -> Result<Self, RowError> {
        let mut c = Columns::of::<Self>(row)?;
        Ok(Self {
            index: c.int()?,
            turn: c.int()?,
            block: c.int()?,
            command: c.int()?,
            scene: SceneId(c.int()?),
            choice: c.int()?,
            contrast: c.f64(),
            begin_ns: c.i64(),
            end_ns: c.i64(),
            decision: c.optional_index()?,
            marker: c.optional_index()?,
            value: c.f64(),
            spread: c.f64(),
            outcome: c.one_of(&TrialOutcome::ALL)?,
            estimate: c.f64(),
            estimate_sd: c.f64(),
        })
    }
}

impl Row for Score {
    const STREAM: &'static str = "photic-scores";
    const COLUMNS: &'static [&'static str] = &[
        "index",
        "turn",
        "at_ns",
        "decision",
        "block",
        "score_f64",
        "threshold_f64",
        "baseline_uv_f64",
        "baseline_sd_uv_f64",
        "outcome",
    ];

    fn write(&self, put: &mut impl FnMut(i64)) {
        put(self.index as i64);
        put(self.turn as i64);
        put(self.at_ns);
        put(self.decision as i64);
        put(self.block as i64);
        put(self.score.to_bits() as i64);
        put(self.threshold.to_bits() as i64);
        put(self.baseline_uv.to_bits() as i64);
        put(self.baseline_sd_uv.to_bits() as i64);
        put(self.outcome as i64);
    }

    fn read(row: &[i64]) -> Result<Self, RowError> {
        let mut c = Columns::of::<Self>(row)?;
        Ok(Self {
            index: c.int()?,
            turn: c.int()?,
            at_ns: c.i64(),
            decision: c.int()?,
            block: c.int()?,
            score: c.f64(),
            threshold: c.f64(),
            baseline_uv: c.f64(),
            baseline_sd_uv: c.f64(),
            outcome: c.one_of(&ScoreOutcome::ALL)?,
        })
    }
}
