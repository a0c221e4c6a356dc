//! Both ends in one process: what is pushed comes out, equal to the bit.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use lsl::{
    ChannelFormat, ConfigureError, Inlet, InletOptions, Lsl, LslError, Outlet, OutletOptions, Resolver,
    Scope, StreamInfo, StreamSpec,
};

const DEADLINE_S: f64 = 15.0;

/// liblsl, in a session of this process's own; `None` (with the reason printed) where it is not installed.
fn library() -> Option<Lsl> {
    static LIBRARY: OnceLock<Option<Lsl>> = OnceLock::new();
    let load = || {
        let set_up = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../.setup/lsl");
        match Lsl::load(&[set_up]) {
            Ok(lsl) => {
                let session = format!("photic-test-lsl-{}", std::process::id());
                lsl.configure(Scope::Machine, Some(&session)).expect("the first configuration");
                Some(lsl)
            }
            Err(error) => {
                assert!(std::env::var_os("CI").is_none(), "{error}");
                eprintln!("skipped: {error}");
                None
            }
        }
    };
    LIBRARY.get_or_init(load).clone()
}

fn spec(name: &str, channel_count: usize, rate_hz: f64, format: ChannelFormat) -> StreamSpec<'_> {
    StreamSpec { name, stream_type: "Test", channel_count, rate_hz, format, source_id: name }
}

fn resolve(lsl: &Lsl, name: &str) -> StreamInfo {
    let resolver = Resolver::new(lsl, 5.0).expect("sockets");
    let give_up_s = lsl.local_clock_s() + DEADLINE_S;
    loop {
        let found = resolver.results().expect("a list").into_iter().find(|info| info.name() == name);
        if let Some(info) = found {
            return info;
        }
        assert!(lsl.local_clock_s() < give_up_s, "`{name}` did not show within {DEADLINE_S} s");
        thread::sleep(Duration::from_millis(10));
    }
}

fn pair(lsl: &Lsl, spec: &StreamSpec<'_>) -> (Outlet, Inlet) {
    let info = StreamInfo::new(lsl, spec).expect("a description");
    let outlet = Outlet::new(lsl, &info, &OutletOptions::default()).expect("an outlet");
    let mut inlet = Inlet::new(lsl, &resolve(lsl, spec.name), &InletOptions::default()).expect("an inlet");
    inlet.open(DEADLINE_S).expect("a subscription");
    assert!(outlet.wait_for_consumers(DEADLINE_S));
    (outlet, inlet)
}

fn pull_all(lsl: &Lsl, inlet: &mut Inlet, count: usize) -> (Vec<f64>, Vec<f64>) {
    let channels = inlet.channel_count();
    let (mut stamps, mut values) = (Vec::new(), Vec::new());
    let (mut some_stamps, mut some_values) = (vec![0.0; 64], vec![0.0; 64 * channels]);
    let give_up_s = lsl.local_clock_s() + DEADLINE_S;
    while stamps.len() < count {
        let pulled = inlet.pull_f64(&mut some_stamps, &mut some_values, 0.2).expect("samples");
        stamps.extend_from_slice(&some_stamps[..pulled]);
        values.extend_from_slice(&some_values[..pulled * channels]);
        assert!(lsl.local_clock_s() < give_up_s, "{} of {count} samples in time", stamps.len());
    }
    (stamps, values)
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn doubles_and_stamps_come_out_equal_to_the_bit() {
    let Some(lsl) = library() else { return };
    let (mut outlet, mut inlet) = pair(&lsl, &spec("doubles", 3, 500.0, ChannelFormat::Double64));
    let start_s = lsl.local_clock_s();
    // Irregular stamps on purpose: the library must neither guess nor smooth them.
    let stamps: Vec<f64> =
        (0..1000).map(|i| start_s + f64::from(i) * 0.002 + f64::from(i % 7) * 1e-5).collect();
    let values: Vec<f64> = (0..3000)
        .map(|i| match i {
            17 => f64::NAN,
            18 => f64::INFINITY,
            19 => -0.0,
            20 => f64::MIN_POSITIVE / 8.0,
            i => f64::from(i).sin() * 1e-5,
        })
        .collect();
    for (stamps, values) in stamps.chunks(37).zip(values.chunks(37 * 3)) {
        outlet.push_f64(stamps, values).expect("room");
    }
    let (got_stamps, got_values) = pull_all(&lsl, &mut inlet, 1000);
    assert_eq!(bits(&got_stamps), bits(&stamps));
    assert_eq!(bits(&got_values), bits(&values));
}

#[test]
fn floats_come_out_equal_to_the_bit() {
    let Some(lsl) = library() else { return };
    let (mut outlet, mut inlet) = pair(&lsl, &spec("floats", 2, 250.0, ChannelFormat::Float32));
    let stamps: Vec<f64> = (1..=100).map(|i| lsl.local_clock_s() + f64::from(i)).collect();
    let values: Vec<f32> = (0..200u16).map(|i| (f32::from(i) * 0.3).sin()).collect();
    outlet.push_f32(&stamps, &values).expect("room");
    let (mut got_stamps, mut got_values) = (vec![0.0; 100], vec![0.0f32; 200]);
    let mut count = 0;
    let give_up_s = lsl.local_clock_s() + DEADLINE_S;
    while count < 100 {
        let (stamps, values) = (&mut got_stamps[count..], &mut got_values[2 * count..]);
        count += inlet.pull_f32(stamps, values, 0.2).expect("samples");
        assert!(lsl.local_clock_s() < give_up_s, "{count} of 100 samples in time");
    }
    assert_eq!(bits(&got_stamps), bits(&stamps));
    assert!(got_values.iter().zip(&values).all(|(got, sent)| got.to_bits() == sent.to_bits()));
}

#[test]
fn texts_come_out_as_they_are() {
    let Some(lsl) = library() else { return };
    let (mut outlet, mut inlet) = pair(&lsl, &spec("texts", 2, 0.0, ChannelFormat::String));
    let texts = ["cue_13", "", "Gr\u{fc}\u{df}e \u{1f9e0}", "with\0nul", "<&>"];
    assert_eq!(inlet.pull_text(0.01).expect("no error"), None, "nothing was sent yet");
    for (i, text) in texts.iter().enumerate() {
        outlet.push_text(10.0 + i as f64, &[text, "second"]).expect("room");
    }
    for (i, text) in texts.iter().enumerate() {
        let sample = inlet.pull_text(DEADLINE_S).expect("no error").expect("in time");
        assert_eq!(sample.stamp_s, 10.0 + i as f64);
        assert_eq!(sample.values, [*text, "second"]);
    }
}

#[test]
fn a_pull_returns_with_the_first_sample_and_takes_what_waits() {
    let Some(lsl) = library() else { return };
    let (mut outlet, mut inlet) = pair(&lsl, &spec("prompt", 1, 100.0, ChannelFormat::Double64));
    let (mut stamps, mut values) = (vec![0.0; 64], vec![0.0; 64]);
    let before_s = lsl.local_clock_s();
    assert_eq!(inlet.pull_f64(&mut stamps, &mut values, 0.05).expect("no error"), 0);
    let waited_s = lsl.local_clock_s() - before_s;
    assert!((0.045..DEADLINE_S).contains(&waited_s), "an empty stream was waited for {waited_s} s");

    // The buffer has room for 64 and the timeout is far away: five samples must come at once all the same.
    let sender = thread::Builder::new().name("sender".to_owned()).spawn(move || {
        thread::sleep(Duration::from_millis(100));
        outlet.push_f64(&[1.0, 2.0, 3.0, 4.0, 5.0], &[0.0; 5]).expect("room");
        outlet
    });
    let before_s = lsl.local_clock_s();
    let mut count = 0;
    while count < 5 {
        let pulled = inlet.pull_f64(&mut stamps[count..], &mut values[count..], 10.0).expect("no error");
        assert!(pulled > 0, "nothing within 10 s");
        count += pulled;
    }
    assert!(lsl.local_clock_s() - before_s < 5.0, "the pull waited for a full buffer");
    drop(sender.expect("a thread").join());
}

#[test]
fn the_description_travels_whole() {
    let Some(lsl) = library() else { return };
    let info =
        StreamInfo::new(&lsl, &spec("described", 2, 250.0, ChannelFormat::Float32)).expect("a description");
    let channels = info.desc().append("channels").expect("a node");
    for label in ["O<z", "\u{b5}V & more"] {
        channels.append("channel").expect("a node").append_text("label", label).expect("a text");
    }
    let outlet = Outlet::new(&lsl, &info, &OutletOptions::default()).expect("an outlet");
    let short = resolve(&lsl, "described");
    assert_eq!(short.desc().all_children().count(), 0, "a look around brings no desc");

    let inlet =
        Inlet::new(&lsl, &short.try_clone().expect("a copy"), &InletOptions::default()).expect("an inlet");
    let full = inlet.info();
    let channels = full.desc().child("channels").expect("they were sent");
    let labels: Vec<_> = channels.children("channel").map(|channel| channel.child_text("label")).collect();
    assert_eq!(labels, ["O<z", "\u{b5}V & more"]);
    assert_eq!(full.desc().all_children().map(|child| child.name()).collect::<Vec<_>>(), ["channels"]);
    assert!(full.desc().child("nothing").is_none());
    assert_eq!((full.channel_count(), full.rate_hz()), (2, 250.0));
    assert_eq!(full.format(), Some(ChannelFormat::Float32));
    assert_eq!((full.stream_type(), full.source_id()), ("Test".to_owned(), "described".to_owned()));
    assert!(full.session_id().starts_with("photic-test-lsl-"));
    assert!(!full.hostname().is_empty() && !full.uid().is_empty());
    assert!(full.created_at_s() > 0.0 && full.created_at_s() <= lsl.local_clock_s());
    assert!(full.xml().contains("<label>O&lt;z</label>"), "{}", full.xml());
    drop(outlet);
}

#[test]
fn one_host_has_one_clock() {
    let Some(lsl) = library() else { return };
    let (_outlet, inlet) = pair(&lsl, &spec("clock", 1, 100.0, ChannelFormat::Double64));
    let measured = inlet.clock().measure(DEADLINE_S).expect("an answer in time");
    assert!(measured.offset_s.abs() < 0.02, "{measured:?}");
    assert!(measured.uncertainty_s >= 0.0 && measured.uncertainty_s < 0.2, "{measured:?}");
    assert!((measured.remote_s - lsl.local_clock_s()).abs() < DEADLINE_S, "{measured:?}");
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let Some(lsl) = library() else { return };
    let info =
        StreamInfo::new(&lsl, &spec("refusing", 2, 100.0, ChannelFormat::Double64)).expect("a description");
    let mut outlet = Outlet::new(&lsl, &info, &OutletOptions::default()).expect("an outlet");
    let shape = LslError::Shape { values: 3, samples: 2, channels: 2 };
    assert_eq!(outlet.push_f64(&[1.0, 2.0], &[0.0; 3]), Err(shape));
    for stamp_s in [0.0, -1.0, f64::INFINITY] {
        assert_eq!(outlet.push_f64(&[stamp_s], &[0.0; 2]), Err(LslError::Stamp(stamp_s)));
    }
    assert_eq!(outlet.push_f64(&[], &[]), Ok(()));
    let nul = StreamInfo::new(&lsl, &spec("a\0b", 1, 0.0, ChannelFormat::String));
    assert!(matches!(nul, Err(LslError::Nul(_))));
    let none = StreamInfo::new(&lsl, &spec("none", 0, 0.0, ChannelFormat::String));
    assert!(matches!(none, Err(LslError::ChannelCount(0))));
}

#[test]
fn the_configuration_holds_for_the_process() {
    let Some(lsl) = library() else { return };
    let session = format!("photic-test-lsl-{}", std::process::id());
    assert_eq!(lsl.configure(Scope::Machine, Some(&session)), Ok(()), "the same again does no harm");
    assert_eq!(lsl.configure(Scope::Machine, None), Err(ConfigureError::Already));
    let quoted = ConfigureError::SessionId("x' or '1'='1".to_owned());
    assert_eq!(lsl.configure(Scope::Machine, Some("x' or '1'='1")), Err(quoted));
    assert!(lsl.version() >= (1, 16), "{:?}", lsl.version());
    assert!(!lsl.build_info().is_empty());
}

#[test]
fn a_lost_source_without_recovery_is_an_error_and_with_recovery_silence() {
    let Some(lsl) = library() else { return };
    let info =
        StreamInfo::new(&lsl, &spec("dying", 1, 100.0, ChannelFormat::Double64)).expect("a description");
    let mut outlet = Outlet::new(&lsl, &info, &OutletOptions::default()).expect("an outlet");
    let seen = resolve(&lsl, "dying");
    let mut inlets = [false, true].map(|recover| {
        let options = InletOptions { recover, ..InletOptions::default() };
        let mut inlet = Inlet::new(&lsl, &seen, &options).expect("an inlet");
        inlet.open(DEADLINE_S).expect("a subscription");
        inlet
    });
    outlet.push_f64(&[1.0], &[0.5]).expect("room");
    for inlet in &mut inlets {
        assert_eq!(pull_all(&lsl, inlet, 1).1, [0.5]);
    }
    drop(outlet);
    let [plain, patient] = &mut inlets;
    let give_up_s = lsl.local_clock_s() + DEADLINE_S;
    let (mut stamps, mut values) = ([0.0], [0.0]);
    loop {
        match plain.pull_f64(&mut stamps, &mut values, 0.1) {
            Ok(0) => assert!(lsl.local_clock_s() < give_up_s, "the loss did not show in time"),
            Err(LslError::Lost { .. }) => break,
            other => panic!("neither silence nor loss: {other:?}"),
        }
    }
    assert_eq!(patient.pull_f64(&mut stamps, &mut values, 0.1), Ok(0));
}
