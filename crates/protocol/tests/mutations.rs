//! Damaged files: whatever happens to a valid file, parsing it ends in a value or in an error that points into it.

use proptest::prelude::*;
use proptest::sample::Index;
use protocol::{Protocol, ProtocolError, Rig};

const THERMOSTAT: &str = include_str!("../../../protocols/thermostat.toml");
const LISTEN: &str = include_str!("../../../protocols/ssvep-listen.toml");
const RIG: &str = include_str!("../../../protocols/lab-rig.toml");

/// One damage to a file.
#[derive(Debug, Clone)]
enum Damage {
    Delete(Index, usize),
    Duplicate(Index, usize),
    Replace(Index, String),
    /// A whole line goes, or moves elsewhere: files that are still TOML, but say something else.
    MoveLine(Index, Index),
    DeleteLine(Index),
    /// A value becomes another.
    Value(Index, &'static str),
}

fn damage() -> impl Strategy<Value = Damage> {
    let token = prop::sample::select(vec![
        "\"",
        "'",
        "[",
        "]",
        "{",
        "}",
        "=",
        ".",
        ",",
        "#",
        "\n",
        "\r\n",
        "\t",
        "\0",
        "-",
        "_",
        "nan",
        "1e999",
        "true",
        "[[block]]\n",
        "\u{feff}",
        "\u{1f9e0}",
        "\\u",
        "0x",
        "''' ",
        "\"\"\"",
        "9999-12-31",
    ]);
    let text = prop_oneof![token.prop_map(str::to_owned), "\\PC{0,4}"];
    let values = vec![
        "nan",
        "inf",
        "-1",
        "0",
        "1e308",
        "5e-324",
        "\"\"",
        "\"eeg\"",
        "\"target\"",
        "[]",
        "{}",
        "[[]]",
        "true",
        "0x7f",
        "18446744073709551616",
        "1979-05-27",
        "[1, 2]",
        "[{}]",
        "{ a = 1 }",
    ];
    prop_oneof![
        (any::<Index>(), 1..40_usize).prop_map(|(at, n)| Damage::Delete(at, n)),
        (any::<Index>(), 1..80_usize).prop_map(|(at, n)| Damage::Duplicate(at, n)),
        (any::<Index>(), text).prop_map(|(at, text)| Damage::Replace(at, text)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Damage::MoveLine(from, to)),
        any::<Index>().prop_map(Damage::DeleteLine),
        (any::<Index>(), prop::sample::select(values)).prop_map(|(at, v)| Damage::Value(at, v)),
    ]
}

impl Damage {
    fn apply(&self, text: &str) -> String {
        // Bytes, not characters: what is no longer UTF-8 is what a reader would show.
        let mut bytes = text.as_bytes().to_vec();
        let mut lines: Vec<&str> = text.lines().collect();
        let place = |index: &Index, len: usize| index.index(len.max(1)).min(len);
        match self {
            Self::Delete(at, n) => {
                let at = place(at, bytes.len());
                bytes.drain(at..(at + n).min(text.len()));
            }
            Self::Duplicate(at, n) => {
                let at = place(at, bytes.len());
                let piece = bytes[at..(at + n).min(text.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            Self::Replace(at, new) => {
                let at = place(at, bytes.len());
                bytes.splice(at..(at + 1).min(text.len()), new.bytes());
            }
            Self::MoveLine(from, to) if !lines.is_empty() => {
                let line = lines.remove(place(from, lines.len()));
                lines.insert(place(to, lines.len()), line);
                return lines.join("\n");
            }
            Self::DeleteLine(at) if !lines.is_empty() => {
                lines.remove(place(at, lines.len()));
                return lines.join("\n");
            }
            Self::Value(at, value) => {
                let assignments: Vec<usize> = text.match_indices(" = ").map(|(i, _)| i + 3).collect();
                if let Some(&start) = assignments.get(place(at, assignments.len())) {
                    let end = text[start..].find([',', '\n', '}']).map_or(text.len(), |n| start + n);
                    return format!("{}{value}{}", &text[..start], &text[end..]);
                }
            }
            Self::MoveLine(..) | Self::DeleteLine(..) => {}
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Whether the text was accepted; if not, its error must point into it.
fn points_inside<T>(text: &str, outcome: Result<T, ProtocolError>) -> Result<bool, TestCaseError> {
    let Err(error) = outcome else { return Ok(true) };
    let fault = error.fault().expect("a text was given, so nothing had to be read");
    let lines = text.strip_suffix('\n').unwrap_or(text).split('\n').count();
    prop_assert!((1..=lines).contains(&fault.line), "line {} of {lines}: {error}", fault.line);
    let line = text.split('\n').nth(fault.line - 1).expect("the line exists");
    prop_assert_eq!(fault.source_line.as_str(), line.trim_end_matches('\r'));
    prop_assert!((1..=line.chars().count() + 1).contains(&fault.column), "column {}: {error}", fault.column);
    let place = format!("f.toml:{}:{}: ", fault.line, fault.column);
    prop_assert!(error.to_string().starts_with(&place), "{}", error);
    Ok(false)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_files_never_panic(which in 0..3_usize, damages in prop::collection::vec(damage(), 1..4)) {
        let mut text = [THERMOSTAT, LISTEN, RIG][which].to_owned();
        for damage in &damages {
            text = damage.apply(&text);
        }
        if which == 2 {
            points_inside(&text, Rig::parse(&text, "f.toml"))?;
        } else if points_inside(&text, Protocol::parse(&text, "f.toml"))? {
            let protocol = Protocol::parse(&text, "f.toml").expect("parsed just now");
            // What passed can be scheduled, and every index points at something.
            prop_assert!(protocol.schedule(3).duration_s() > 0.0);
            prop_assert!(protocol.streams.len() <= protocol::MAX_STREAMS);
        }
    }

    #[test]
    fn any_text_never_panics(text in "\\PC*|[\\[\\]{}=.\"'\na-z0-9# -]{0,80}") {
        points_inside(&text, Protocol::parse(&text, "f.toml"))?;
        points_inside(&text, Rig::parse(&text, "f.toml"))?;
    }
}

/// A file cut anywhere is Ok or an error inside of it, and of the cuts inside the tables most are errors.
#[test]
fn a_file_cut_at_every_byte() {
    for text in [THERMOSTAT, LISTEN] {
        let mut refused = 0;
        for end in 0..text.len() {
            if let Some(cut) = text.get(..end) {
                let accepted =
                    points_inside(cut, Protocol::parse(cut, "f.toml")).unwrap_or_else(|e| panic!("{e}"));
                refused += usize::from(!accepted);
            }
        }
        assert!(refused > text.len() / 2, "{refused} of {}", text.len());
    }
}

/// Nesting deep enough to exhaust a stack is refused by the TOML parser, not by the operating system.
#[test]
fn deep_nesting_is_refused() {
    for (open, close) in [("[", "]"), ("{ a = ", "}")] {
        let text = format!("a = {}1{}", open.repeat(100_000), close.repeat(100_000));
        let error = Protocol::parse(&text, "f.toml").unwrap_err();
        assert_eq!(error.line(), Some(1));
        assert!(error.to_string().lines().all(|l| l.chars().count() < 400), "a message, not the whole line");
    }
}
