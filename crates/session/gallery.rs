//! `photic gallery`: a page with every stimulus of a protocol, moving; and the self-test of a graphics driver against the
//! CPU twin.

use std::fmt::Write as _;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use serde_json::{Value, json};
use stimulus::twin::Twin;
use stimulus::{Moment, Screen};

use crate::cli::GalleryArgs;
use crate::error::SessionError;
use crate::experiment::{Experiment, Lowered, SIMULATED_RIG};
use crate::inspect::Seen;
use crate::render::{Frame, by_adapter, by_twin, snapshots};
use crate::report::escape;
use crate::stage::Files;

/// Every kind of stimulus.
const BUILT_IN: &str = include_str!("../../protocols/gallery.toml");

/// What it names.
const BUILT_IN_FILES: &[(&str, &str)] =
    &[("quasicrystal.wgsl", include_str!("../../protocols/quasicrystal.wgsl"))];

/// Largest difference that is allowed between adapter and twin: in linear light of 0..=1, and in 8-bit codes. Near black a
/// code is less light than 32-bit arithmetic of positions is sure of (1 of 255 is 5e-6 at a gamma of 2.2), so pixels that
/// differ by less light than `SAME_LIGHT` are not compared by their codes.
pub const BOUNDS: (f64, u32) = (1e-3, 1);

/// See [`BOUNDS`].
const SAME_LIGHT: f64 = 1e-4;

/// Frames since the onset at which adapter and twin are compared: the first ones, some in the middle of cycles, a late one.
const COMPARED: [u64; 6] = [0, 1, 5, 17, 60, 100_003];

/// Contrasts at which they are compared.
const CONTRASTS: [f64; 2] = [1.0, 0.3];

/// Writes the page, or compares.
///
/// # Errors
/// A protocol that cannot be lowered, no adapter, a folder that is there already or cannot be written.
pub fn gallery(args: &GalleryArgs) -> Result<Seen, SessionError> {
    let experiment = match &args.protocol {
        Some(path) => Experiment::load(path, args.rig.as_deref())?,
        None => {
            let rig = match &args.rig {
                None => SIMULATED_RIG.to_owned(),
                Some(path) => {
                    std::fs::read_to_string(path).map_err(|error| SessionError::io("read", path, error))?
                }
            };
            let rig_name =
                args.rig.as_ref().map_or("the simulated rig".into(), |path| path.display().to_string());
            let parsed = Experiment::parse(BUILT_IN.to_owned(), "the built-in gallery", rig, &rig_name)?;
            Experiment { files: Files::BuiltIn(BUILT_IN_FILES), ..parsed }
        }
    };
    let lowered = experiment.lower(1)?;
    if args.compare { compare(&experiment, &lowered) } else { page(args, &experiment, &lowered) }
}

// ------------------------------------------------------------------------------------------------ the self-test

fn compare(experiment: &Experiment, lowered: &Lowered) -> Result<Seen, SessionError> {
    let mut adapter = snapshots(lowered)?;
    let mut twin = Twin::prepare(&lowered.scenery.screen, 1);
    let mut text = format!("{}\n", adapter.description());
    let mut rows = Vec::new();
    let mut fine = true;
    for (place, stimulus) in experiment.protocol.stimuli.iter().enumerate() {
        let mut worst = (0.0_f64, 0_u32);
        for frame in COMPARED {
            for contrast in CONTRASTS {
                let moment = Moment::new(frame, contrast);
                let gpu = by_adapter(&mut adapter, place + 1, &moment)?;
                let cpu = by_twin(lowered, place + 1, &moment, &mut twin);
                let found = difference(&gpu, &cpu);
                worst = (worst.0.max(found.0), worst.1.max(found.1));
            }
        }
        let within = worst.0 <= BOUNDS.0 && worst.1 <= BOUNDS.1;
        fine &= within;
        let verdict = if within { "ok" } else { "DIFFERS" };
        let name = &stimulus.name;
        let _ = writeln!(text, "{name:24} linear {:.1e}  codes {}  {verdict}", worst.0, worst.1);
        rows.push(json!({ "stimulus": name, "linear": worst.0, "codes": worst.1, "fine": within }));
    }
    let _ = writeln!(text, "allowed: {:.0e} in linear light, {} in codes", BOUNDS.0, BOUNDS.1);
    let json = json!({ "adapter": adapter.description().to_string(), "stimuli": rows, "fine": fine });
    Ok(Seen { text, json, fine })
}

/// Largest difference in linear light and in codes.
fn difference(gpu: &Frame, cpu: &Frame) -> (f64, u32) {
    let light = gpu.light.iter().flatten().zip(cpu.light.iter().flatten());
    let codes = gpu.codes.iter().flatten().zip(cpu.codes.iter().flatten());
    let mut worst = (0.0_f64, 0);
    for ((gpu, cpu), (gpu_code, cpu_code)) in light.zip(codes) {
        let off = f64::from(gpu - cpu).abs();
        worst.0 = worst.0.max(off);
        if off > SAME_LIGHT {
            worst.1 = worst.1.max(gpu_code.abs_diff(*cpu_code));
        }
    }
    worst
}

// ------------------------------------------------------------------------------------------------ the page

fn page(args: &GalleryArgs, experiment: &Experiment, lowered: &Lowered) -> Result<Seen, SessionError> {
    if !(args.seconds > 0.0 && args.seconds <= 60.0) {
        return Err(SessionError::Usage(format!("--seconds {}: more than 0, at most 60", args.seconds)));
    }
    std::fs::create_dir(&args.out).map_err(|error| SessionError::io("make", &args.out, error))?;
    let mut adapter = snapshots(lowered)?;
    let screen = &lowered.scenery.screen;
    let frames = (args.seconds * screen.refresh_hz).round().max(1.0) as u64;
    let mut cards = String::new();
    let mut names: Vec<Value> = Vec::new();
    for (place, stimulus) in experiment.protocol.stimuli.iter().enumerate() {
        let name = &stimulus.name;
        let file = format!("{}.png", name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-"));
        let mut movie = Movie::create(&args.out.join(&file), screen, frames)?;
        for frame in 0..frames {
            movie.push(&by_adapter(&mut adapter, place + 1, &Moment::new(frame, 1.0))?)?;
        }
        movie.end()?;
        let what = lowered.scenery.scenes[place + 1].elements.len();
        let plural = if what == 1 { "" } else { "s" };
        let _ = writeln!(
            cards,
            "<figure><img src=\"{file}\" width=\"{}\" height=\"{}\" alt=\"{}\"><figcaption><b>{}</b> \
             <span>{what} element{plural}</span></figcaption></figure>",
            screen.width_px,
            screen.height_px,
            escape(name),
            escape(name),
        );
        names.push(json!(name));
    }
    let title = escape(&experiment.protocol.name);
    let page = args.out.join("gallery.html");
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Photic: {title}</title><style>{STYLE}</style>\
         <h1>{title}</h1><p>{}. {frames} frames each at {} Hz, {:.2} px per degree, drawn by {}. A browser does not keep \
         the refresh: this page shows what frames look like, not their timing. It flickers.</p><main>\n{cards}</main></html>\n",
        escape(&experiment.protocol.description),
        screen.refresh_hz,
        screen.px_per_deg,
        escape(&adapter.description().to_string()),
    );
    std::fs::write(&page, html).map_err(|error| SessionError::io("write", &page, error))?;
    let text = format!("{}: {} stimuli\n", page.display(), names.len());
    Ok(Seen { text, json: json!({ "page": page, "stimuli": names }), fine: true })
}

const STYLE: &str = "body{font:15px system-ui,sans-serif;background:#808080;color:#111;margin:2em}\
    main{display:flex;flex-wrap:wrap;gap:1em}figure{margin:0}figcaption{padding:.3em 0}span{color:#333}p{max-width:60em}";

/// An animated PNG that plays again and again.
struct Movie {
    writer: png::Writer<BufWriter<File>>,
    path: std::path::PathBuf,
}

impl Movie {
    fn create(path: &Path, screen: &Screen, frames: u64) -> Result<Self, SessionError> {
        let failed = |error: std::io::Error| SessionError::io("write", path, error);
        let file = BufWriter::new(File::create(path).map_err(failed)?);
        let mut encoder = png::Encoder::new(file, screen.width_px, screen.height_px);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let prepared = encoder
            .set_animated(frames as u32, 0)
            .and_then(|()| encoder.set_frame_delay(100, (100.0 * screen.refresh_hz).round() as u16))
            .and_then(|()| encoder.write_header());
        let writer = prepared.map_err(|error| failed(std::io::Error::other(error)))?;
        Ok(Self { writer, path: path.to_owned() })
    }

    fn push(&mut self, frame: &Frame) -> Result<(), SessionError> {
        let written = self.writer.write_image_data(&frame.bytes(8));
        written.map_err(|error| SessionError::io("write", &self.path, std::io::Error::other(error)))
    }

    fn end(self) -> Result<(), SessionError> {
        let Self { writer, path } = self;
        writer.finish().map_err(|error| SessionError::io("write", &path, std::io::Error::other(error)))
    }
}
