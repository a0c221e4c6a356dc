//! State-dependent onset on the simulated participant's alpha: phases reached over signal-to-noise ratio and lead, chance
//! where nothing is waited for, the same onsets whatever the chunks, and Python's word on the phases of a whole session.
//!
//! Signal-to-noise ratio: power of alpha over the power of everything else in the signal, both behind the same band-pass of
//! 8 to 13 Hz. Alpha's half width is 1 Hz: an ideal estimator with full knowledge of the past would then forecast phases 66
//! ms ahead with a mean resultant length of 0.54 (closed form, below); what is above that is won by waiting for moments at
//! which the forecast is sure.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod support;

use std::f64::consts::{FRAC_PI_4, PI, TAU};

use closedloop::{
    BlockKind, BlockPlan, FlashPlan, Inputs, InterlockPlan, Loop, OnsetPlan, OnsetRule, Otherwise, Outputs,
    PhaseRule, Plan, SourceInput, SourcePlan,
};
use participant::{Flicker, FlickerKind, OCCIPITAL, Participant, Setup, Waveform, nominal};
use photic::cli::RunArgs;
use photic::phases::Circular;
use photic::run::simulated::virtual_args;
use signal::Cascade;
use timeline::{Flip, NoticeKind, Onset, OnsetClass, OnsetOutcome, SceneId, SourceId, ns_from_s};

const S: i64 = 1_000_000_000;
const RATE_HZ: f64 = 250.0;
const REFRESH_HZ: f64 = 60.0;
const BAND_HZ: [f64; 2] = [8.0, 13.0];
const HALF_WIDTH_HZ: f64 = 1.0;
const CHANNELS: usize = OCCIPITAL.len();
/// PO3, POz, PO4, O1, Oz, O2.
const WEIGHTS: [f64; CHANNELS] = [0.0, 1.0 / 6.0, 1.0 / 6.0, 1.0 / 6.0, 0.0, 1.0 / 6.0, 1.0 / 6.0, 1.0 / 6.0];
const REST_S: i64 = 42;

/// Minutes of EEG with nothing to see, and the true alpha in the weighted sum of its channels.
struct Sitting {
    samples: Vec<[f64; CHANNELS]>,
    alpha: Vec<[f64; 2]>,
}

impl Sitting {
    /// With alpha of that root mean square at POz.
    fn of(alpha_uv: f64, seconds: f64, seed: u64) -> Self {
        let mut person = nominal().clone();
        (person.alpha_uv, person.alpha_half_width_hz, person.alpha_hz) = (alpha_uv, HALF_WIDTH_HZ, 10.3);
        let setup = Setup {
            rate_hz: RATE_HZ,
            channels: OCCIPITAL.map(str::to_owned).to_vec(),
            retina_width: 16,
            retina_height: 16,
            cells_per_deg: 4.0,
            cells_per_cycle: 4.0,
            pixels_per_cell: 8,
            refresh_hz: REFRESH_HZ,
            flicker: Flicker { kind: FlickerKind::Counterphase, hz: 7.5, waveform: Waveform::Sine },
            seed,
        };
        let mut participant = Participant::prepare(&person, &setup).unwrap();
        let (mut samples, mut alpha) = (Vec::new(), Vec::new());
        for n in 0..(seconds * RATE_HZ) as i64 {
            let mut row = [0.0; CHANNELS];
            participant.sample(S + n * 4_000_000, &mut row);
            samples.push(row);
            alpha.push(participant.true_alpha_uv(&WEIGHTS));
        }
        Self { samples, alpha }
    }

    /// At that signal-to-noise ratio: alpha is one factor of the signal, so one trial tells the scale.
    fn at(snr_db: f64, seconds: f64, seed: u64) -> Self {
        let trial_db = Self::of(10.0, 120.0, seed).snr_db();
        Self::of(10.0 * 10f64.powf((snr_db - trial_db) / 20.0), seconds, seed)
    }

    fn snr_db(&self) -> f64 {
        let mut filter = Cascade::bandpass(4, BAND_HZ, RATE_HZ, 2).unwrap();
        let mut power = [0.0; 2];
        for (row, alpha) in self.samples.iter().zip(&self.alpha) {
            let sum: f64 = row.iter().zip(WEIGHTS).map(|(value, weight)| value * weight).sum();
            let mut both = [alpha[0], sum - alpha[0]];
            filter.step(&mut both);
            power = [power[0] + both[0] * both[0], power[1] + both[1] * both[1]];
        }
        10.0 * (power[0] / power[1]).log10()
    }

    /// True phase at an instant, between the samples on both sides.
    fn phase_rad(&self, at_ns: i64) -> f64 {
        let place = (at_ns - S) as f64 / 4e6;
        let (before, part) = (place.floor() as usize, place.fract());
        let (a, b) = (self.alpha[before], self.alpha[before + 1]);
        (a[1] + part * (b[1] - a[1])).atan2(a[0] + part * (b[0] - a[0]))
    }
}

fn plan(lead_s: f64, rule: OnsetRule, seconds: i64) -> Plan {
    let flash = FlashPlan {
        scene: SceneId(1),
        contrast: 0.8,
        ramp_ns: 0,
        on_ns: S / 10,
        gap_ns: S * 4 / 10,
        count: 100_000,
        rule,
    };
    let block = |seconds, kind| BlockPlan { duration_ns: seconds * S, kind };
    Plan {
        refresh_hz: REFRESH_HZ,
        grey_ramp_ns: S / 2,
        sources: vec![SourcePlan {
            channels: CHANNELS,
            rate_hz: RATE_HZ,
            time_scale: 1.0,
            stale_after_ns: 3 * S / 10,
            grey_after_ns: S,
            is_marker: false,
        }],
        blocks: vec![block(REST_S, BlockKind::Rest), block(seconds - REST_S - 2, BlockKind::Flash(flash))],
        decoder: None,
        controller: None,
        onset: Some(OnsetPlan {
            source: SourceId(0),
            weights: WEIGHTS.to_vec(),
            band_hz: BAND_HZ,
            mains_hz: 50.0,
            lead_ns: ns_from_s(lead_s),
            baseline_s: 40.0,
            power_window_s: 0.5,
            eyes: None,
        }),
        interlock: InterlockPlan::FAULTS,
        artefacts: None,
        outside: None,
        feed: None,
        flow: closedloop::FlowPlan::default(),
    }
}

fn phase(wanted_rad: f64) -> OnsetRule {
    OnsetRule {
        phase: Some(PhaseRule { wanted_rad, tolerance_rad: PI / 6.0, resultant_min: 0.75 }),
        timeout_ns: 60 * S,
        otherwise: Otherwise::Skip,
        ..OnsetRule::FREE
    }
}

/// Runs the loop over a sitting with chunks as `chunk` gives them, 2 ms after their last sample; what it planned, and how
/// many plans came too late.
fn run(sitting: &Sitting, plan: &Plan, mut chunk: impl FnMut() -> usize) -> (Vec<Onset>, usize) {
    let mut looped = Loop::prepare(plan).unwrap();
    let mut out = Outputs::default();
    let (mut onsets, mut late) = (Vec::new(), 0);
    let (mut turn, mut first, mut frame) = (0, 0, 0_u64);
    let mut count = chunk();
    let onset_of = |frame: u64| S + (frame as f64 * 1e9 / REFRESH_HZ).round() as i64;
    let mut at_ns = Vec::new();
    let mut values = Vec::new();
    while first + count <= sitting.samples.len() {
        at_ns.clear();
        values.clear();
        let chunk_ns = S + (first + count - 1) as i64 * 4_000_000 + 2_000_000;
        let now_ns = chunk_ns.min(onset_of(frame));
        let mut flips = Vec::new();
        if now_ns == onset_of(frame) {
            flips.push(Flip {
                frame,
                onset_ns: now_ns,
                class: OnsetClass::Simulated,
                submitted_ns: now_ns,
                command: None,
                scene: SceneId::GREY,
                contrast: 0.0,
                missed: 0,
                late: 0,
                replaces: false,
                gaze: None,
                veil: 1.0,
            });
            frame += 1;
        }
        let first_sample = first as u64;
        if now_ns == chunk_ns {
            at_ns.extend((first..first + count).map(|n| S + n as i64 * 4_000_000));
            values.extend(sitting.samples[first..first + count].iter().flatten());
            first += count;
            count = chunk();
        }
        let source = SourceInput { skipped: 0, first_sample, at_ns: &at_ns, values: &values };
        let inputs = Inputs { turn, now_ns, flips: &flips, sources: &[source], ..Inputs::default() };
        looped.step(&inputs, &mut out);
        turn += 1;
        onsets.extend(out.onsets.iter().copied());
        late += out.notices.iter().filter(|notice| notice.kind == NoticeKind::OnsetLate).count();
    }
    (onsets, late)
}

/// Angles of the true phase from the wanted one, at the photons of those that were shown.
fn off_rad(sitting: &Sitting, onsets: &[Onset]) -> Vec<f64> {
    let shown = onsets.iter().filter(|onset| onset.outcome.is_shown());
    shown.map(|onset| sitting.phase_rad(onset.photon_ns) - onset.wanted_rad.unwrap_or(0.0)).collect()
}

/// Mean resultant length of the phase of a rotation that forgets itself, forecast from its whole past (Goodman 1985,
/// Statistical Optics, 2.9: phase difference of two complex Gaussians of that coherence).
fn ideal(ahead_s: f64) -> f64 {
    let square = (-2.0 * TAU * HALF_WIDTH_HZ * ahead_s).exp();
    // 2F1(1/2, 1/2; 2; square) by its series.
    let (mut sum, mut term) = (0.0, 1.0);
    for k in 0..60 {
        sum += term;
        let k = f64::from(k);
        term *= (0.5 + k) * (0.5 + k) / ((2.0 + k) * (1.0 + k)) * square;
    }
    FRAC_PI_4 * square.sqrt() * sum
}

#[test]
fn wanted_phases_are_met_and_chance_is_chance() {
    const SECONDS: f64 = 400.0;
    println!("   SNR    lead  ideal, no wait   R reached     n  median wait");
    for snr_db in [0.0, 5.0, 10.0, 15.0] {
        let sitting = Sitting::at(snr_db, SECONDS, 5);
        assert!((sitting.snr_db() - snr_db).abs() < 0.7, "{:.1} dB", sitting.snr_db());
        // A lead covers the age of a chunk's oldest sample, 2 ms of transport and two refreshes.
        for (lead_s, chunk) in [(0.036, 1), (0.066, 8), (0.098, 16)] {
            let mut all = Vec::new();
            let mut waited_ns = Vec::new();
            for wanted_rad in [0.0, PI] {
                let (onsets, late) =
                    run(&sitting, &plan(lead_s, phase(wanted_rad), SECONDS as i64), || chunk);
                assert_eq!(late, 0, "a lead of {lead_s} s does not cover chunks of {chunk}");
                let met = onsets.iter().filter(|onset| onset.outcome == OnsetOutcome::Met);
                waited_ns.extend(met.map(|onset| onset.waited_ns));
                all.extend(off_rad(&sitting, &onsets));
            }
            waited_ns.sort_unstable();
            let found = Circular::of(&all);
            let (n, resultant) = found.map_or((0, f64::NAN), |found| (found.n, found.resultant));
            println!(
                "{snr_db:3.0} dB {:4.0} ms {:15.2} {resultant:11.2} {n:5} {:8.1} s",
                1e3 * lead_s,
                ideal(lead_s),
                waited_ns.get(waited_ns.len() / 2).map_or(f64::NAN, |&ns| ns as f64 / 1e9),
            );
            if snr_db >= 10.0 && lead_s < 0.09 {
                let found = found.unwrap();
                assert!(found.n >= 20 && found.resultant >= 0.7, "{found:?}");
                assert!(found.mean_deg < 20.0 || found.mean_deg > 340.0, "{found:?}");
            }
        }
        let (onsets, _) = run(&sitting, &plan(0.066, OnsetRule::FREE, SECONDS as i64), || 8);
        let found = Circular::of(&off_rad(&sitting, &onsets)).unwrap();
        println!("{snr_db:3.0} dB  nothing waited for {:17.2} {:5}", found.resultant, found.n);
        assert!(found.n > 500 && found.resultant < 0.12 && found.rayleigh_p > 1e-3, "{found:?}");
        assert!(onsets.iter().all(|onset| onset.outcome == OnsetOutcome::Free));
    }
}

#[test]
fn chunks_change_no_onset() {
    let sitting = Sitting::at(10.0, 150.0, 9);
    let plan = plan(0.07, phase(PI), 150);
    let (whole, late) = run(&sitting, &plan, || 8);
    assert!(whole.len() > 8 && late == 0, "{} onsets, {late} late", whole.len());
    let mut seed = 1_u64;
    let mut any = move || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        1 + (seed >> 33) as usize % 9
    };
    for cut in 0..4 {
        let (other, _) =
            if cut < 3 { run(&sitting, &plan, || [1, 3, 5][cut]) } else { run(&sitting, &plan, &mut any) };
        assert_eq!(whole.len(), other.len());
        for (a, b) in whole.iter().zip(&other) {
            assert_eq!((a.end_sample, a.outcome), (b.end_sample, b.outcome));
            // The line of refreshes had seen other flips.
            assert!((a.photon_ns - b.photon_ns).abs() < 1000, "{a:?} {b:?}");
            assert!((a.phase_rad - b.phase_rad).abs() < 1e-3 && (a.resultant - b.resultant).abs() < 1e-3);
        }
    }
}

#[test]
fn power_is_waited_for_and_time_outs_keep_their_word() {
    let sitting = Sitting::at(10.0, 120.0, 3);
    let strong =
        OnsetRule { power_min: Some(1.5), timeout_ns: 5 * S, otherwise: Otherwise::Go, ..OnsetRule::FREE };
    let (onsets, _) = run(&sitting, &plan(0.066, strong, 120), || 8);
    let met: Vec<&Onset> = onsets.iter().filter(|onset| onset.outcome == OnsetOutcome::Met).collect();
    assert!(met.len() > 5 && met.iter().all(|onset| onset.power >= 1.5), "{} met", met.len());
    let timed_out = |onset: &&Onset| onset.outcome == OnsetOutcome::TimedOut;
    assert!(onsets.iter().filter(timed_out).all(|onset| (5 * S..5 * S + S / 10).contains(&onset.waited_ns)));
    // Twenty times the usual power never comes.
    for (otherwise, outcome) in
        [(Otherwise::Go, OnsetOutcome::TimedOut), (Otherwise::Skip, OnsetOutcome::Skipped)]
    {
        let never = OnsetRule { power_min: Some(20.0), otherwise, ..strong };
        let (onsets, _) = run(&sitting, &plan(0.066, never, 120), || 8);
        assert!(onsets.len() > 10 && onsets.iter().all(|onset| onset.outcome == outcome), "{onsets:?}");
        assert!(onsets.iter().all(|onset| onset.command.is_some() == outcome.is_shown()));
    }
}

/// A whole session on the virtual clock: what the display showed, what the recording says of it, and what Python finds.
#[test]
fn a_session_is_judged_from_its_recording() {
    let text = std::fs::read_to_string(support::root().join("protocols/phase-onset.toml")).unwrap();
    let text =
        text.replace("count = 80 }", "count = 260 }").replace("duration_s = 200.0", "duration_s = 280.0");
    let text = text.replace("count = 80,", "count = 40,");
    let out = tempfile::tempdir().unwrap();
    let (protocol, sessions) = (out.path().join("phase-onset.toml"), out.path().join("sessions"));
    std::fs::write(&protocol, text).unwrap();
    let args = RunArgs { protocol: Some(protocol), ..virtual_args(sessions.clone(), "nominal", 4, None) };
    let onsets = photic::run::run(args, false).unwrap().onsets.unwrap();
    let session = support::session_below(&sessions);
    assert_eq!((onsets.presentations, onsets.at_other_refresh, onsets.timed_out), (340, 0, 0));
    for phases in &onsets.phases {
        let (recorded, own) = (phases.recorded.unwrap(), phases.latent.unwrap());
        match phases.wanted_deg {
            None => assert!(own.resultant < 0.2 && own.n > 250, "{own:?}"),
            Some(wanted_deg) => {
                assert!(
                    own.n > 20 && own.resultant >= 0.7 && recorded.resultant >= 0.7,
                    "{own:?} {recorded:?}"
                );
                let off = (own.mean_deg - wanted_deg + 180.0).rem_euclid(360.0) - 180.0;
                assert!(off.abs() < 20.0, "{own:?}");
            }
        }
    }
    let replayed = photic::replay::replay(session.folder.path()).unwrap();
    assert!(replayed.identical, "{replayed}");
    if let Some(python) = support::judge::python() {
        let said = support::judge::onset_phases(
            &python,
            session.folder.path(),
            &serde_json::to_value(&onsets).unwrap(),
        );
        println!("{said}");
    }
}
