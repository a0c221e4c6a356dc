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
    let studied =
        studied(place.path(), session.meta.seed, &["target_moved", "others_moved", "open_loop_selectivity"]);
    let [moved, others] = ["target_moved", "others_moved"].map(|key| selected[key].as_f64().unwrap());
    assert_eq!(studied, [moved, others, selected["open_loop"]["selectivity"].as_f64().unwrap()]);
}

/// The same session as the only one of a study: these columns.
fn studied(folder: &Path, seed: u64, columns: &[&str]) -> Vec<f64> {
    let spec = folder.join("study.toml");
    let head = format!(
        "[study]\nname = \"one\"\ndescription = \"One session\"\nparticipants = [\"P31\"]\ntuning_seeds = [{seed}]\n\
         outcomes = {columns:?}\n"
    );
    let rest = "[[protocol]]\nname = \"short\"\nfile = \"one-hot.toml\"\ntuning_brains = [\"energy-several-1\"]\n\
                held_out_brains = [\"energy-several-2\"]\n[[arm]]\nname = \"closed loop\"\n";
    fs::write(&spec, head + rest).unwrap();
    let out = folder.join("study");
    run(["study", spec.to_str().unwrap(), "--out", out.to_str().unwrap()], 120.0).expect(0);
    let text = fs::read_to_string(out.join("study.json")).unwrap();
    let told: Value = serde_json::from_str(&text).unwrap();
    let value = |outcome: &Value| outcome["arms"][0]["by_group"][0]["value"].as_f64().unwrap();
    told["outcomes"].as_array().unwrap().iter().map(value).collect()
}

#[test]
fn a_short_hold_chooses_among_prepared_pictures_and_repeats() {
    let place = tempfile::tempdir().unwrap();
    let changes = [
        ("duration_s = 120.0", "duration_s = 27.0"),
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
    assert!(prepared.len() >= 4, "four, and what fills gaps");
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

/// Five seconds without samples: the screen goes grey, and the response is back among those of before within the decoder's
/// window and two seconds of the first sample that comes again.
#[test]
fn a_hold_is_back_after_a_drop_out_within_the_window_and_two_seconds() {
    const WINDOW_S: f64 = 4.0;
    let place = tempfile::tempdir().unwrap();
    let protocol = edited(
        place.path(),
        "hold.toml",
        &[
            ("duration_s = 120.0", "duration_s = 27.0"),
            ("probes = 20", "probes = 14"),
            ("steps = 40", "steps = 12"),
            ("pictures = 12", "pictures = 8"),
            ("presentations = 160", "presentations = 42"),
        ],
    );
    // One in the middle of a presentation, one at another phase of the loop.
    let person = place.path().join("loose.toml");
    let text =
        "name = \"loose\"\nbase = \"P31\"\n[effects.dropouts]\nat_s = [215.0, 244.3]\nduration_s = 5.0\n";
    fs::write(&person, text).unwrap();
    let out = place.path().join("out");
    let arguments =
        ["run", protocol.to_str().unwrap(), "--clock", "virtual", "--brain", "energy-1", "--json"];
    let more = ["--participant", person.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let summary = run([&arguments[..], &more].concat(), 120.0).expect(0).json();
    let session = RecordedSession::open(&session_folder(&summary)).unwrap();

    // Arrivals are ten times a second or more; what is missing is the drop-outs.
    let arrivals: Vec<i64> = session.chunks.iter().map(|chunk| chunk.arrival_ns).collect();
    let gaps: Vec<[i64; 2]> = arrivals
        .windows(2)
        .filter(|pair| pair[1] - pair[0] > 4_000_000_000)
        .map(|pair| [pair[0], pair[1]])
        .collect();
    assert_eq!(gaps.len(), 2, "{gaps:?}");
    let responses = |from_ns: i64, to_ns: i64| -> Vec<f64> {
        let within = session.latents.iter().filter(|latent| latent.at_ns >= from_ns && latent.at_ns < to_ns);
        within.map(|latent| latent.response_uv).collect()
    };
    for [lost_ns, back_ns] in gaps {
        // The band: presentations that were chosen before, from their steady part.
        let chosen = session.presentations.iter().filter(|shown| {
            let purpose =
                session.answers.iter().find(|answer| answer.picture == shown.picture).map(|a| a.purpose);
            shown.end_ns < lost_ns && shown.decision.is_some() && purpose == Some(Purpose::Prepared)
        });
        let steady = chosen.flat_map(|shown| responses(shown.begin_ns + 700_000_000, shown.end_ns));
        let (least, most) = steady.fold((f64::INFINITY, 0.0f64), |(a, b), uv| (a.min(uv), b.max(uv)));
        assert!(least > 0.0 && most < 10.0, "{least} {most}");
        let by_ns = back_ns + ((WINDOW_S + 2.0) * 1e9) as i64;
        let gone = responses(lost_ns + 2_500_000_000, back_ns);
        assert!(gone.iter().all(|uv| *uv < 0.05), "grey while nothing comes");
        let after = session.latents.iter().filter(|latent| latent.at_ns >= back_ns && latent.at_ns < by_ns);
        let first = after.clone().find(|latent| (least..=most).contains(&latent.response_uv));
        let first_s = first.map(|latent| (latent.at_ns - back_ns) as f64 / 1e9);
        println!(
            "band {least:.2} to {most:.2} uV, back in it after {first_s:.2?} s of {:.1}",
            WINDOW_S + 2.0
        );
        // And it stays: the first whole presentation does what those before did.
        let whole = session.presentations.iter().find(|shown| shown.begin_ns >= back_ns).unwrap();
        let steady_ns = whole.begin_ns + 700_000_000;
        let steady = responses(steady_ns, whole.end_ns);
        let mean_uv = steady.iter().sum::<f64>() / steady.len() as f64;
        let steady_s = (steady_ns - back_ns) as f64 / 1e9;
        println!("the next presentation does {mean_uv:.2} uV from {steady_s:.2} s on");
        assert!(first_s.is_some() && steady_ns <= by_ns, "{first_s:?} {steady_s}");
        assert!((least..=most).contains(&mean_uv), "{mean_uv} outside {least} to {most}");
    }
    let lost = session.presentations.iter().filter(|shown| shown.decision.is_none()).count();
    assert!((1..=4).contains(&lost), "presentations that a drop-out cut are not measured: {lost}");
}
