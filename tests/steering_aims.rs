//! The other aims of the inception loop as commands: short sessions of `one-hot`, `suppress` and `hold`, that they repeat, and
//! what is refused.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use recording::RecordedSession;
use serde_json::Value;
use support::*;
use timeline::{NoticeKind, Purpose};

/// A shipped protocol with some texts replaced.
fn edited(folder: &Path, name: &str, changes: &[(&str, &str)]) -> PathBuf {
    let text = fs::read_to_string(root().join("protocols").join(name)).unwrap();
    let text = changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "protocols/{name} has no `{from}` any more");
        text.replace(from, to)
    });
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

const SHORT: [(&str, &str); 5] = [
    ("duration_s = 45.0", "duration_s = 27.0"),
    ("probes = 24", "probes = 4"),
    ("steps = 40", "steps = 4"),
    ("localisers = 10", "localisers = 3"),
    ("presentations = 200", "presentations = 22"),
];

fn session(protocol: &Path, brain: &str) -> (Value, PathBuf) {
    let out = protocol.with_extension("out");
    let arguments = [
        "run",
        protocol.to_str().unwrap(),
        "--clock",
        "virtual",
        "--participant",
        "P31",
        "--brain",
        brain,
        "--out",
        out.to_str().unwrap(),
        "--json",
    ];
    let summary = run(arguments, 120.0).expect(0).json();
    let folder = session_folder(&summary);
    (summary, folder)
}

#[test]
fn a_short_one_hot_has_its_parts_and_repeats() {
    let place = tempfile::tempdir().unwrap();
    let protocol = edited(place.path(), "one-hot.toml", &SHORT);
    let (summary, folder) = session(&protocol, "energy-several-1");
    assert_eq!(summary["presentations"], 22, "{summary}");
    let selected = &summary["steered"]["selected"];
    assert_eq!(selected["target"], "left", "{summary}");
    let names: Vec<&str> =
        selected["populations"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["left", "right", "lower"]);
    for population in selected["populations"].as_array().unwrap() {
        let number = |key: &str| population[key].as_f64().unwrap();
        assert!((number("end") / number("baseline") - 1.0 - number("change")).abs() < 1e-9, "{selected}");
        assert!(population["measured_change"].is_f64(), "{selected}");
    }
    assert!(selected["selectivity"].is_f64() && selected["open_loop"]["selectivity"].is_f64(), "{selected}");

    let session = RecordedSession::open(&folder).unwrap();
    let count = |purpose| session.answers.iter().filter(|answer| answer.purpose == purpose).count();
    assert_eq!(count(Purpose::Localiser), 9, "three of each of three populations");
    assert!(count(Purpose::Reference) >= 3, "every fourth of what follows");
    assert_eq!(count(Purpose::ProbeNatural) + count(Purpose::ProbeGabor), 4);
    let measured = session.requests.iter().filter(|request| request.amplitudes[0][0].is_finite()).count();
    assert!(measured >= 18, "{measured}");
    // Where another population sees, a proposal is the reference, texel by texel.
    let first = |purpose| session.answers.iter().find(|answer| answer.purpose == purpose).unwrap().picture;
    let (reference, proposal) = (first(Purpose::Reference) as usize, first(Purpose::Exploit) as usize);
    let off = |centre_deg: f64| -> f64 {
        let near = |at: usize| {
            let along = |index: usize| (index as f64 - 23.5) / 5.0;
            (along(at % 48) - centre_deg).hypot(along(at / 48)) < 1.3
        };
        let parts = session.pictures[reference].iter().zip(&session.pictures[proposal]).enumerate();
        parts.filter(|(at, _)| near(*at)).map(|(_, (a, b))| f64::from(a - b).powi(2)).sum()
    };
    assert!(off(2.6) < 0.05 * off(-2.6), "{} {}", off(2.6), off(-2.6));
    replays(&folder);
}

#[test]
fn a_short_hold_chooses_among_prepared_pictures_and_repeats() {
    let place = tempfile::tempdir().unwrap();
    let changes = [
        ("duration_s = 45.0", "duration_s = 27.0"),
        ("probes = 20", "probes = 6"),
        ("steps = 40", "steps = 4"),
        ("pictures = 12", "pictures = 4"),
        ("presentations = 160", "presentations = 16"),
    ];
    let protocol = edited(place.path(), "hold.toml", &changes);
    let (summary, folder) = session(&protocol, "energy-1");
    let kept = &summary["steered"]["kept"];
    assert_eq!((&summary["presentations"], &kept["presentations"]), (&16.into(), &6.into()), "{summary}");
    let latent = |key: &str| kept["latent"][key].as_f64().unwrap();
    let ratio = latent("error_uv") / latent("nominal_open_loop_uv");
    assert!((ratio - latent("of_nominal")).abs() < 1e-9 && latent("calibrated_open_loop_uv") > 0.0, "{kept}");
    assert!(summary["normalised_gain"].is_null(), "nothing is driven: {summary}");
    let session = RecordedSession::open(&folder).unwrap();
    let prepared: Vec<u64> = session
        .answers
        .iter()
        .filter(|answer| answer.purpose == Purpose::Exploit)
        .map(|answer| answer.hash)
        .collect();
    assert_eq!(prepared.len(), 4);
    let mut chosen = session.answers.iter().filter(|answer| answer.purpose == Purpose::Prepared);
    assert!(chosen.all(|answer| prepared.contains(&answer.hash)), "only what was prepared is shown");
    replays(&folder);

    // A set point that no picture reaches is told with numbers, and the session goes on.
    let far = [&changes[..], &[("set_point_uv = 1.0", "set_point_uv = 30.0")]].concat();
    let (summary, folder) = self::session(&edited(place.path(), "hold.toml", &far), "energy-1");
    assert_eq!(summary["exit"], "finished");
    let session = RecordedSession::open(&folder).unwrap();
    let told = session.notices.iter().find(|notice| notice.kind == NoticeKind::OutOfReach).unwrap();
    assert!(told.count == 30_000 && told.value < 20.0, "{told:?}");
}

#[test]
fn suppress_without_populations_tells_the_one_response() {
    let place = tempfile::tempdir().unwrap();
    let protocol = edited(
        place.path(),
        "suppress.toml",
        &[
            ("duration_s = 45.0", "duration_s = 27.0"),
            ("probes = 24", "probes = 6"),
            ("steps = 40", "steps = 4"),
            ("presentations = 200", "presentations = 10"),
        ],
    );
    let text = fs::read_to_string(&protocol).unwrap();
    let (from, to) = (text.find("\n[planner.selective]").unwrap(), text.find("\n[[block]]").unwrap());
    fs::write(&protocol, [&text[..from], &text[to..]].concat()).unwrap();
    let (summary, _) = session(&protocol, "energy-1");
    let response = &summary["steered"]["selected"]["populations"][0];
    assert_eq!(response["name"], "response", "{summary}");
    assert!(response["baseline"].as_f64().unwrap() > 0.0 && response["change"].is_f64(), "{summary}");
}

#[test]
fn aims_that_cannot_be_are_refused_with_names_and_numbers() {
    let place = tempfile::tempdir().unwrap();
    let refused = |name: &str, changes: &[(&str, &str)], more: &[&str], says: &[&str]| {
        let protocol = edited(place.path(), name, changes);
        let out = place.path().join("none");
        let mut arguments =
            vec!["run", protocol.to_str().unwrap(), "--clock", "virtual", "--participant", "P31"];
        arguments.extend(["--out", out.to_str().unwrap()]);
        arguments.extend(more);
        run(&arguments, 60.0).expect(2).says(says);
    };
    let several = ["--brain", "energy-several-1"];
    refused(
        "one-hot.toml",
        &[("target = \"left\"", "target = \"lft\"")],
        &several,
        &["\"lft\"", "left", "lower"],
    );
    refused(
        "one-hot.toml",
        &[("population.lower]", "population.upper]")],
        &several,
        &["\"upper\"", "left, right, lower"],
    );
    refused(
        "one-hot.toml",
        &[],
        &["--brain", "energy-1"],
        &["energy-1 has 1 population", "energy-several-1"],
    );
    refused("one-hot.toml", &[], &[], &["--brain", "1 population"]);
    refused("one-hot.toml", &[("[-2.6, 0.0]", "[-4.6, 0.0]")], &several, &["left", "4.60 deg", "3.80 deg"]);
    refused("one-hot.toml", &[("tolerance = 0.1", "tolerance = 0.0")], &several, &["tolerance", "above 0"]);
    refused("one-hot.toml", &[("aim = \"one-hot\"", "aim = \"drive\"")], &several, &["selective", "one-hot"]);
    refused("hold.toml", &[("[planner.hold]", "[planner.held]")], &[], &["held"]);
    refused("hold.toml", &[("pictures = 12", "pictures = 3")], &[], &["pictures", "from 4"]);
    refused("hold.toml", &[("set_point_uv = 1.0", "set_point_uv = 0.0")], &[], &["set_point_uv", "above 0"]);
    refused("hold.toml", &[("aim = \"hold\"", "aim = \"suppress\"")], &[], &["hold", "set point"]);
}
