//! A small world to close the loop in: a screen at 60 Hz and a person with eight channels.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::sync::Arc;

use closedloop::*;
use timeline::{
    Attenuation, Command, Decision, Flip, Marker, Notice, OnsetClass, Ramp, Reply, SceneId, Score, SourceId,
    State, Trial,
};

pub const S: i64 = 1_000_000_000;
pub const GRATING: SceneId = SceneId(1);
pub const RATE_HZ: f64 = 250.0;
pub const CHANNELS: usize = 8;

/// Repeatable noise that no crate's version can change.
#[derive(Clone)]
pub struct Noise(pub u64);

impl Noise {
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let mut x = self.0;
        x ^= x >> 33;
        x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
        x ^= x >> 33;
        (x >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn gauss(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

pub fn response(nominal_gain_uv: f64) -> ResponsePlan {
    ResponsePlan {
        nominal_gain_uv,
        semisaturation: 0.3,
        exponent: 2.0,
        contrast_min: 0.0,
        contrast_max: 0.9,
        slew_per_s: 2.0,
    }
}

pub fn pi(nominal_gain_uv: f64) -> ControllerPlan {
    ControllerPlan::Pi(PiPlan { response: response(nominal_gain_uv), kp: 0.8, ki_per_s: 0.02 })
}

/// What is surely no background of the small world.
pub const ARTEFACTS: ArtefactPlan =
    ArtefactPlan { blink_uv: 150.0, muscle_uv: 60.0, muscle_from_hz: 40.0, flat_uv: 0.01, segment_s: 0.2 };

pub const SINE: SetPointPlan = SetPointPlan::Sine { mean_uv: 2.0, amplitude_uv: 1.0, period_ns: 12 * S };

pub fn sine(seconds: i64) -> BlockPlan {
    block(seconds, BlockKind::Hold { scene: GRATING, set_point: SINE })
}

/// One of each kind that feeds back, with its name.
pub fn controllers(nominal_gain_uv: f64) -> Vec<(&'static str, ControllerPlan)> {
    let response = response(nominal_gain_uv);
    let model = GainModel { drift_sd: 0.3, drift_tau_s: 60.0, fluctuation_sd: 0.1, fluctuation_tau_s: 3.5 };
    let gains = PidGains {
        kp: 0.1,
        ki_per_s: 0.3,
        kd_s: 0.02,
        derivative_tau_s: 0.5,
        set_point_weight: 1.0,
        tracking_tau_s: 2.0,
    };
    let on_off = OnOffPlan {
        response,
        contrast_low: 0.1,
        contrast_high: 0.6,
        band_uv: 0.3,
        least_on_ns: S / 2,
        least_off_ns: S / 2,
    };
    let mpc = MpcPlan { response, model, levels: 64, horizon: 6, move_s: 0.2, change_penalty_uv: 1.0 };
    vec![
        ("pi", pi(nominal_gain_uv)),
        ("on_off", ControllerPlan::OnOff(on_off)),
        ("pid", ControllerPlan::Pid(PidPlan { response, gains, smith: true })),
        ("pid without predictor", ControllerPlan::Pid(PidPlan { response, gains, smith: false })),
        ("lqg", ControllerPlan::Lqg(LqgPlan { response, model, change_penalty_s: 0.2 })),
        ("mpc", ControllerPlan::Mpc(mpc)),
    ]
}

pub fn drive(contrast: f64) -> f64 {
    contrast * contrast / (contrast * contrast + 0.09)
}

pub fn eeg_source() -> SourcePlan {
    SourcePlan {
        channels: CHANNELS,
        rate_hz: RATE_HZ,
        time_scale: 1.0,
        stale_after_ns: 300_000_000,
        grey_after_ns: S,
        is_marker: false,
    }
}

pub fn block(seconds: i64, kind: BlockKind) -> BlockPlan {
    BlockPlan { duration_ns: seconds * S, kind }
}

pub fn calibrate(seconds: i64) -> BlockPlan {
    block(seconds, BlockKind::Calibrate { scene: GRATING, contrast: 0.6, on_ns: 4 * S, off_ns: 2 * S })
}

pub fn hold(seconds: i64, set_point_uv: f64) -> BlockPlan {
    block(seconds, BlockKind::Hold { scene: GRATING, set_point: SetPointPlan::Constant { uv: set_point_uv } })
}

/// A block of cues, which come from the second source: class 0 is rest, the others flicker at these frequencies.
pub fn listening(seconds: i64, until_cues: u32, flickers_hz: &[f64]) -> Plan {
    let flickers = flickers_hz.iter().map(|&hz| Some(hz));
    let classes = std::iter::once(None).chain(flickers).zip(0..);
    let classes = classes.map(|(frequency_hz, code)| ClassPlan { code, frequency_hz });
    Plan {
        sources: vec![eeg_source(), SourcePlan { is_marker: true, ..eeg_source() }],
        decoder: Some(DecoderPlan::Cca(CcaPlan {
            source: SourceId(0),
            cues: SourceId(1),
            classes: classes.collect(),
            harmonics: 2,
            window_s: 4.0,
            delay_s: 1.0,
            band_hz: [6.0, 45.0],
            rest_false_alarm: 0.01,
        })),
        controller: None,
        ..thermostat(pi(1.0), vec![block(seconds, BlockKind::Listen { until_cues })])
    }
}

/// Presentations of a tenth of a second, which wait for a state.
pub fn flashes(seconds: i64, rule: OnsetRule) -> BlockPlan {
    let (ramp_ns, on_ns, gap_ns) = (0, S / 10, S / 5);
    let flash = FlashPlan { scene: GRATING, contrast: 0.5, ramp_ns, on_ns, gap_ns, count: 1000, rule };
    block(seconds, BlockKind::Flash(flash))
}

/// The state of alpha, of all channels alike.
pub fn alpha(eyes: Option<EyesPlan>) -> OnsetPlan {
    OnsetPlan {
        source: SourceId(0),
        weights: vec![1.0 / CHANNELS as f64; CHANNELS],
        band_hz: [8.0, 13.0],
        mains_hz: 50.0,
        lead_ns: 80_000_000,
        baseline_s: 8.0,
        power_window_s: 0.5,
        eyes,
    }
}

pub fn thermostat(controller: ControllerPlan, blocks: Vec<BlockPlan>) -> Plan {
    Plan {
        refresh_hz: 60.0,
        grey_ramp_ns: S / 2,
        sources: vec![eeg_source()],
        blocks,
        decoder: Some(DecoderPlan::SsvepAmplitude(SsvepPlan {
            source: SourceId(0),
            clock: StimulusClock { cycles_per_frame: 7.5 / 60.0, response_multiple: 2 },
            report_channel: 6,
            window_s: 2.0,
            update_s: 0.1,
            highpass_hz: 1.0,
        })),
        controller: Some(controller),
        onset: None,
        interlock: InterlockPlan::FAULTS,
        artefacts: None,
        outside: None,
        feed: None,
        flow: FlowPlan::default(),
    }
}

/// The person: gain in uV at the report channel (which may drift), and the strength of the background.
#[derive(Clone)]
pub struct Person {
    pub gain_uv: Arc<dyn Fn(f64) -> f64>,
    pub noise_uv: f64,
    pub seed: u64,
}

/// What a run left.
#[derive(Default)]
pub struct Log {
    pub commands: Vec<Command>,
    pub decisions: Vec<Decision>,
    pub notices: Vec<Notice>,
    pub states: Vec<State>,
    pub trials: Vec<Trial>,
    pub scores: Vec<Score>,
    pub replies: Vec<Reply>,
    /// Time in s, latent response in uV, set point if any: one row per decision.
    pub latent: Vec<(f64, f64, Option<f64>)>,
    pub finished_ns: Option<i64>,
    pub turns: u64,
}

/// Runs a plan with a person, in turns of `chunk` samples, up to `seconds`. `quiet(t)` mutes the source; `edit` may
/// change a row before the loop sees it.
pub fn run(
    plan: &Plan,
    person: &Person,
    chunk: usize,
    seconds: f64,
    quiet: impl Fn(f64) -> bool,
    edit: impl FnMut(u64, &mut [f64]),
) -> Log {
    run_with(plan, person, chunk, seconds, quiet, edit, |_, _| Vec::new(), &UNGOVERNED)
}

/// A photosensitivity governor.
pub struct Governed {
    /// What it lets through at a time in s.
    pub gain: fn(f64) -> f64,
    /// Whether the loop is told, four frames later.
    pub told: bool,
}

pub const UNGOVERNED: Governed = Governed { gain: |_| 1.0, told: true };

/// The same with a governor, and with a program outside: it is given the states of a turn and the instant of the next, and
/// gives its replies.
#[allow(clippy::too_many_arguments, reason = "the whole world")]
pub fn run_with(
    plan: &Plan,
    person: &Person,
    chunk: usize,
    seconds: f64,
    quiet: impl Fn(f64) -> bool,
    mut edit: impl FnMut(u64, &mut [f64]),
    mut guest: impl FnMut(&[State], i64) -> Vec<[f64; 3]>,
    governed: &Governed,
) -> Log {
    let mut looped = Loop::prepare(plan).unwrap();
    let (mut out, mut log) = (Outputs::default(), Log::default());
    let mut noise = Noise(person.seed);
    let (mut shown, mut scene) = (Ramp::constant(0.0), SceneId::GREY);
    let (mut slow, mut alpha) = ([0.0f64; CHANNELS], [0.0f64; 2]);
    let (mut at_ns, mut values) = (Vec::new(), Vec::new());
    let (mut index, mut frame) = (0u64, 0u64);
    let start_ns = 1_000 * S;
    let period_ns = 1e9 / RATE_HZ;
    let lag_ns = 120_000_000;
    let mut sent = 0u64;
    while (index as f64) < seconds * RATE_HZ {
        at_ns.clear();
        values.clear();
        let first = index;
        let mut latent = 0.0;
        for _ in 0..chunk {
            let t_ns = start_ns + (index as f64 * period_ns) as i64;
            let t = (t_ns - start_ns) as f64 / 1e9;
            let contrast = if scene == GRATING { shown.at(t_ns - lag_ns) } else { 0.0 };
            let contrast = (governed.gain)(t - lag_ns as f64 / 1e9) * contrast;
            latent = (person.gain_uv)(t) * drive(contrast);
            let cycles = 15.0 * (t - lag_ns as f64 / 1e9);
            let common = noise.gauss();
            // A resonance at 10 Hz for alpha.
            let r = 0.97;
            let next = 2.0 * r * (2.0 * std::f64::consts::PI * 10.0 / RATE_HZ).cos() * alpha[0]
                - r * r * alpha[1]
                + 0.4 * noise.gauss();
            alpha = [next, alpha[0]];
            for (c, slow) in slow.iter_mut().enumerate() {
                *slow = 0.98 * *slow + 0.5 * noise.gauss();
                let mix = 0.3 + 0.7 * c as f64 / 6.0;
                let lag = 0.3 + 0.03 * c as f64;
                let signal = latent * mix * (2.0 * std::f64::consts::PI * cycles - lag).cos();
                let background =
                    4.0 * common + 2.0 * noise.gauss() + 2.0 * *slow + (0.5 + 0.05 * c as f64) * alpha[0];
                values.push(signal + person.noise_uv * background);
            }
            let from = values.len() - CHANNELS;
            edit(index, &mut values[from..]);
            at_ns.push(t_ns);
            index += 1;
        }
        let now_ns = start_ns + (index as f64 * period_ns) as i64 + 2_000_000;
        let mut flips = Vec::new();
        while start_ns + (frame as f64 * 1e9 / 60.0) as i64 <= now_ns {
            let onset_ns = start_ns + (frame as f64 * 1e9 / 60.0) as i64;
            flips.push(flip(frame, onset_ns));
            frame += 1;
        }
        let gain = |onset_ns: i64| (governed.gain)((onset_ns - 4 * 16_666_667 - start_ns) as f64 / 1e9);
        let attenuations: Vec<Attenuation> = flips
            .iter()
            .filter(|flip| governed.told && gain(flip.onset_ns) != gain(flip.onset_ns - 16_666_667))
            .map(|flip| Attenuation {
                turn: log.turns,
                frame: flip.frame.saturating_sub(4),
                at_ns: flip.onset_ns - 4 * 16_666_667,
                shown: 0,
                gain: (gain(flip.onset_ns) * 65_535.0) as u32,
            })
            .collect();
        let muted = quiet((now_ns - start_ns) as f64 / 1e9);
        let input = if muted {
            SourceInput::default()
        } else {
            SourceInput { skipped: first - sent, first_sample: first, at_ns: &at_ns, values: &values }
        };
        if !muted {
            sent = index;
        }
        let replies: Vec<Reply> = guest(&out.states, now_ns)
            .into_iter()
            .zip(log.replies.len() as u64..)
            .map(|([state, value, spread], index)| Reply { index, at_ns: now_ns, state, value, spread })
            .collect();
        log.replies.extend(&replies);
        let inputs = Inputs {
            turn: log.turns,
            now_ns,
            stop: false,
            held: false,
            flips: &flips,
            markers: &[],
            sources: &[input],
            answers: &[],
            replies: &replies,
            responses: &[],
            attenuations: &attenuations,
        };
        // Only the yardstick that knows the gain listens.
        looped.set_known_gain((person.gain_uv)((now_ns - start_ns) as f64 / 1e9));
        looped.step(&inputs, &mut out);
        log.turns += 1;
        for command in &out.commands {
            assert!(command.contrast.from.is_finite() && (0.0..=1.0).contains(&command.contrast.to));
            (shown, scene) = (command.contrast, command.scene);
        }
        for decision in &out.decisions {
            let t = (now_ns - start_ns) as f64 / 1e9;
            log.latent.push((t, latent, decision.set_point));
        }
        log.commands.extend(out.commands.iter());
        log.decisions.extend(out.decisions.iter());
        log.notices.extend(out.notices.iter());
        log.states.extend(out.states.iter());
        log.trials.extend(out.trials.iter());
        log.scores.extend(out.scores.iter());
        if out.finished {
            log.finished_ns = Some(now_ns - start_ns);
            break;
        }
    }
    log
}

pub fn flip(frame: u64, onset_ns: i64) -> Flip {
    Flip {
        frame,
        onset_ns,
        class: OnsetClass::Simulated,
        submitted_ns: onset_ns - 1_000_000,
        command: None,
        scene: GRATING,
        contrast: 0.5,
        missed: 0,
        late: 0,
        replaces: false,
        gaze: None,
        veil: 1.0,
    }
}

pub fn marker(index: u64, at_ns: i64, code: u32) -> Marker {
    Marker { source: SourceId(1), index, at_ns, arrival_ns: at_ns, code: Some(code) }
}

/// Mean absolute error of the latent response in the holds, from 4 s after the first set point on.
pub fn latent_error(log: &Log) -> f64 {
    let first = log.latent.iter().find(|row| row.2.is_some()).unwrap().0;
    let rows = log.latent.iter().filter(|row| row.0 > first + 4.0);
    let errors: Vec<f64> = rows.filter_map(|&(_, latent, set)| set.map(|set| (latent - set).abs())).collect();
    errors.iter().sum::<f64>() / errors.len() as f64
}

pub fn kinds(log: &Log) -> Vec<timeline::NoticeKind> {
    log.notices.iter().map(|notice| notice.kind).collect()
}
