//! What the rig says of its screen, and the screen of the virtual clock where it is not to be perfect.

use std::str::FromStr;

use display::scripted::{Jitter, Script};
use display::sync::SyncBounds;
use protocol::Rig;

use crate::cli::{ClockMode, RunArgs};
use crate::error::SessionError;

/// What a window's screen must keep to on this rig.
pub fn bounds(rig: &Rig) -> SyncBounds {
    let usual = SyncBounds::USUAL;
    let part = |percent: Option<f64>, usual: f64| percent.map_or(usual, |percent| percent / 100.0);
    SyncBounds {
        refresh: part(rig.sync.refresh_tolerance_percent, usual.refresh),
        scatter: part(rig.sync.scatter_max_percent, usual.scatter),
        irregular: part(rig.sync.irregular_max_percent, usual.irregular),
        must_wait: rig.sync.must_wait.unwrap_or(usual.must_wait),
        ..usual
    }
}

/// Faults of a scripted screen: `ppm=40,jitter_ms=1,drops=0.01,doublings=0.001`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Faults(Script);

impl FromStr for Faults {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut script = Script::exact(0, 1.0);
        for part in text.split(',') {
            let wanted = || {
                format!(
                    "`{part}`: wanted ppm, wander_ppm, jitter_ms, normal_ms, late_ms, drops, doublings or variable_ms, each with \
                     = and a number of 0 or more"
                )
            };
            let (key, value) = part.split_once('=').ok_or_else(wanted)?;
            let value: f64 =
                value.parse().ok().filter(|value| (0.0..1e6).contains(value)).ok_or_else(wanted)?;
            match key.trim() {
                "ppm" => script.offset_ppm = value,
                "wander_ppm" => script.wander_ppm = value,
                "jitter_ms" => script.jitter = Jitter::Uniform(1e6 * value),
                "normal_ms" => script.jitter = Jitter::Normal(1e6 * value),
                "late_ms" => script.jitter = Jitter::Late(1e6 * value),
                "drops" => script.drops = value,
                "doublings" => script.doublings = value,
                "variable_ms" => script.variable_ns = Some([-1e6 * value, 1e6 * value]),
                _ => return Err(wanted()),
            }
        }
        Ok(Self(script))
    }
}

impl Faults {
    /// The screen with them.
    pub fn of(self, refresh_hz: f64, seed: u64) -> Script {
        let period_ns = 1e9 / refresh_hz;
        let variable_ns =
            self.0.variable_ns.map(|sides| sides.map(|side| (period_ns + side).max(0.1 * period_ns)));
        Script { refresh_hz, seed, variable_ns, ..self.0 }
    }

    /// Only a screen that is a script can have them.
    ///
    /// # Errors
    /// In real time.
    pub fn check(args: &RunArgs) -> Result<(), SessionError> {
        match (&args.screen, args.clock) {
            (Some(_), ClockMode::Live) => Err(SessionError::Usage(
                "--screen: a screen can be scripted on the virtual clock only".into(),
            )),
            _ => Ok(()),
        }
    }
}
