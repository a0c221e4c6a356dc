//! What the tables of a protocol demand of one another. Each check runs while its tables still know their lines.

use crate::controller::SetPoint;
use crate::error::ProtocolError;
use crate::experiment::*;
use crate::reader::Table;
use crate::steering::picture_is_measured;

/// The sample stream that `key` names.
pub(crate) fn sample_stream<'p>(
    table: &Table<'_>,
    key: &str,
    protocol: &'p Protocol,
) -> Result<(usize, &'p Samples), ProtocolError> {
    let index = table.reference(key, "stream", stream_names(protocol))?;
    match &protocol.streams[index].kind {
        StreamKind::Samples(samples) => Ok((index, samples)),
        StreamKind::Markers(_) => Err(table.refuse(key, "a stream of samples, not of markers")),
    }
}

/// The marker stream that `key` names.
pub(crate) fn marker_stream(
    table: &Table<'_>,
    key: &str,
    protocol: &Protocol,
) -> Result<usize, ProtocolError> {
    let index = table.reference(key, "stream", stream_names(protocol))?;
    match &protocol.streams[index].kind {
        StreamKind::Markers(_) => Ok(index),
        StreamKind::Samples(_) => Err(table.refuse(key, "a stream of markers (type = \"Markers\")")),
    }
}

fn stream_names(protocol: &Protocol) -> impl Iterator<Item = &str> {
    protocol.streams.iter().map(|s| s.name.as_str())
}

/// The stimulus that the key `stimulus` names.
pub(crate) fn stimulus(table: &Table<'_>, protocol: &Protocol) -> Result<usize, ProtocolError> {
    table.reference("stimulus", "stimulus", protocol.stimuli.iter().map(|s| s.name.as_str()))
}

/// The amplitude is one in uV, at a frequency that the samples can carry and the window can resolve.
pub(crate) fn ssvep_fits_stream_and_stimulus(
    table: &Table<'_>,
    ssvep: &SsvepAmplitude,
    samples: &Samples,
    protocol: &Protocol,
) -> Result<(), ProtocolError> {
    if samples.unit != Unit::Microvolt {
        return Err(table.refuse("stream", "a stream with unit = \"uV\": the amplitude is one in uV"));
    }
    let Some(flicker) = protocol.stimuli[ssvep.stimulus].flicker() else {
        return Err(
            table.refuse("stimulus", "a stimulus with a flicker: the amplitude is that of its response")
        );
    };
    let response_hz = flicker.response_hz();
    if response_hz >= samples.rate_hz / 2.0 {
        let allowed = format!(
            "a stimulus whose response, here at {response_hz} Hz, is below half the stream's rate, {} Hz",
            samples.rate_hz / 2.0
        );
        return Err(table.refuse("stimulus", allowed));
    }
    if ssvep.window_s * response_hz < 1.0 {
        let allowed =
            format!("at least one cycle of the response at {response_hz} Hz, {:.4} s", 1.0 / response_hz);
        return Err(table.refuse("window_s", allowed));
    }
    if ssvep.update_s > ssvep.window_s {
        return Err(table.refuse("update_s", format!("at most window_s = {} s", ssvep.window_s)));
    }
    if ssvep.highpass_hz >= response_hz {
        return Err(table.refuse("highpass_hz", format!("below the response at {response_hz} Hz")));
    }
    Ok(())
}

/// Labels, codes and frequencies differ between classes; code 0 is rest and nothing else, since decisions say 0 for
/// rest.
pub(crate) fn class_differs(table: &Table<'_>, class: &Class, before: &[Class]) -> Result<(), ProtocolError> {
    if let Some(other) = before.iter().find(|c| c.label == class.label) {
        return Err(table.refuse("label", format!("a label that no other class has (code {})", other.code)));
    }
    if let Some(other) = before.iter().find(|c| c.code == class.code) {
        return Err(table.refuse("code", format!("a code that no other class has (\"{}\")", other.label)));
    }
    match class.frequency_hz {
        None if class.code != 0 => {
            Err(table.refuse("code", "0 for rest, the class without frequency_hz; others need frequency_hz"))
        }
        Some(_) if class.code == 0 => {
            Err(table.refuse("code", "1 or more; 0 is for rest, the class without frequency_hz"))
        }
        Some(hz) => match before.iter().find(|c| c.frequency_hz == Some(hz)) {
            Some(other) => {
                let allowed = format!("a frequency that no other class has (\"{}\")", other.label);
                Err(table.refuse("frequency_hz", allowed))
            }
            None => Ok(()),
        },
        None => Ok(()),
    }
}

/// Every class has its fundamental in the pass band and its harmonics below half the rate.
pub(crate) fn cca_fits_stream(
    table: &Table<'_>,
    class_tables: &[Table<'_>],
    cca: &Cca,
    samples: &Samples,
) -> Result<(), ProtocolError> {
    let [low, high] = cca.band_hz;
    let half_rate_hz = samples.rate_hz / 2.0;
    let mut flickers = 0;
    for (class, class_table) in cca.classes.iter().zip(class_tables) {
        let Some(hz) = class.frequency_hz else { continue };
        flickers += 1;
        if hz < low || hz > high {
            return Err(class_table.refuse("frequency_hz", format!("within band_hz, {low} to {high} Hz")));
        }
        let harmonic_hz = hz * f64::from(cca.harmonics);
        if harmonic_hz >= half_rate_hz {
            let allowed = format!(
                "harmonics below half the stream's rate, {half_rate_hz} Hz; harmonic {} of {hz} Hz is at {harmonic_hz} Hz",
                cca.harmonics
            );
            return Err(class_table.refuse("frequency_hz", allowed));
        }
        if cca.window_s * hz < 1.0 {
            let allowed = format!("at least one cycle of {hz} Hz, {:.4} s", 1.0 / hz);
            return Err(table.refuse("window_s", allowed));
        }
    }
    if flickers == 0 {
        return Err(table.contradiction("classes", "at least one class needs a frequency_hz"));
    }
    Ok(())
}

/// Every marker of the cue stream means a class of the decoder.
pub(crate) fn markers_have_classes(root: &Table<'_>, protocol: &Protocol) -> Result<(), ProtocolError> {
    let Some(Decoder::Cca(cca)) = &protocol.decoder else { return Ok(()) };
    let cues = &protocol.streams[cca.cues];
    let StreamKind::Markers(Markers { markers }) = &cues.kind else { return Ok(()) };
    for (name, stream) in root.tables_by_name("stream")? {
        if name != cues.name {
            continue;
        }
        let texts = stream.table_of_any("markers")?;
        for marker in markers {
            if !cca.classes.iter().any(|c| c.code == marker.code) {
                let codes: Vec<String> = cca.classes.iter().map(|c| c.code.to_string()).collect();
                let allowed = format!("the code of a class of decoder.cca: {}", codes.join(", "));
                return Err(texts.refuse(&marker.text, allowed));
            }
        }
    }
    Ok(())
}

/// Artefacts freeze a controller, or keep an answer from a trial; without either they would silently do nothing.
pub(crate) fn artefacts_have_a_use(root: &Table<'_>, protocol: &Protocol) -> Result<(), ProtocolError> {
    let decodes = |block: &Block| matches!(&block.kind, BlockKind::Trial(trial) if trial.answer.is_decoded());
    let rejects = |block: &Block| matches!(&block.kind, BlockKind::Task(task) if task.reject.artefact);
    let has_use = |block: &Block| decodes(block) || rejects(block);
    if protocol.artefacts.is_some() && protocol.controller.is_none() && !protocol.blocks.iter().any(has_use) {
        let text = "needs a [controller] to freeze, or trials with decoded answers or that reject artefacts, and there is neither";
        return Err(root.contradiction("artefacts", text));
    }
    Ok(())
}

/// The nominal person can be brought to the set point: not by guessing a gain, but by the response that the same file
/// states.
pub(crate) fn set_point_is_in_reach(
    hold: &Table<'_>,
    key: &str,
    set_point: &SetPoint,
    controller: &Controller,
) -> Result<(), ProtocolError> {
    let (response, [low, high]) = (controller.response(), controller.contrasts());
    let (least_uv, most_uv) = (response.at_uv(low), response.at_uv(high));
    let [lowest_uv, highest_uv] = set_point.range_uv();
    // Rounding must not refuse the very end of the reach.
    if lowest_uv >= least_uv * (1.0 - 1e-9) && highest_uv <= most_uv * (1.0 + 1e-9) {
        return Ok(());
    }
    let allowed = format!(
        "{least_uv:.3} to {most_uv:.3} uV, which the nominal response reaches at contrasts {low} to {high} (it would have \
         to reach {lowest_uv} to {highest_uv} uV)"
    );
    Err(hold.refuse(key, allowed))
}

/// A block has a name of its own, and the decoder and controller that its kind needs.
pub(crate) fn block_stands_alone(
    table: &Table<'_>,
    block: &Block,
    protocol: &Protocol,
) -> Result<(), ProtocolError> {
    if protocol.blocks.iter().any(|b| b.name == block.name) {
        return Err(table.refuse("name", "a name that no other block has"));
    }
    match &block.kind {
        BlockKind::Calibrate(calibrate) => {
            needs_ssvep(table, "calibrate", calibrate.stimulus, protocol)?;
            let inner = table.table_of_any("calibrate")?;
            if calibrate.on_s + calibrate.off_s > block.duration_s {
                let allowed = format!("on_s + off_s within the block's duration_s = {} s", block.duration_s);
                return Err(inner.refuse("on_s", allowed));
            }
            Ok(())
        }
        BlockKind::Hold(hold) => {
            needs_ssvep(table, "hold", hold.stimulus, protocol)?;
            if protocol.controller.is_none() {
                return Err(table.contradiction("hold", "needs a [controller], and there is none"));
            }
            crate::controller::baseline_comes_first(table, block, hold, protocol)
        }
        BlockKind::Listen(_) if !matches!(protocol.decoder, Some(Decoder::Cca(_))) => {
            let text = format!("needs the decoder cca, and there is {}", decoder_name(protocol));
            Err(table.contradiction("listen", text))
        }
        BlockKind::Steer(steer) => {
            needs_ssvep(table, "steer", steer.stimulus, protocol)?;
            picture_is_measured(table, steer, block.duration_s, protocol)
        }
        BlockKind::Trial(trial) if trial.answer.is_decoded() => {
            needs_ssvep(table, "trial", trial.stimulus, protocol)
        }
        BlockKind::Listen(_)
        | BlockKind::Show(_)
        | BlockKind::Flash(_)
        | BlockKind::Trial(_)
        | BlockKind::Prompt(_)
        | BlockKind::Task(_)
        | BlockKind::Rest => Ok(()),
    }
}

/// The decoder must measure the response to just this stimulus.
fn needs_ssvep(
    table: &Table<'_>,
    key: &str,
    stimulus: usize,
    protocol: &Protocol,
) -> Result<(), ProtocolError> {
    let Some(Decoder::SsvepAmplitude(ssvep)) = &protocol.decoder else {
        let text = format!("needs the decoder ssvep_amplitude, and there is {}", decoder_name(protocol));
        return Err(table.contradiction(key, text));
    };
    if stimulus != ssvep.stimulus {
        let name = &protocol.stimuli[ssvep.stimulus].name;
        return Err(table
            .table_of_any(key)?
            .refuse("stimulus", format!("\"{name}\", which the decoder measures")));
    }
    Ok(())
}

fn decoder_name(protocol: &Protocol) -> &'static str {
    match protocol.decoder {
        Some(Decoder::Cca(_)) => "cca",
        Some(Decoder::SsvepAmplitude(_)) => "ssvep_amplitude",
        None => "none",
    }
}

/// `order` and `shuffle` mean something only together.
pub(crate) fn order(
    head: &Table<'_>,
    tables: &[Table<'_>],
    protocol: &Protocol,
) -> Result<(), ProtocolError> {
    let mut shuffled = tables.iter().zip(&protocol.blocks).filter(|(_, b)| b.shuffle).map(|(t, _)| t);
    let first = shuffled.next();
    match (protocol.order, first) {
        (Order::Fixed, Some(table)) => {
            Err(table
                .contradiction("shuffle", "needs order = \"shuffled\" or \"counterbalanced\" in [protocol]"))
        }
        (Order::Shuffled | Order::Counterbalanced, _) if shuffled.next().is_none() => {
            Err(head.refuse("order", "\"fixed\", or at least two blocks with shuffle = true"))
        }
        _ => Ok(()),
    }
}

/// A controller that relies on calibration finds one before the first block that holds, whatever the seed.
pub(crate) fn calibration_comes_first(
    tables: &[Table<'_>],
    protocol: &Protocol,
) -> Result<(), ProtocolError> {
    let name = match protocol.controller {
        Some(Controller::Pi(_)) => "pi",
        Some(Controller::OnOff(_)) => "on_off",
        Some(Controller::Pid(_)) => "pid",
        Some(Controller::Lqg(_)) => "lqg",
        Some(Controller::Mpc(_)) => "mpc",
        Some(Controller::OpenLoopCalibrated(_)) => "open_loop_calibrated",
        Some(Controller::OpenLoopNominal(_)) | None => return Ok(()),
    };
    let is_hold = |b: &Block| matches!(b.kind, BlockKind::Hold(_));
    let is_calibrate = |b: &Block| matches!(b.kind, BlockKind::Calibrate(_));
    let blocks = &protocol.blocks;
    // A shuffled block that holds can come to stand at any shuffled place.
    let any_shuffled_hold = blocks.iter().any(|b| b.shuffle && is_hold(b));
    let Some(first_hold) = blocks.iter().position(|b| is_hold(b) || (b.shuffle && any_shuffled_hold)) else {
        return Ok(());
    };
    if blocks[..first_hold].iter().any(|b| is_calibrate(b) && !b.shuffle) {
        return Ok(());
    }
    let held = tables.iter().zip(blocks).find(|(_, b)| is_hold(b)).map_or(&tables[first_hold], |(t, _)| t);
    let text =
        format!("the controller {name} needs a block with `calibrate`, not shuffled, before any that holds");
    Err(held.contradiction("hold", text))
}
