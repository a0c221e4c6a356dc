//! `photic render`: one frame of a stimulus as a file, by the graphics adapter or by the CPU twin.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use display::{Scenery, Snapshots};
use ndarray::Array3;
use serde_json::json;
use stimulus::checksum::Checksum;
use stimulus::twin::Twin;
use stimulus::{Content, Moment};

use crate::cli::RenderArgs;
use crate::error::SessionError;
use crate::experiment::{Experiment, Lowered};
use crate::inspect::Seen;

/// A frame: linear light and codes of each pixel, row-major.
pub struct Frame {
    /// Not clamped.
    pub light: Vec<[f32; 3]>,
    /// As they go to the screen.
    pub codes: Vec<[u32; 3]>,
}

impl Frame {
    /// What its codes are known by.
    pub fn checksum(&self) -> Checksum {
        Checksum::of(self.codes.iter().copied())
    }

    /// Codes as a PNG file has them: 8 bits as they are, 10 bits in the upper ones of 16.
    pub fn bytes(&self, bits: u32) -> Vec<u8> {
        let codes = self.codes.iter().flatten();
        match bits {
            8 => codes.map(|&code| code as u8).collect(),
            bits => codes.flat_map(|&code| ((code << (16 - bits)) as u16).to_be_bytes()).collect(),
        }
    }
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
        by_twin(&lowered, scene, &moment, &mut Twin::prepare(&lowered.scenery.screen, 1))
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
        lowered.scenery.screen.width_px,
        lowered.scenery.screen.height_px
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
            // A task has many stimuli, each of which can be named itself.
            protocol::BlockKind::Rest
            | protocol::BlockKind::Listen(_)
            | protocol::BlockKind::Trial(_)
            | protocol::BlockKind::Prompt(_)
            | protocol::BlockKind::Task(_) => None,
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
    Ok(Snapshots::prepare(lowered.scenery.clone())?)
}

/// A frame from the graphics adapter.
pub fn by_adapter(snapshots: &mut Snapshots, scene: usize, moment: &Moment) -> Result<Frame, SessionError> {
    let shot = snapshots.shoot(scene, moment)?;
    Ok(Frame { light: shot.linear, codes: shot.codes })
}

/// A frame from the CPU twin.
pub fn by_twin(lowered: &Lowered, scene: usize, moment: &Moment, twin: &mut Twin) -> Frame {
    let Scenery { scenes, sheets, screen, light: encoder, .. } = &lowered.scenery;
    let content = Content { sheets, picture: &[] };
    let rendered = twin.render(&scenes[scene], moment, &content);
    let light: Vec<[f32; 3]> = rendered.iter().map(|light| light.map(|part| part as f32)).collect();
    let codes = (0..).zip(&light).map(|(place, &light)| {
        let pixel = [place % screen.width_px, place / screen.width_px];
        encoder.encode(light, pixel, moment.frame)
    });
    Frame { codes: codes.collect(), light }
}

/// Writes a frame as the file's name wants it.
///
/// # Errors
/// A file that cannot be written, or is named neither .png nor .npy.
pub(crate) fn write(frame: &Frame, lowered: &Lowered, path: &Path) -> Result<(), SessionError> {
    let (width, height) = (lowered.scenery.screen.width_px, lowered.scenery.screen.height_px);
    let failed = |error: std::io::Error| SessionError::io("write", path, error);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("png") => {
            let mut encoder =
                png::Encoder::new(BufWriter::new(File::create(path).map_err(failed)?), width, height);
            encoder.set_color(png::ColorType::Rgb);
            let bits = lowered.scenery.light.bits();
            encoder.set_depth(if bits > 8 { png::BitDepth::Sixteen } else { png::BitDepth::Eight });
            let bytes = frame.bytes(bits);
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
