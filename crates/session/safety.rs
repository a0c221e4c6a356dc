//! Who may be shown what: the photosensitivity rule at the door of a run.

use std::fmt::Write as _;

use stimulus::safety::{self, BT1702_AREA_FRACTION, Bound, Governor};
use stimulus::{FlashReport, FlashVerdict};

use crate::cli::{ClockMode, DisplayMode, RunArgs};
use crate::error::SessionError;
use crate::experiment::{Assessed, Experiment, Lowered};
use crate::run::display_mode;

/// Lets a run begin, or says why not. Light reaches a person where frames go to a window without a simulated
/// participant; there a schedule that the rule flags needs `[safety]`, whose own bound still binds.
///
/// # Errors
/// [`SessionError::Unsafe`] with the figures, [`SessionError::Usage`] for a simulated rig in front of a person.
pub fn admit(
    experiment: &Experiment,
    lowered: &Lowered,
    args: &RunArgs,
    simulated: bool,
) -> Result<(), SessionError> {
    let lit = args.clock == ClockMode::Live && display_mode(args) != DisplayMode::Offscreen;
    if !lit || simulated {
        return Ok(());
    }
    if experiment.rig.screen.simulated {
        let text = "a person in front of a window needs --rig FILE: the simulated rig's luminance and distance say \
                    nothing about this screen";
        return Err(SessionError::Usage(text.into()));
    }
    let assessed = lowered.assess_flashes(&[bound(experiment)])?;
    refusal(experiment, &assessed).map_or(Ok(()), |why| Err(SessionError::Unsafe(why)))
}

/// What binds: the standards, or what the protocol states.
pub fn bound(experiment: &Experiment) -> Bound {
    let stated = experiment.protocol.safety.as_ref();
    stated.map_or(Bound::STANDARDS, |safety| Bound::stated(safety.max_flashes_per_s as u32))
}

/// Why a schedule may not be shown to a person, or nothing where it may; the last report of each scene is by what binds.
pub fn refusal(experiment: &Experiment, assessed: &[Assessed]) -> Option<String> {
    let bound = bound(experiment);
    let mut worst = 0;
    let mut refused = String::new();
    for Assessed { scene, contrast, reports } in assessed {
        let Some(report) = reports.last().filter(|report| !report.keeps(&bound)) else { continue };
        worst = worst.max(report.max_flashes_per_s());
        let name = scene_name(experiment, scene.0);
        let _ = write!(refused, "{name} at contrast {contrast}: {}; ", describe(report));
    }
    if refused.is_empty() {
        return None;
    }
    refused += &match &experiment.protocol.safety {
        None => {
            "a [safety] table with max_flashes_per_s and a screening_reference would take the responsibility"
                .to_owned()
        }
        Some(safety) => format!(
            "[safety] allows {} flashes per second, the schedule makes {worst}",
            safety.max_flashes_per_s
        ),
    };
    Some(refused)
}

/// The governor of a run, where it has one: in front of a person, and wherever the protocol states a bound, so that what is
/// tried without a person is what a person will see.
///
/// # Errors
/// A screen that it cannot reckon with.
pub fn governor(
    experiment: &Experiment,
    lowered: &Lowered,
    args: &RunArgs,
    simulated: bool,
) -> Result<Option<Governor>, SessionError> {
    let stated = experiment.protocol.safety.as_ref();
    if stated.is_none() && (simulated || display_mode(args) == DisplayMode::Offscreen) {
        return Ok(None);
    }
    let attenuates = stated.is_some_and(|safety| safety.attenuate);
    let mode = if attenuates { safety::Mode::Attenuate } else { safety::Mode::Ramp };
    Ok(Some(Governor::prepare(&lowered.scenery.screen, lowered.light_tables()?, bound(experiment), mode)))
}

/// The stimulus's name in the protocol.
pub fn scene_name(experiment: &Experiment, scene: u16) -> &str {
    let stimulus = usize::from(scene).checked_sub(1).and_then(|index| experiment.protocol.stimuli.get(index));
    stimulus.map_or("grey", |stimulus| stimulus.name.as_str())
}

/// Both standards in one line; red flashes, extended sequences and patterns where they are more than is allowed.
pub fn describe(report: &FlashReport) -> String {
    let verdict = |name: &str, verdict: &FlashVerdict, unit: &str| {
        let passes = if verdict.passes { "passes" } else { "fails" };
        format!(
            "{name} {passes}: {} flashes in a second on {:.4} {unit} (limits: {}, {:.4})",
            verdict.max_flashes_per_s, verdict.area, verdict.allowed_per_s, verdict.area_allowed
        )
    };
    let (field, screen) = ("sr of a 10 deg field", "of the screen");
    let mut text = format!(
        "{}; {}",
        verdict("WCAG 2.2", &report.wcag, field),
        verdict("BT.1702-3", &report.bt1702, screen)
    );
    for (name, red, unit) in [
        ("WCAG 2.2 red flash", &report.wcag_red, field),
        ("BT.1702-3 saturated red", &report.bt1702_red, screen),
    ] {
        if !red.passes {
            let _ = write!(text, "; {}", verdict(name, red, unit));
        }
    }
    if report.extended_area > BT1702_AREA_FRACTION {
        let _ = write!(text, "; BT.1702-3 extended sequence on {:.4} of the screen", report.extended_area);
    }
    if report.pattern_lasts || report.pattern_stays {
        let _ = write!(text, "; BT.1702-3 regular pattern on {:.4} of the screen", report.pattern_area);
    }
    text
}
