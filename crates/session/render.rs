//! `photic render`: one frame of a stimulus as a file, by the graphics adapter or by the CPU twin.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use display::Snapshots;
use ndarray::Array3;
use serde_json::json;
use stimulus::twin::{Twin, encode};
use stimulus::{Content, Moment, Patch};

use crate::cli::RenderArgs;
use crate::error::SessionError;
use crate::experiment::{Experiment, Lowered};
use crate::inspect::Seen;

/// A frame: linear light and codes of each pixel, row-major.
pub struct Frame {
    /// Not clamped.
    pub light: Vec<[f32; 3]>,
    /// As they go to the screen.
    pub codes: Vec<[u8; 3]>,
}

/// Renders one frame to a file.
///
/// # Errors
/// A protocol that cannot be lowered, a name that is neither a stimulus nor a block, a file that cannot be written.
pub fn render(args: &RenderArgs) -> Result<Seen, SessionError> {
    let experiment = Experiment::load(&args.protocol, args.rig.as_deref())?;
    let lowered = experiment.lower(1)?;
    let (scene, of_block) = named(&experiment, &lowered, &args.trial)?;
    let contrast = args.contrast.or(of_block).unwrap_or(1.0);
    if !(0.0..=1.0).contains(&contrast) {
        return Err(SessionError::Usage(format!("--contrast {contrast}: allowed is 0 to 1")));
    }
    let moment = Moment::new(args.frame, contrast);
    let frame = if args.twin {
        by_twin(&lowered, scene, &moment, &mut Twin::prepare(&lowered.screen, 1))
    } else {
        let mut snapshots = snapshots(&lowered)?;
        by_adapter(&mut snapshots, scene, &moment)?
    };
    write(&frame, &lowered, &args.out)?;
    let by = if args.twin { "the CPU twin" } else { "the graphics adapter" };
    let text = format!(
        "{}: frame {} at contrast {contrast}, {} x {} px, by {by}\n",
        args.out.display(),
        args.frame,
        lowered.screen.width_px,
        lowered.screen.height_px
    );
    let json = json!({ "file": args.out, "frame": args.frame, "contrast": contrast, "by": by });
    Ok(Seen { text, json, fine: true })
}

/// The scene of a stimulus or of a block's stimulus, and the block's contrast.
fn named(
    experiment: &Experiment,
    lowered: &Lowered,
    name: &str,
) -> Result<(usize, Option<f64>), SessionError> {
    let blocks = lowered.schedule.blocks.iter().map(|block| &block.block);
    let protocol = &experiment.protocol;
    for block in blocks.filter(|block| block.name == name) {
        let shown = match &block.kind {
            protocol::BlockKind::Show(show) => Some((show.stimulus, show.contrast)),
            protocol::BlockKind::Calibrate(calibrate) => Some((calibrate.stimulus, calibrate.contrast)),
            protocol::BlockKind::Flash(flash) => Some((flash.stimulus, flash.contrast)),
            protocol::BlockKind::Steer(steer) => Some((steer.stimulus, steer.contrast)),
            protocol::BlockKind::Hold(hold) => Some((hold.stimulus, 1.0)),
            protocol::BlockKind::Rest | protocol::BlockKind::Listen(_) | protocol::BlockKind::Trial(_) => {
                None
            }
        };
        if let Some((stimulus, contrast)) = shown {
            return Ok((stimulus + 1, Some(contrast)));
        }
    }
    let place = protocol.stimuli.iter().position(|stimulus| stimulus.name == name);
    place.map(|place| (place + 1, None)).ok_or_else(|| {
        let names: Vec<&str> = protocol.stimuli.iter().map(|stimulus| stimulus.name.as_str()).collect();
        SessionError::Usage(format!(
            "--trial {name}: neither a stimulus nor a block that shows one; stimuli are {}",
            names.join(", ")
        ))
    })
}

/// The adapter, with all scenes of a protocol.
pub fn snapshots(lowered: &Lowered) -> Result<Snapshots, SessionError> {
    let scenes = lowered.scenes.clone();
    Ok(Snapshots::prepare(&lowered.screen, scenes, &lowered.sheets, &Patch::NONE, None)?)
}

/// A frame from the graphics adapter.
pub fn by_adapter(snapshots: &mut Snapshots, scene: usize, moment: &Moment) -> Result<Frame, SessionError> {
    let shot = snapshots.shoot(scene, moment)?;
    Ok(Frame { light: shot.linear, codes: shot.codes })
}

/// A frame from the CPU twin.
pub fn by_twin(lowered: &Lowered, scene: usize, moment: &Moment, twin: &mut Twin) -> Frame {
    let content = Content { sheets: &lowered.sheets, picture: &[] };
    let light = twin.render(&lowered.scenes[scene], moment, &content);
    let gamma = lowered.screen.gamma;
    Frame {
        light: light.iter().map(|light| light.map(|part| part as f32)).collect(),
        codes: light.iter().map(|light| light.map(|part| encode(part, gamma))).collect(),
    }
}

fn write(frame: &Frame, lowered: &Lowered, path: &Path) -> Result<(), SessionError> {
    let (width, height) = (lowered.screen.width_px, lowered.screen.height_px);
    let failed = |error: std::io::Error| SessionError::io("write", path, error);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("png") => {
            let mut encoder =
                png::Encoder::new(BufWriter::new(File::create(path).map_err(failed)?), width, height);
            encoder.set_color(png::ColorType::Rgb);
            encoder.set_depth(png::BitDepth::Eight);
            let bytes: Vec<u8> = frame.codes.iter().flatten().copied().collect();
            let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&bytes));
            written.map_err(|error| failed(std::io::Error::other(error)))
        }
        Some("npy") => {
            let light: Vec<f32> = frame.light.iter().flatten().copied().collect();
            let shape = (height as usize, width as usize, 3);
            let array =
                Array3::from_shape_vec(shape, light).map_err(|error| failed(std::io::Error::other(error)))?;
            ndarray_npy::write_npy(path, &array).map_err(|error| failed(std::io::Error::other(error)))
        }
        _ => Err(SessionError::Usage(format!("--out {}: .png or .npy is allowed", path.display()))),
    }
}
