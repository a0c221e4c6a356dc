//! From the stimuli of a protocol, in human units, to scenes and sheets.

use stimulus::{Scene, Screen, Sheets};

use crate::error::SessionError;
use crate::experiment::Experiment;

/// What can be shown.
pub struct Stage {
    /// By scene number; 0 is grey.
    pub scenes: Vec<Scene>,
    /// What their elements look up.
    pub sheets: Sheets,
}

/// Lowers all stimuli of a protocol.
///
/// # Errors
/// When the screen cannot make what the protocol wants (flicker, size), with the numbers.
pub fn lower(experiment: &Experiment, screen: &Screen) -> Result<Stage, SessionError> {
    let mut scenes = vec![Scene::grey()];
    for stimulus in &experiment.protocol.stimuli {
        scenes.push(lower_stimulus(stimulus, screen)?);
    }
    Ok(Stage { scenes, sheets: Sheets::default() })
}

fn lower_stimulus(stimulus: &protocol::Stimulus, screen: &Screen) -> Result<Scene, SessionError> {
    let flicker = lower_flicker(stimulus, screen)?;
    let grating = match &stimulus.kind {
        protocol::StimulusKind::Grating(grating) => grating,
        protocol::StimulusKind::Picture(picture) => {
            return crate::steering::lower_picture(stimulus, picture, flicker, screen);
        }
    };
    let px_per_cycle = 1.0 / screen.cycles_per_px(grating.sf_cpd);
    if px_per_cycle < 4.0 {
        return Err(SessionError::TooFine {
            stimulus: stimulus.name.clone(),
            sf_cpd: grating.sf_cpd,
            px_per_cycle,
            most_cpd: screen.px_per_deg / 4.0,
        });
    }
    let diameter_px = screen.size_px(grating.diameter_deg);
    let shorter_px = f64::from(screen.width_px.min(screen.height_px));
    if diameter_px > shorter_px {
        return Err(SessionError::TooLarge {
            stimulus: stimulus.name.clone(),
            diameter_deg: grating.diameter_deg,
            diameter_px,
            shorter_px,
        });
    }
    Ok(Scene::grating(&stimulus::Grating {
        cycles_per_px: screen.wave_vector(grating.sf_cpd, grating.orientation_deg),
        phase: grating.phase_deg / 360.0,
        center_px: screen.centre_px(),
        diameter_px,
        edge_px: screen.size_px(grating.edge_deg),
        flicker,
    }))
}

/// The flicker that the refresh really makes.
fn lower_flicker(stimulus: &protocol::Stimulus, screen: &Screen) -> Result<stimulus::Flicker, SessionError> {
    let flicker = stimulus.kind.flicker();
    let named =
        |error: stimulus::FlickerError| SessionError::Flicker { stimulus: stimulus.name.clone(), error };
    stimulus::Flicker::realise(
        match flicker.kind {
            protocol::FlickerKind::Counterphase => stimulus::FlickerKind::Counterphase,
            protocol::FlickerKind::OnOff => stimulus::FlickerKind::OnOff,
        },
        flicker.frequency_hz,
        match flicker.waveform {
            protocol::Waveform::Sine => stimulus::Waveform::Sine,
            protocol::Waveform::Square => stimulus::Waveform::Square,
        },
        screen.refresh_hz,
    )
    .map_err(named)
}

