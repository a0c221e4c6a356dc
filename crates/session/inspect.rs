//! The commands that look and do not run: `check`, `streams`, `info`, `verify`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use recording::{FileInfo, RepairError, Report, SessionFolder};
use serde_json::{Value, json};
use stimulus::SeparationError;
use stimulus::element::Outline;
use stimulus::safety::Bound;

use crate::cli::CheckArgs;
use crate::error::SessionError;
use crate::experiment::{Assessed, Experiment};
use crate::run::sources::load_lsl;
use crate::safety::{describe, scene_name};
use crate::stage::{Targets, closest};

/// Text for people and the same as JSON.
pub struct Seen {
    /// For people.
    pub text: String,
    /// For programs.
    pub json: Value,
    /// Whether all is well (the exit status).
    pub fine: bool,
}

/// What nobody can know of a scene before a run.
const FOLLOWS: &str = "  follows the gaze: judged here for a person who looks at the middle. Where it will lie, and whether on the screen, \
     is not known before the run;\n  there the photosensitivity governor judges every frame\n";

/// What the flickers and codes of a scene really are: for people into the text, for programs as JSON.
fn flicker(scene: &stimulus::Scene, refresh_hz: f64, text: &mut String) -> Value {
    let targets = Targets::of(scene, refresh_hz).alike();
    let mut rows = Vec::new();
    for (target, realised) in targets.spectra() {
        let Some(realised) = realised else { continue };
        let fundamental = realised.fundamental;
        let other = realised.strongest_other_db();
        let asked = target.frequency_hz.map_or("a code".into(), |hz| format!("{hz} Hz"));
        let _ = write!(
            text,
            "  target {:>3}  {asked}: strongest line {:.4} Hz of amplitude {:.3}",
            target.name, fundamental.frequency_hz, fundamental.amplitude
        );
        match other {
            // A zero has no sign for people.
            Some(decibel) => {
                _ = writeln!(
                    text,
                    ", others at most {:.0} dB of it but its harmonics",
                    decibel.round() + 0.0
                );
            }
            None => _ = writeln!(text, ", no other but its harmonics"),
        }
        rows.push(json!({
            "target": target.name, "frequency_hz": target.frequency_hz, "strongest_hz": fundamental.frequency_hz,
            "amplitude": fundamental.amplitude, "strongest_other_db": other, "frames": target.levels.len(),
        }));
    }
    let pairs = targets.separation().unwrap_or_else(|error| {
        if let SeparationError::Same { first, second, .. } = error {
            let _ = writeln!(text, "  targets {first} and {second} show the same, as the protocol asks");
        }
        Vec::new()
    });
    let closest = closest(&pairs).map(|(near, alike)| {
        let _ = writeln!(
            text,
            "  targets apart: at least {:.3} of the full range (root mean square), correlations up to {:.2}",
            near.distance,
            alike.correlation.abs()
        );
        json!({ "least_distance": near.distance, "largest_correlation": alike.correlation })
    });
    json!({ "targets": rows, "separation": closest })
}

/// What the rig says of the light.
fn light(rig: &protocol::Rig) -> String {
    let (screen, light) = (&rig.screen, &rig.light);
    let (max, min) = (screen.luminance_max_cd_m2, screen.luminance_min_cd_m2);
    let transfer = match &light.transfer {
        protocol::RigTransfer::Gamma(gamma) => format!("gamma {gamma}"),
        protocol::RigTransfer::GammaRgb([red, green, blue]) => format!("gamma {red}, {green}, {blue}"),
        protocol::RigTransfer::Lut(protocol::RigLut::File(name)) => format!("levels of {name}"),
        protocol::RigTransfer::Lut(protocol::RigLut::Inline { code, .. }) => format!("{} levels", code.len()),
    };
    let dither = if light.dither { ", dithered" } else { "" };
    format!("{min} to {max} cd/m2, mean grey {}, {transfer}, {} bits{dither}", 0.5 * (min + max), light.bits)
}

/// Whether something that lies still is cut off by an edge of the screen (or of an eye's half of it) and does not cover all of it. Of a bell nobody misses
/// the outer part.
fn is_cut_off(scene: &stimulus::Scene, screen: &stimulus::Screen) -> bool {
    let whole = [0.0, 0.0, f64::from(screen.width_px), f64::from(screen.height_px)];
    scene.elements.iter().filter(|element| scene.courses[element.course].is_still()).any(|element| {
        let (place, turn) = (&element.place, element.place.rotation_rad);
        let (cos, sin) = (libm::cos(turn).abs(), libm::sin(turn).abs());
        let [u, v] = place.half_px;
        let seen = if matches!(element.aperture.outline, Outline::Gauss { .. }) { 0.5 } else { 1.0 };
        let reach = [seen * (u * cos + v * sin), seen * (u * sin + v * cos)];
        // Half a pixel is no loss.
        let [left, top, right, bottom] = element.clip_px.unwrap_or(whole);
        let [x, y] = place.center_px;
        let cut = [
            x - reach[0] < left - 0.5,
            y - reach[1] < top - 0.5,
            x + reach[0] > right + 0.5,
            y + reach[1] > bottom + 0.5,
        ];
        cut.contains(&true) && cut.contains(&false)
    })
}

/// `photic check`: parses, lowers, reports; nothing runs.
///
/// # Errors
/// What a run would refuse as well: a bad key, flicker that the refresh cannot make, a stimulus that does not fit.
pub fn check(args: &CheckArgs) -> Result<Seen, SessionError> {
    let experiment = Experiment::load(&args.protocol, args.rig.as_deref())?;
    let lowered = experiment.lower_for(args.seed, args.number)?;
    closedloop::Loop::prepare(&lowered.plan)?;
    let screen = &lowered.scenery.screen;
    let mut text = String::new();
    let _ = writeln!(text, "{}: {}", experiment.protocol.name, experiment.protocol.description);
    let _ = writeln!(
        text,
        "screen    {} x {} px, {:.2} px per deg, {} Hz{}",
        screen.width_px,
        screen.height_px,
        screen.px_per_deg,
        screen.refresh_hz,
        if experiment.rig.screen.simulated { " (simulated rig)" } else { "" }
    );
    let _ = writeln!(text, "light     {}", light(&experiment.rig));
    let mut stimuli = Vec::new();
    for (id, scene) in lowered.scenery.scenes.iter().enumerate() {
        if scene.is_grey() {
            continue;
        }
        let name = scene_name(&experiment, id as u16);
        let px_per_cycle = scene.highest_frequency_per_px().map(|per_px| 1.0 / per_px);
        let elements = scene.elements.len();
        let _ = write!(text, "stimulus  {name}: {elements} element{}", if elements == 1 { "" } else { "s" });
        if let Some(px) = px_per_cycle {
            let _ = write!(text, ", {px:.1} px per cycle at the finest");
        }
        if let Some(flicker) = scene.flicker() {
            let (num, den) = flicker.cycles_per_frame();
            let _ = write!(
                text,
                ", flicker realised at {} Hz ({num} cycles in {den} frames), response at {} Hz",
                flicker.frequency_hz(),
                flicker.response_hz()
            );
        }
        let _ = writeln!(text);
        let cut_off = is_cut_off(scene, screen);
        if cut_off {
            text.push_str("  cut off by the edge of the screen\n");
        }
        let follows = scene.follows_gaze();
        if follows {
            text.push_str(FOLLOWS);
        }
        let targets = flicker(scene, screen.refresh_hz, &mut text);
        stimuli.push(json!({
            "name": name, "elements": scene.elements.len(), "px_per_cycle": px_per_cycle, "targets": targets,
            "flicker_hz": scene.flicker().map(stimulus::Flicker::frequency_hz),
            "response_hz": scene.flicker().map(stimulus::Flicker::response_hz), "follows_gaze": follows,
            "cut_off": cut_off,
        }));
    }
    for stream in &experiment.protocol.streams {
        let _ = writeln!(text, "stream    {}: type {}", stream.name, stream.lsl_type);
    }
    let mut tables = lowered.plan.flow.tables.iter();
    for block in &lowered.schedule.blocks {
        let _ = write!(text, "block     {:7.1} s  {}", block.start_s, block.block.name);
        if let protocol::BlockKind::Task(task) = &block.block.kind {
            let trials = tables.next().map_or(0, |table| table.trials.len());
            let practice = if task.practice { ", for practice" } else { "" };
            let _ = write!(text, ": {trials} trials, {} conditions{practice}", task.conditions.len());
        }
        let _ = writeln!(text);
    }
    for repair in &lowered.repairs {
        let _ = writeln!(text, "repaired  {repair}");
    }
    let _ = writeln!(text, "length    {:.1} s", lowered.schedule.duration_s());
    let mut flashes = Vec::new();
    let bound = crate::safety::bound(&experiment);
    let bounds = [Bound::STANDARDS, bound];
    let assessed = lowered.assess_flashes(if bound == Bound::STANDARDS { &bounds[..1] } else { &bounds })?;
    for Assessed { scene, contrast, reports } in &assessed {
        let Some(report) = reports.first() else { continue };
        let name = scene_name(&experiment, scene.0);
        let _ = writeln!(text, "flashes   {name} at contrast {contrast}: {}", describe(report));
        flashes.push(json!({
            "stimulus": name, "contrast": contrast, "passes": report.passes_all(),
            "wcag_2_2": { "passes": report.wcag.passes, "flashes_per_s": report.wcag.max_flashes_per_s,
                "area_sr": report.wcag.area, "area_allowed_sr": report.wcag.area_allowed,
                "red_passes": report.wcag_red.passes, "red_flashes_per_s": report.wcag_red.max_flashes_per_s,
                "red_area_sr": report.wcag_red.area },
            "bt_1702_3": { "passes": report.bt1702.passes, "flashes_per_s": report.bt1702.max_flashes_per_s,
                "area_fraction": report.bt1702.area, "area_allowed_fraction": report.bt1702.area_allowed,
                "red_passes": report.bt1702_red.passes, "red_flashes_per_s": report.bt1702_red.max_flashes_per_s,
                "red_area_fraction": report.bt1702_red.area,
                "extended_area_fraction": report.extended_area, "pattern_area_fraction": report.pattern_area,
                "pattern_lasts": report.pattern_lasts },
        }));
    }
    if let Some(safety) = &experiment.protocol.safety {
        let (bound, reference) = (safety.max_flashes_per_s, &safety.screening_reference);
        let _ = writeln!(text, "safety    up to {bound} flashes per second, screening: {reference}");
    }
    let refused = crate::safety::refusal(&experiment, &assessed);
    if let Some(why) = &refused {
        let _ = writeln!(text, "safety    a window without a simulated participant is refused: {why}");
    }
    if let Some(outside) = &experiment.protocol.outside {
        let gives = format!("{:?}", outside.gives).to_lowercase();
        let (replies, deadline_s) = (&outside.replies, outside.deadline_s);
        let _ = writeln!(text, "outside   `{replies}` gives the {gives} within {deadline_s} s");
    }
    if let Some(arms) = &experiment.protocol.arms {
        for arm in &arms.arms {
            let _ = writeln!(text, "arm       {}: {}, ratio {}", arm.name, arm.kind.name(), arm.ratio);
        }
    }
    let given = crate::steering::Given::of(&experiment)?;
    let step_s = crate::run::deadline::admit(&experiment.protocol, &lowered, &given)?;
    if let (Some(planner), Some(step_s)) = (&experiment.protocol.planner, step_s) {
        let (deadline_s, steps) = (planner.deadline_s, (planner.deadline_s / step_s) as u64);
        let _ = writeln!(
            text,
            "planner   {:.1} ms per step here; deadline_s = {deadline_s} holds {steps} steps of the {} wanted",
            1e3 * step_s,
            planner.steps
        );
    }
    let limits = crate::limits::describe(&experiment.protocol, &lowered.schedule);
    text.push_str(limits.as_ref().map_or("", |(text, _)| text));
    let json = json!({
        "protocol": experiment.protocol.name, "stimuli": stimuli, "flashes": flashes,
        "refused_in_front_of_a_person": refused, "limits": limits.map(|(_, json)| json),
        "duration_s": lowered.schedule.duration_s(),
        "blocks": lowered.schedule.blocks.iter().map(|block| json!({"name": block.block.name,
            "start_s": block.start_s, "end_s": block.end_s})).collect::<Vec<_>>(),
    });
    Ok(Seen { text, json, fine: true })
}

/// `photic streams`: what LSL shows now.
///
/// # Errors
/// When LSL is not there.
pub fn streams(wait_s: f64, network: bool) -> Result<Seen, SessionError> {
    let lsl = load_lsl(network)?;
    let found = acquisition::streams(&lsl, wait_s)?;
    let mut text = String::new();
    for source in &found {
        let _ = writeln!(text, "{}", source.line());
    }
    if found.is_empty() {
        let reach = if network { "the network" } else { "this machine (--network looks further)" };
        let _ = writeln!(text, "no stream on {reach} within {wait_s} s");
    }
    let list: Vec<Value> = found
        .iter()
        .map(|source| {
            json!({"name": source.name, "type": source.stream_type, "channels": source.channel_count,
                "labels": source.channel_labels, "rate_hz": source.rate_hz, "source_id": source.source_id,
                "hostname": source.hostname, "format": source.format.name()})
        })
        .collect();
    Ok(Seen { text, json: json!({ "streams": list }), fine: true })
}

/// `photic info`: the streams of a recording.
///
/// # Errors
/// When the file cannot be read or is no XDF at all.
pub fn info(path: &Path) -> Result<Seen, SessionError> {
    let path = recording_path(path)?;
    let info = recording::info(&path).map_err(|error| SessionError::Recording { path, error })?;
    let mut text = String::new();
    let _ = writeln!(text, "{}: {} bytes, {} streams", info.path.display(), info.bytes, info.streams.len());
    let header = ["name", "type", "channels", "rate Hz", "samples", "first s", "last s"];
    let [name, kind, channels, rate, samples, first, last] = header;
    let _ =
        writeln!(text, "{name:34} {kind:12} {channels:>8} {rate:>9} {samples:>10} {first:>16} {last:>16}");
    let stamp = |stamp: Option<f64>| stamp.map_or("-".into(), |stamp| format!("{stamp:.6}"));
    for stream in &info.streams {
        let _ = writeln!(
            text,
            "{:34} {:12} {:8} {:9} {:10} {:>16} {:>16}",
            stream.name,
            stream.stream_type,
            stream.channels,
            stream.rate_hz,
            stream.samples,
            stamp(stream.first_s),
            stamp(stream.last_s)
        );
    }
    let fine = info.problems == 0;
    if !fine {
        let _ = writeln!(text, "{} problems: `photic verify` names them", info.problems);
    }
    Ok(Seen { json: to_json::<FileInfo>(&info), text, fine })
}

/// `photic verify`: what is whole; with `repair`, mends it first.
///
/// # Errors
/// When the file cannot be read, or mending fails.
pub fn verify(path: &Path, repair: bool, key: Option<&PathBuf>) -> Result<Seen, SessionError> {
    let arm = crate::arms::verify(path, key)?;
    let path = recording_path(path)?;
    let unreadable = |error| SessionError::Recording { path: path.clone(), error };
    let mut text = String::new();
    if repair {
        let repaired = recording::repair(&path).map_err(|error| match error {
            RepairError::Read(error) => unreadable(error),
            error => error.into(),
        })?;
        let saved = repaired.saved_as.as_ref().map(|saved| format!(", kept in {}", saved.display()));
        let _ = writeln!(
            text,
            "repaired: {} torn bytes removed{}, {} footers added",
            repaired.removed_bytes,
            saved.unwrap_or_default(),
            repaired.footers_added
        );
    }
    let report = recording::verify(&path).map_err(unreadable)?;
    let _ = writeln!(
        text,
        "{}: {} of {} bytes whole, {} chunks, {} torn at the end, {} damaged",
        report.path.display(),
        report.whole_bytes,
        report.bytes,
        report.chunks,
        report.torn_tail_bytes,
        report.damaged_bytes
    );
    for stream in &report.streams {
        let footer = if stream.has_footer { "" } else { ", no footer" };
        let gaps = if stream.gap_count > 0 { format!(", {} gaps", stream.gap_count) } else { String::new() };
        let _ = writeln!(text, "  {:34} {:10} samples{gaps}{footer}", stream.name, stream.samples);
    }
    for problem in &report.problems {
        let _ = writeln!(text, "  at byte {}: {}", problem.offset, problem.what);
    }
    let (arm, arm_is_well) = arm.unzip();
    text.push_str(arm.as_deref().unwrap_or_default());
    let is_whole = report.is_whole();
    let fine = is_whole && arm_is_well != Some(false);
    text.push_str(match (is_whole, report.whole_bytes) {
        (true, _) => "whole\n",
        (false, 0) => "not whole: nothing in it is a recording, and nothing can be mended\n",
        (false, _) => "not whole: --repair makes it openable for every reader\n",
    });
    let mut json = to_json::<Report>(&report);
    if let (Value::Object(map), Some(arm)) = (&mut json, arm_is_well) {
        map.insert("sealed_arm_is_well".into(), arm.into());
    }
    Ok(Seen { json, text, fine })
}

/// A session folder's recording, or the file itself.
fn recording_path(path: &Path) -> Result<PathBuf, SessionError> {
    Ok(if path.is_dir() { SessionFolder::open(path)?.xdf_path() } else { path.to_owned() })
}

fn to_json<T: serde::Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}
