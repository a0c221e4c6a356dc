//! Variants of a protocol: the same file with another controller or decoder, or with longer holds.
//!
//! A variant is made in the *text*, not in the parsed data: what ran can then be hashed, copied and read like any other
//! protocol, and whatever controllers and decoders a protocol may have, a variant may have too. The lines of the
//! original keep their numbers, so an error points into the file that is at fault: the protocol, or the file that the
//! other table came from.

use crate::error::{Fault, ProtocolError};
use crate::reader::{Document, Table};
use crate::{BlockKind, Protocol};

/// The protocol with the table `key` (`controller`, `decoder`) taken from `table`, which may stand in another file.
///
/// # Errors
/// When the original or the variant is no valid protocol; a fault in the new table names the file and line it stands in.
pub fn with_table(text: &str, file: &str, key: &str, table: &Table<'_>) -> Result<String, ProtocolError> {
    Protocol::parse(text, file)?;
    let mut variant = without(text, file, key)?;
    if !variant.ends_with('\n') {
        variant.push('\n');
    }
    let before = variant.matches('\n').count();
    let lines = table.lines(key)?;
    for (line, _) in &lines {
        variant.push_str(line);
        variant.push('\n');
    }
    match Protocol::parse(&variant, file) {
        Ok(_) => Ok(variant),
        Err(ProtocolError::Fault(fault)) => {
            let place = fault.line.checked_sub(before + 1).and_then(|at| lines.get(at));
            Err(ProtocolError::Fault(match place {
                Some(&(_, line)) => Box::new(Fault {
                    file: table.file().to_owned(),
                    line,
                    key: fault.key.replacen(key, table.path(), 1),
                    ..*fault
                }),
                None => fault,
            }))
        }
        Err(error) => Err(error),
    }
}

/// The protocol with all blocks that hold longer (or shorter) by one factor, so that the whole lasts `length_s`.
///
/// # Errors
/// When the text is no valid protocol, has no block that holds, or when the other blocks alone take as long.
pub fn with_length(text: &str, file: &str, length_s: f64) -> Result<String, VariantError> {
    let protocol = Protocol::parse(text, file)?;
    let holds = |block: &crate::Block| matches!(block.kind, BlockKind::Hold(_));
    let all_s: f64 = protocol.blocks.iter().map(|block| block.duration_s).sum();
    let held_s: f64 = protocol.blocks.iter().filter(|block| holds(block)).map(|block| block.duration_s).sum();
    let factor = (length_s - (all_s - held_s)) / held_s;
    if !(factor.is_finite() && factor > 0.0) {
        return Err(VariantError::Length { length_s, held_s, others_s: all_s - held_s });
    }
    let document = Document::parse(text, file)?;
    let root = document.any_root();
    let mut variant = String::with_capacity(text.len() + 64);
    let mut done = 0;
    for (table, block) in root.list_of_any("block")?.iter().zip(&protocol.blocks) {
        if holds(block) {
            let place = table.place_of("duration_s");
            variant.push_str(&text[done..place.start]);
            variant.push_str(&format!("{:?}", block.duration_s * factor));
            done = place.end;
        }
    }
    variant.push_str(&text[done..]);
    Protocol::parse(&variant, file)?;
    Ok(variant)
}

/// Why a variant cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum VariantError {
    /// The protocol itself.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// A length that stretching the holds cannot reach.
    #[error(
        "a length of {length_s} s cannot be reached: the protocol holds for {held_s} s, and its other blocks take \
         {others_s} s"
    )]
    Length {
        /// What was asked for.
        length_s: f64,
        /// Time in blocks that hold.
        held_s: f64,
        /// Time in the other blocks.
        others_s: f64,
    },
}

/// The text without the table `key`; its lines stay as blanks.
fn without(text: &str, file: &str, key: &str) -> Result<String, ProtocolError> {
    let document = Document::parse(text, file)?;
    let root = document.any_root();
    if !root.has(key) {
        return Ok(text.to_owned());
    }
    let mut places = root.table_of_any(key)?.places();
    places.push(root.place_of_key(key));
    // An inline table may stand on one line with nothing but itself.
    places.push(root.place_of_key(key).start..root.place_of(key).end);
    let line_start = |at: usize| text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = |at: usize| text[at..].find('\n').map_or(text.len(), |newline| at + newline);
    let whole: Vec<(usize, usize)> =
        places.iter().map(|place| (line_start(place.start), line_end(place.end))).collect();
    let mut kept = String::with_capacity(text.len());
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let gone = whole.iter().any(|&(start, end)| at >= start && at < end);
        kept.push_str(if gone { "\n" } else { line });
        at += line.len();
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = r#"[protocol]
name = "p"
description = "d"
grey_ramp_s = 0.5
min_free_mb = 1
[stream.eeg]
type = "EEG"
channels = ["O1", "Oz"]
rate_hz = 250.0
unit = "uV"
stale_after_s = 0.3
grey_after_s = 1.0
max_lag_s = 0.5
[stimulus.target.grating]
sf_cpd = 1.0
orientation_deg = 45.0
phase_deg = 0.0
diameter_deg = 10.0
edge_deg = 1.0
flicker = { counterphase_hz = 7.5, waveform = "sine" }
[decoder.ssvep_amplitude]
stream = "eeg"
stimulus = "target"
report_channel = "Oz"
window_s = 2.0
update_s = 0.1
highpass_hz = 1.0
"#;
    const RESPONSE: &str = "nominal_gain_uv = 3.5\nsemisaturation = 0.3\nexponent = 2.0\ncontrast_min = 0.0\n\
                            contrast_max = 0.9\nslew_per_s = 2.0\n";
    const BLOCKS: &str = r#"[[block]]
name = "calibrate"
duration_s = 27.0
calibrate = { stimulus = "target", contrast = 0.8, on_s = 8.0, off_s = 1.0 }
[[block]]
name = "hold"
duration_s = 45.0 # s
hold = { stimulus = "target", set_point_uv = 1.0 }
"#;

    fn protocol() -> String {
        format!("{HEAD}[controller.pi] # the shipped one\nkp = 0.8\nki_per_s = 0.03\n{RESPONSE}{BLOCKS}")
    }

    fn with_controller(text: &str, other: &str) -> Result<String, ProtocolError> {
        let document = Document::parse(other, "other.toml").unwrap();
        let table = document.any_root().table_of_any("controller").unwrap();
        with_table(text, "p.toml", "controller", &table)
    }

    #[test]
    fn another_controller_takes_the_place_and_the_rest_stays() {
        let other = format!("# a comment\n[controller.open_loop_nominal]\n{RESPONSE}");
        let variant = with_controller(&protocol(), &other).unwrap();
        let (before, after) =
            (Protocol::parse(&protocol(), "").unwrap(), Protocol::parse(&variant, "").unwrap());
        assert!(matches!(after.controller, Some(crate::Controller::OpenLoopNominal(_))));
        assert_eq!(Protocol { controller: before.controller, ..after }, before);
        // Its own controller, taken out and put back, is the same protocol.
        let again = with_controller(&variant, &protocol()).unwrap();
        assert_eq!(Protocol::parse(&again, "").unwrap(), before);
    }

    #[test]
    fn inline_and_dotted_tables_are_taken_out_too() {
        let inline = RESPONSE.trim().replace('\n', ", ");
        let root = format!("controller = {{ open_loop_nominal = {{ {inline} }} }}\n{HEAD}{BLOCKS}");
        let dotted: String =
            RESPONSE.lines().map(|line| format!("controller.open_loop_nominal.{line}\n")).collect();
        let dotted = format!("{dotted}{HEAD}{BLOCKS}");
        for text in [root, dotted] {
            let variant = with_controller(&text, &protocol()).unwrap();
            assert!(matches!(
                Protocol::parse(&variant, "").unwrap().controller,
                Some(crate::Controller::Pi(_))
            ));
            assert!(matches!(
                Protocol::parse(&with_controller(&protocol(), &text).unwrap(), "").unwrap().controller,
                Some(crate::Controller::OpenLoopNominal(_))
            ));
        }
    }

    #[test]
    fn a_fault_names_the_file_that_it_stands_in() {
        let other = format!("\n\n[controller.pi]\nkp = 0.8\nki_per_s = -1.0\n{RESPONSE}");
        let error = with_controller(&protocol(), &other).unwrap_err();
        let fault = error.fault().unwrap();
        assert_eq!((fault.file.as_str(), fault.line), ("other.toml", 5), "{error}");
        assert_eq!(fault.key, "controller.pi.ki_per_s");
        // What is wrong in the protocol itself keeps its place there.
        let broken = protocol().replace("rate_hz = 250.0", "rate_hz = -250.0");
        let error = with_controller(&broken, &other).unwrap_err();
        assert_eq!((error.fault().unwrap().file.as_str(), error.line()), ("p.toml", Some(9)));
    }

    #[test]
    fn holds_are_lengthened_and_nothing_else() {
        let text = protocol();
        let variant = with_length(&text, "p.toml", 300.0).unwrap();
        let protocol = Protocol::parse(&variant, "").unwrap();
        assert_eq!(protocol.blocks[0].duration_s, 27.0);
        assert!((protocol.schedule(1).duration_s() - 300.0).abs() < 1e-9);
        assert!(variant.contains("duration_s = 273.0 # s"));
        let error = with_length(&text, "p.toml", 20.0).unwrap_err().to_string();
        assert!(error.contains("20 s") && error.contains("27 s") && error.contains("45 s"), "{error}");
    }
}
