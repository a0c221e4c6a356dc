//! From the text of a protocol file to [`Protocol`]. Every table is read by one function; what a table says about
//! another one is checked by [`crate::check`] while both positions are still known.

use std::path::Path;

use crate::MAX_STREAMS;
use crate::arms::read_arms;
use crate::check;
use crate::controller::{
    SET_POINT_KEYS, read_artefacts, read_lqg, read_mpc, read_on_off, read_pid, read_set_point,
};
use crate::error::{ProtocolError, read_text};
use crate::experiment::*;
use crate::limits::{limits_fit, read_limits};
use crate::onset;
use crate::outside::{read_outside, something_is_held};
use crate::people::{self, PromptKind};
use crate::reader::{Document, Range, Table};
use crate::response;
use crate::steering::{self, read_planner, read_steer};
use crate::stimulus::read_stimuli;
use crate::trial;

/// One day: longer spans of time in a protocol are slips of the unit.
const LONGEST_S: f64 = 86_400.0;
/// Above any amplifier's rate.
const HIGHEST_RATE_HZ: f64 = 200_000.0;

impl Protocol {
    /// Reads a protocol from the text of its file; `file` is the name that errors give.
    ///
    /// # Errors
    /// See [`ProtocolError`]: the first fault found, unknown keys of a table before anything else in it.
    pub fn parse(text: &str, file: &str) -> Result<Self, ProtocolError> {
        let document = Document::parse(text, file)?;
        let root = document.root(&[
            "protocol",
            "stream",
            "stimulus",
            "response",
            "gaze",
            "decoder",
            "controller",
            "onset",
            "artefacts",
            "safety",
            "limits",
            "planner",
            "outside",
            "arms",
            "block",
        ])?;
        let head = root.table("protocol", &["name", "description", "grey_ramp_s", "min_free_mb", "order"])?;
        let streams = read_streams(&root)?;
        let stimuli = read_stimuli(&root)?;
        let mut protocol = Self {
            name: head.text("name")?,
            description: head.text("description")?,
            grey_ramp_s: head.number("grey_ramp_s", Range::above(0.0).up_to(60.0))?,
            min_free_mb: head.integer("min_free_mb", 1..=1_000_000_000)?,
            order: head.optional("order", read_order)?.unwrap_or(Order::Fixed),
            streams,
            stimuli,
            responses: Vec::new(),
            gaze: None,
            decoder: None,
            controller: root.optional("controller", read_controller)?,
            onset: None,
            artefacts: root.optional("artefacts", read_artefacts)?,
            safety: root.optional("safety", read_safety)?,
            limits: root.optional("limits", read_limits)?,
            planner: root.optional("planner", read_planner)?,
            outside: None,
            arms: None,
            blocks: Vec::new(),
        };
        if root.has("response") {
            protocol.responses = response::read_responses(&root, &protocol)?;
        }
        protocol.gaze = root.optional("gaze", |root, key| response::read_gaze(root, key, &protocol))?;
        protocol.decoder = root.optional("decoder", |root, key| read_decoder(root, key, &protocol))?;
        protocol.onset = root.optional("onset", |root, key| onset::read_state(root, key, &protocol))?;
        protocol.outside = root.optional("outside", |root, key| read_outside(root, key, &protocol))?;
        protocol.arms = root.optional("arms", |root, key| read_arms(root, key, &protocol))?;
        check::markers_have_classes(&root, &protocol)?;

        let tables = root.list("block", &[&BLOCK_KEYS[..], &BLOCK_KINDS].concat())?;
        for table in &tables {
            let block = read_block(table, &protocol)?;
            check::block_stands_alone(table, &block, &protocol)?;
            protocol.blocks.push(block);
        }
        check::order(&head, &tables, &protocol)?;
        check::calibration_comes_first(&tables, &protocol)?;
        steering::calibration_comes_first(&tables, &protocol)?;
        onset::rest_comes_first(&tables, &protocol)?;
        trial::calibration_comes_first(&tables, &protocol)?;
        check::artefacts_have_a_use(&root, &protocol)?;
        for (key, is_there) in [("outside", protocol.outside.is_some()), ("arms", protocol.arms.is_some())] {
            if is_there {
                something_is_held(&root, key, &protocol)?;
            }
        }
        limits_fit(&root, &protocol)?;
        Ok(protocol)
    }

    /// Reads a protocol file.
    ///
    /// # Errors
    /// See [`ProtocolError`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ProtocolError> {
        let (text, file) = read_text(path.as_ref())?;
        Self::parse(&text, &file)
    }
}

fn read_order(head: &Table<'_>, key: &str) -> Result<Order, ProtocolError> {
    head.choice(
        key,
        &[
            ("fixed", Order::Fixed),
            ("shuffled", Order::Shuffled),
            ("counterbalanced", Order::Counterbalanced),
        ],
    )
}

fn read_safety(root: &Table<'_>, key: &str) -> Result<Safety, ProtocolError> {
    let table = root.table(key, &["max_flashes_per_s", "screening_reference", "attenuate"])?;
    Ok(Safety {
        max_flashes_per_s: table.number("max_flashes_per_s", Range::above(0.0).up_to(1_000.0))?,
        screening_reference: table.text("screening_reference")?,
        attenuate: table.optional("attenuate", Table::boolean)?.unwrap_or(false),
    })
}

// ------------------------------------------------------------------------------------------------ streams

const SAMPLE_KEYS: &[&str] =
    &["type", "name", "channels", "rate_hz", "unit", "stale_after_s", "grey_after_s", "max_lag_s"];
const MARKER_KEYS: &[&str] = &["type", "name", "markers"];

fn read_streams(root: &Table<'_>) -> Result<Vec<Stream>, ProtocolError> {
    let mut streams = Vec::new();
    for (name, stream) in root.tables_by_name("stream")? {
        if streams.len() == MAX_STREAMS {
            let text = format!("one stream too many; a protocol reads at most {MAX_STREAMS}");
            return Err(stream.itself(text));
        }
        // Which keys are valid depends on the type, so it is read first.
        let lsl_type = stream.text("type")?;
        let is_markers = lsl_type == "Markers";
        stream.refuse_unknown(if is_markers { MARKER_KEYS } else { SAMPLE_KEYS })?;
        let kind = if is_markers { read_markers(&stream)? } else { read_samples(&stream)? };
        let lsl_name = stream.optional("name", Table::text)?;
        streams.push(Stream { name, lsl_type, lsl_name, kind });
    }
    Ok(streams)
}

fn read_samples(table: &Table<'_>) -> Result<StreamKind, ProtocolError> {
    let samples = Samples {
        channels: table.texts("channels")?,
        rate_hz: table.number("rate_hz", Range::above(0.0).up_to(HIGHEST_RATE_HZ))?,
        unit: table.choice("unit", &[("uV", Unit::Microvolt), ("any", Unit::Any)])?,
        stale_after_s: table.number("stale_after_s", Range::above(0.0).up_to(LONGEST_S))?,
        grey_after_s: table.number("grey_after_s", Range::above(0.0).up_to(LONGEST_S))?,
        max_lag_s: table.number("max_lag_s", Range::above(0.0).up_to(LONGEST_S))?,
    };
    if samples.grey_after_s < samples.stale_after_s {
        let allowed = format!("at least stale_after_s = {} s", samples.stale_after_s);
        return Err(table.refuse("grey_after_s", allowed));
    }
    let sample_s = 1.0 / samples.rate_hz;
    if samples.stale_after_s <= sample_s {
        let allowed = format!("more than one sample at {} Hz, {sample_s} s", samples.rate_hz);
        return Err(table.refuse("stale_after_s", allowed));
    }
    Ok(StreamKind::Samples(samples))
}

fn read_markers(table: &Table<'_>) -> Result<StreamKind, ProtocolError> {
    let texts = table.table_of_any("markers")?;
    let mut markers = Vec::new();
    for (text, ..) in texts.entries() {
        let code = texts.integer(text, 0..=u64::from(u32::MAX))? as u32;
        markers.push(MarkerText { text: text.to_owned(), code });
    }
    if markers.is_empty() {
        return Err(table.refuse("markers", "at least one text with its code, as in { cue_rest = 0 }"));
    }
    Ok(StreamKind::Markers(Markers { markers }))
}

// ------------------------------------------------------------------------------------- decoder, controller

fn read_decoder(root: &Table<'_>, key: &str, protocol: &Protocol) -> Result<Decoder, ProtocolError> {
    let kinds = ["ssvep_amplitude", "cca"];
    let table = root.table(key, &kinds)?;
    match table.one_of(&kinds)? {
        key @ "cca" => read_cca(&table, key, protocol).map(Decoder::Cca),
        key => read_ssvep_amplitude(&table, key, protocol).map(Decoder::SsvepAmplitude),
    }
}

fn read_ssvep_amplitude(
    decoder: &Table<'_>,
    key: &str,
    protocol: &Protocol,
) -> Result<SsvepAmplitude, ProtocolError> {
    let keys = ["stream", "stimulus", "report_channel", "window_s", "update_s", "highpass_hz"];
    let table = decoder.table(key, &keys)?;
    let (stream, samples) = check::sample_stream(&table, "stream", protocol)?;
    let channels = samples.channels.iter().map(String::as_str);
    let ssvep = SsvepAmplitude {
        stream,
        stimulus: check::stimulus(&table, protocol)?,
        report_channel: table.reference("report_channel", "channel", channels)?,
        window_s: table.number("window_s", Range::above(0.0).up_to(600.0))?,
        update_s: table.number("update_s", Range::above(0.0).up_to(600.0))?,
        highpass_hz: table.number("highpass_hz", Range::above(0.0).up_to(HIGHEST_RATE_HZ))?,
    };
    check::ssvep_fits_stream_and_stimulus(&table, &ssvep, samples, protocol)?;
    Ok(ssvep)
}

fn read_cca(decoder: &Table<'_>, key: &str, protocol: &Protocol) -> Result<Cca, ProtocolError> {
    let keys =
        ["stream", "cues", "classes", "harmonics", "window_s", "delay_s", "band_hz", "rest_false_alarm"];
    let table = decoder.table(key, &keys)?;
    let (stream, samples) = check::sample_stream(&table, "stream", protocol)?;
    let cues = check::marker_stream(&table, "cues", protocol)?;
    let class_tables = table.list("classes", &["label", "code", "frequency_hz"])?;
    let mut classes: Vec<Class> = Vec::new();
    for class_table in &class_tables {
        let class = read_class(class_table)?;
        check::class_differs(class_table, &class, &classes)?;
        classes.push(class);
    }
    let cca = Cca {
        stream,
        cues,
        classes,
        harmonics: table.integer("harmonics", 1..=16)? as u32,
        window_s: table.number("window_s", Range::above(0.0).up_to(600.0))?,
        delay_s: table.number("delay_s", Range::from(0.0).up_to(600.0))?,
        band_hz: table.span_of_numbers("band_hz", Range::above(0.0).below(samples.rate_hz / 2.0))?,
        rest_false_alarm: table.number("rest_false_alarm", Range::above(0.0).below(1.0))?,
    };
    check::cca_fits_stream(&table, &class_tables, &cca, samples)?;
    Ok(cca)
}

fn read_class(table: &Table<'_>) -> Result<Class, ProtocolError> {
    Ok(Class {
        label: table.text("label")?,
        code: table.integer("code", 0..=u64::from(u32::MAX))? as u32,
        frequency_hz: table
            .optional("frequency_hz", |t, key| t.number(key, Range::above(0.0).up_to(HIGHEST_RATE_HZ)))?,
    })
}

pub(crate) const RESPONSE_KEYS: [&str; 6] =
    ["nominal_gain_uv", "semisaturation", "exponent", "contrast_min", "contrast_max", "slew_per_s"];

fn read_controller(root: &Table<'_>, key: &str) -> Result<Controller, ProtocolError> {
    let kinds = ["pi", "on_off", "pid", "lqg", "mpc", "open_loop_nominal", "open_loop_calibrated"];
    let table = root.table(key, &kinds)?;
    Ok(match table.one_of(&kinds)? {
        "pi" => Controller::Pi(read_pi(&table)?),
        "on_off" => Controller::OnOff(read_on_off(&table)?),
        "pid" => Controller::Pid(read_pid(&table)?),
        "lqg" => Controller::Lqg(read_lqg(&table)?),
        "mpc" => Controller::Mpc(read_mpc(&table)?),
        key @ "open_loop_nominal" => {
            Controller::OpenLoopNominal(read_response(&table.table(key, &RESPONSE_KEYS)?)?)
        }
        key => Controller::OpenLoopCalibrated(read_response(&table.table(key, &RESPONSE_KEYS)?)?),
    })
}

fn read_pi(controller: &Table<'_>) -> Result<Pi, ProtocolError> {
    let mut keys = vec!["kp", "ki_per_s"];
    keys.extend(RESPONSE_KEYS);
    let table = controller.table("pi", &keys)?;
    let pi = Pi {
        kp: table.number("kp", Range::from(0.0).up_to(1_000.0))?,
        ki_per_s: table.number("ki_per_s", Range::from(0.0).up_to(1_000.0))?,
        response: read_response(&table)?,
    };
    if pi.kp == 0.0 && pi.ki_per_s == 0.0 {
        return Err(table.refuse("ki_per_s", "above 0 where kp is 0, or nothing is controlled"));
    }
    Ok(pi)
}

pub(crate) fn read_response(table: &Table<'_>) -> Result<Response, ProtocolError> {
    let contrast_min = table.number("contrast_min", Range::from(0.0).below(1.0))?;
    Ok(Response {
        nominal_gain_uv: table.number("nominal_gain_uv", Range::above(0.0).up_to(1_000.0))?,
        semisaturation: table.number("semisaturation", Range::above(0.0).up_to(1.0))?,
        exponent: table.number("exponent", Range::above(0.0).up_to(20.0))?,
        contrast_min,
        contrast_max: table.number("contrast_max", Range::above(contrast_min).up_to(1.0))?,
        slew_per_s: table.number("slew_per_s", Range::above(0.0).up_to(1_000.0))?,
    })
}

// ------------------------------------------------------------------------------------------------- blocks

const BLOCK_KEYS: [&str; 3] = ["name", "duration_s", "shuffle"];
const BLOCK_KINDS: [&str; 13] = [
    "calibrate",
    "hold",
    "listen",
    "show",
    "flash",
    "steer",
    "trial",
    "instruction",
    "rating",
    "break",
    "wait",
    "task",
    "rest",
];

fn read_block(table: &Table<'_>, protocol: &Protocol) -> Result<Block, ProtocolError> {
    let duration_s = table.number("duration_s", Range::above(0.0).up_to(LONGEST_S))?;
    Ok(Block {
        name: table.text("name")?,
        duration_s,
        shuffle: table.optional("shuffle", Table::boolean)?.unwrap_or(false),
        kind: read_block_kind(table, duration_s, protocol)?,
    })
}

fn read_block_kind(
    block: &Table<'_>,
    duration_s: f64,
    protocol: &Protocol,
) -> Result<BlockKind, ProtocolError> {
    let contrast = Range::from(0.0).up_to(1.0);
    let seconds = Range::above(0.0).up_to(LONGEST_S);
    let prompt = |kind| people::read_prompt(block, kind, duration_s, protocol).map(BlockKind::Prompt);
    Ok(match block.one_of(&BLOCK_KINDS)? {
        "calibrate" => {
            let table = block.table("calibrate", &["stimulus", "contrast", "on_s", "off_s"])?;
            BlockKind::Calibrate(Calibrate {
                stimulus: check::stimulus(&table, protocol)?,
                contrast: table.number("contrast", Range::above(0.0).up_to(1.0))?,
                on_s: table.number("on_s", seconds)?,
                off_s: table.number("off_s", seconds)?,
            })
        }
        "hold" => {
            let mut keys = vec!["stimulus"];
            keys.extend(SET_POINT_KEYS);
            let table = block.table("hold", &keys)?;
            BlockKind::Hold(Hold {
                stimulus: check::stimulus(&table, protocol)?,
                set_point: read_set_point(&table, protocol)?,
            })
        }
        "listen" => {
            let table = block.table("listen", &["until_cues"])?;
            BlockKind::Listen(Listen { until_cues: table.integer("until_cues", 1..=1_000_000)? as u32 })
        }
        "show" => {
            let table = block.table("show", &["stimulus", "contrast"])?;
            BlockKind::Show(Show {
                stimulus: check::stimulus(&table, protocol)?,
                contrast: table.number("contrast", contrast)?,
            })
        }
        "flash" => BlockKind::Flash(onset::read_flash(block, protocol)?),
        "steer" => BlockKind::Steer(read_steer(block, protocol)?),
        "instruction" => prompt(PromptKind::Instruction)?,
        "rating" => prompt(PromptKind::Rating)?,
        "break" => prompt(PromptKind::Break)?,
        "wait" => prompt(PromptKind::Wait)?,
        "task" => BlockKind::Task(Box::new(people::read_task(block, duration_s, protocol)?)),
        "trial" => BlockKind::Trial(Box::new(trial::read_trial(block, protocol)?)),
        _ => {
            block.table("rest", &[])?;
            BlockKind::Rest
        }
    })
}
