//! `[limits]`: what may be shown at all. The table is optional as a whole and complete where it is there; only the
//! dead-man key may be left out, which means that there is none.

use crate::error::ProtocolError;
use crate::experiment::{Block, BlockKind, Protocol, Response};
use crate::reader::{Range, Table};

/// A week: longer sums are slips of the unit.
const LONGEST_S: f64 = 7.0 * 86_400.0;

/// What may be shown at all, whatever blocks and controller want.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// The most contrast times time of the whole run: seconds at full contrast. Then the run ends.
    pub dose_s: f64,
    /// How long a stimulus may be on.
    pub on_time: OnTime,
    /// The fastest change of contrast per s, whatever the controller says; at least the grey ramp's own, and that of every
    /// `flash`.
    pub slew_per_s: f64,
    /// The longest run, in s. Then it ends.
    pub session_s: f64,
    /// Stimulation runs only while the operator holds this key.
    pub dead_man: Option<DeadMan>,
}

/// How long a stimulus may be on, which is any contrast above zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OnTime {
    /// Longest time without a pause, in s; then the screen is grey for `pause_s`.
    pub longest_s: f64,
    /// How long contrast has to be zero to be a pause, in s.
    pub pause_s: f64,
    /// Longest time over the whole run, in s. Then the run ends.
    pub total_s: f64,
}

/// The dead-man key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeadMan {
    /// Which key of the display's window.
    pub key: Key,
    /// How long it may be up before the screen ramps to grey, in s.
    pub release_s: f64,
}

/// Keys that can be a dead-man key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// `"space"`
    Space,
    /// `"enter"`
    Enter,
}

pub(crate) fn read_limits(root: &Table<'_>, key: &str) -> Result<Limits, ProtocolError> {
    let table = root.table(key, &["dose_s", "on_time", "slew_per_s", "session_s", "dead_man"])?;
    let seconds = Range::above(0.0).up_to(LONGEST_S);
    let on_time = table.table("on_time", &["longest_s", "pause_s", "total_s"])?;
    Ok(Limits {
        dose_s: table.number("dose_s", seconds)?,
        on_time: OnTime {
            longest_s: on_time.number("longest_s", seconds)?,
            pause_s: on_time.number("pause_s", seconds)?,
            total_s: on_time.number("total_s", seconds)?,
        },
        slew_per_s: table.number("slew_per_s", Range::above(0.0).up_to(1_000.0))?,
        session_s: table.number("session_s", seconds)?,
        dead_man: table.optional("dead_man", read_dead_man)?,
    })
}

fn read_dead_man(limits: &Table<'_>, key: &str) -> Result<DeadMan, ProtocolError> {
    let table = limits.table(key, &["key", "release_s"])?;
    Ok(DeadMan {
        key: table.choice("key", &[("space", Key::Space), ("enter", Key::Enter)])?,
        release_s: table.number("release_s", Range::above(0.0).up_to(60.0))?,
    })
}

/// What one block takes of the limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Worth {
    /// Contrast times time in s, the ramp to grey after it included (of a flash, its own ramp).
    pub dose_s: f64,
    /// Time with contrast above zero in s, that ramp included.
    pub on_s: f64,
    /// Longest time without a pause that the block cannot do without, in s.
    pub unbroken_s: f64,
    /// The contrast that was reckoned with.
    pub contrast: f64,
}

impl Protocol {
    /// What a block takes of dose and on-time. Of a held response it is what the nominal person would need, at the
    /// controller's own response model; a real person may take more.
    pub fn worth(&self, block: &Block) -> Worth {
        let (contrast, on_s, stretches) = match &block.kind {
            BlockKind::Rest | BlockKind::Listen(_) => (0.0, 0.0, 0.0),
            BlockKind::Show(show) => (show.contrast, block.duration_s, 1.0),
            BlockKind::Hold(hold) => {
                let response = self.controller.as_ref().map(|controller| controller.response());
                let contrast =
                    response.map_or(1.0, |response| nominal_contrast(response, hold.set_point.range_uv()[1]));
                (contrast, block.duration_s, 1.0)
            }
            BlockKind::Steer(steer) => {
                let count = f64::from(steer.presentations);
                (steer.contrast, count * steer.on_s, count)
            }
            BlockKind::Trial(trial) => {
                let count = f64::from(trial.trials);
                (trial.procedure.highest_contrast(), count * trial.on_s, count)
            }
            BlockKind::Prompt(prompt) => match prompt.shown {
                Some(shown) => (shown.contrast, block.duration_s, 1.0),
                None => (0.0, 0.0, 0.0),
            },
            BlockKind::Task(task) => {
                // Everything that is seen in an attempt, and every attempt that there can be.
                let count = (task.trials() * (1 + task.repeats as usize)) as f64;
                let contrast = task.shown().iter().map(|shown| shown.contrast).fold(0.0, f64::max);
                (contrast, (count * (task.longest_s() - task.gap_s[1])).min(block.duration_s), count)
            }
            BlockKind::Flash(flash) => {
                let count = f64::from(flash.count);
                (flash.contrast, count * flash.on_s, count)
            }
            BlockKind::Calibrate(calibrate) => {
                let period_s = calibrate.on_s + calibrate.off_s;
                let whole = (block.duration_s / period_s).floor();
                let rest_s = (block.duration_s - whole * period_s).min(calibrate.on_s);
                let stretches = whole + if rest_s > 0.0 { 1.0 } else { 0.0 };
                (calibrate.contrast, whole * calibrate.on_s + rest_s, stretches)
            }
        };
        if contrast == 0.0 {
            return Worth { dose_s: 0.0, on_s: 0.0, unbroken_s: 0.0, contrast };
        }
        let ramp_s = self.grey_ramp_s;
        let unbroken_s = match &block.kind {
            BlockKind::Calibrate(calibrate) => calibrate.on_s + ramp_s,
            BlockKind::Steer(steer) => steer.on_s + ramp_s,
            BlockKind::Trial(trial) => trial.on_s + ramp_s,
            BlockKind::Task(task) => task.longest_s() - task.gap_s[1] + ramp_s.max(task.ramp_s),
            BlockKind::Flash(flash) => flash.on_s + ramp_s.max(flash.ramp_s),
            // A pause may come at any time, but not before there is something to see.
            _ => 2.0 * ramp_s,
        };
        // A flash falls by its own ramp.
        let ramp_s = if let BlockKind::Flash(flash) = block.kind { flash.ramp_s } else { ramp_s };
        let dose_s = contrast * (on_s + stretches * 0.5 * ramp_s);
        Worth { dose_s, on_s: on_s + stretches * ramp_s, unbroken_s, contrast }
    }
}

/// The contrast at which the response model reaches an amplitude, within the limits of contrast.
fn nominal_contrast(response: &Response, amplitude_uv: f64) -> f64 {
    let part = amplitude_uv / response.nominal_gain_uv;
    if part >= 1.0 {
        return response.contrast_max;
    }
    let contrast = response.semisaturation * (part / (1.0 - part)).powf(1.0 / response.exponent);
    contrast.clamp(response.contrast_min, response.contrast_max)
}

/// No block may be impossible by itself, and the ramp to grey, in which every breach ends, must not be one.
pub(crate) fn limits_fit(root: &Table<'_>, protocol: &Protocol) -> Result<(), ProtocolError> {
    let Some(limits) = &protocol.limits else { return Ok(()) };
    let table = root.table_of_any("limits")?;
    let ramp_per_s = 1.0 / protocol.grey_ramp_s;
    if limits.slew_per_s < ramp_per_s * (1.0 - 1e-9) {
        let allowed = format!(
            "at least {ramp_per_s} per s: grey_ramp_s = {} takes full contrast to grey that fast",
            protocol.grey_ramp_s
        );
        return Err(table.refuse("slew_per_s", allowed));
    }
    let on_time = table.table_of_any("on_time")?;
    for block in &protocol.blocks {
        let worth = protocol.worth(block);
        let name = &block.name;
        if let BlockKind::Flash(flash) = block.kind
            && flash.contrast > limits.slew_per_s * flash.ramp_s * (1.0 + 1e-9)
        {
            let needed_s = flash.contrast / limits.slew_per_s;
            let allowed = format!(
                "what block `{name}` keeps: its ramp_s is {} s, and contrast {} then needs {needed_s:.3} s",
                flash.ramp_s, flash.contrast
            );
            return Err(table.refuse("slew_per_s", allowed));
        }
        if worth.dose_s > limits.dose_s {
            let allowed = format!(
                "at least {:.3} s: block `{name}` alone takes contrast {:.3} over {:.3} s, ramps included",
                worth.dose_s, worth.contrast, worth.on_s
            );
            return Err(table.refuse("dose_s", allowed));
        }
        if worth.on_s > limits.on_time.total_s {
            let allowed = format!("at least {:.3} s, what block `{name}` alone takes", worth.on_s);
            return Err(on_time.refuse("total_s", allowed));
        }
        if worth.unbroken_s > limits.on_time.longest_s {
            let allowed = format!("at least {:.3} s without a pause, for block `{name}`", worth.unbroken_s);
            return Err(on_time.refuse("longest_s", allowed));
        }
        let needed_s = block.duration_s + protocol.grey_ramp_s;
        if needed_s > limits.session_s {
            let allowed = format!("at least {needed_s} s, for block `{name}` and the ramp to grey");
            return Err(table.refuse("session_s", allowed));
        }
    }
    Ok(())
}
