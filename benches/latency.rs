//! Chunk arrival at the inlet -> command published, 64 channels at 1 kHz over LSL, 320 x 240 offscreen.
//!
//! Guards against: a loop that polls instead of being woken, work that grows with the number of channels, and real-time
//! priority that starves or is starved by the display. The bound is 1 ms (p99) with SCHED_FIFO and 3 ms without.
//!
//! `cargo bench --bench latency -- [SECONDS]` (60 without). The source is a process of its own, as an amplifier's driver
//! is. The machine's steal time is printed, because a stolen core looks like a slow loop.
#![allow(clippy::print_stdout)] // a bench prints its table

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use acquisition::{ChannelFormat, OutletSpec, SampleOutlet};
use lsl::{Lsl, Scope};
use photic::cli::{ClockMode, DisplayMode, RunArgs};
use photic::summary::Summary;
use timeline::{clock, s_from_ns};

const CHANNELS: usize = 64;
const RATE_HZ: f64 = 1000.0;
const SOURCE: &str = "--source";

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if args.first().is_some_and(|arg| arg == SOURCE) {
        return source(args.get(1).map_or("latency", String::as_str));
    }
    let seconds: f64 = args.first().map_or(Ok(60.0), |arg| arg.parse())?;
    let session_id = format!("latency-{}", std::process::id());
    #[allow(unsafe_code)] // liblsl's session id reaches `run` and the source by the environment
    // SAFETY: nothing else runs yet in this process.
    unsafe {
        std::env::set_var("PHOTIC_LSL_SESSION", &session_id);
    }
    let folder = tempdir()?;
    std::fs::write(folder.join("latency.toml"), protocol_text())?;
    println!("{CHANNELS} channels at {RATE_HZ} Hz, {seconds} s each, chunk arrival -> command published, us");
    println!(
        "{:14} {:>8} {:>8} {:>8} {:>8} {:>9} {:>9} {:>8}",
        "priority", "n", "p50", "p99", "max", "frames", "missed", "steal"
    );
    for (name, no_realtime, bound_us) in [("SCHED_FIFO", false, 1000.0), ("normal", true, 3000.0)] {
        let source = Source::start(&session_id)?;
        let steal = steal_s();
        let summary = photic::run::run(arguments(&folder, seconds, no_realtime), false)?;
        let stolen = steal_s() - steal;
        drop(source);
        print_row(name, &summary, stolen, bound_us)?;
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

fn print_row(name: &str, summary: &Summary, stolen_s: f64, bound_us: f64) -> Result<(), Box<dyn Error>> {
    let json = serde_json::to_value(summary)?;
    let latency = &json["loop_latency_us"];
    let number = |value: &serde_json::Value| value.as_f64().unwrap_or(f64::NAN);
    let p99 = number(&latency["p99"]);
    println!(
        "{name:14} {:>8} {:>8.0} {:>8.0} {:>8.0} {:>9} {:>9} {:>6.2} s  {}",
        json["commands"],
        number(&latency["p50"]),
        p99,
        number(&latency["max"]),
        json["frames"],
        json["missed_frames"],
        stolen_s,
        if p99 <= bound_us { "within the bound" } else { "OVER the bound" }
    );
    Ok(())
}

fn arguments(folder: &Path, seconds: f64, no_realtime: bool) -> RunArgs {
    RunArgs {
        protocol: Some(folder.join("latency.toml")),
        rig: None,
        participant: Some("none".into()),
        with: Vec::new(),
        display: Some(DisplayMode::Offscreen),
        clock: ClockMode::Live,
        out: folder.to_owned(),
        seconds: Some(seconds),
        seed: 1,
        json: false,
        wait_s: 15.0,
        in_process: false,
        publish: false,
        no_realtime,
        held: None,
        screen: None,
        brain: None,
        key: None,
        number: None,
        donor: None,
        responses: None,
        operator: false,
        resume: None,
    }
}

fn tempdir() -> std::io::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("photic-latency-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The thermostat with 64 channels, a decision every 20 ms and a short calibration, so that commands come often.
fn protocol_text() -> String {
    let labels: Vec<String> = (0..CHANNELS).map(|channel| format!("\"E{channel}\"")).collect();
    format!(
        r#"[protocol]
name = "latency"
description = "many channels, many commands"
grey_ramp_s = 0.5
min_free_mb = 50
[stream.eeg]
type = "EEG"
channels = [{}]
rate_hz = {RATE_HZ:.1}
unit = "uV"
stale_after_s = 0.5
grey_after_s = 2.0
max_lag_s = 0.5
[stimulus.target.grating]
sf_cpd = 1.0
orientation_deg = 45.0
phase_deg = 0.0
diameter_deg = 10.0
edge_deg = 1.0
flicker = {{ counterphase_hz = 7.5, waveform = "sine" }}
[decoder.ssvep_amplitude]
stream = "eeg"
stimulus = "target"
report_channel = "E0"
window_s = 1.0
update_s = 0.02
highpass_hz = 1.0
[controller.pi]
kp = 0.3
ki_per_s = 0.4
nominal_gain_uv = 3.5
semisaturation = 0.3
exponent = 2.0
contrast_min = 0.0
contrast_max = 0.9
slew_per_s = 2.0
[[block]]
name = "calibrate"
duration_s = 18.0
calibrate = {{ stimulus = "target", contrast = 0.6, on_s = 4.0, off_s = 2.0 }}
[[block]]
name = "hold"
duration_s = 3600.0
hold = {{ stimulus = "target", set_point_uv = 1.5 }}
"#,
        labels.join(", ")
    )
}

/// The amplifier: 64 channels with a 15 Hz answer that waxes and wanes, so that the controller has something to do.
fn source(session_id: &str) -> Result<(), Box<dyn Error>> {
    let lsl = Lsl::load(&[PathBuf::from(".setup/lsl")])?;
    lsl.configure(Scope::Machine, Some(session_id))?;
    let mut outlet = SampleOutlet::new(
        &lsl,
        &OutletSpec {
            name: "latency".into(),
            stream_type: "EEG".into(),
            channel_labels: (0..CHANNELS).map(|channel| format!("E{channel}")).collect(),
            units: vec!["microvolts".into()],
            rate_hz: RATE_HZ,
            format: ChannelFormat::Float32,
            source_id: "latency".into(),
            time_scale: 1.0,
            positions_mm: Vec::new(),
            desc: Vec::new(),
        },
    )?;
    let start_ns = clock::now_ns();
    let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
    let mut row = [0.0; CHANNELS];
    for sample in 0_i64.. {
        let at_ns = start_ns + sample * 1_000_000;
        let wait_ns = at_ns - clock::now_ns();
        if wait_ns > 0 {
            std::thread::sleep(Duration::from_nanos(wait_ns.unsigned_abs()));
        }
        let t = s_from_ns(at_ns);
        let answer = (1.5 + (t * 0.9).sin()) * (t * 15.0 * std::f64::consts::TAU).cos();
        for (channel, value) in row.iter_mut().enumerate() {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let uniform = (noise >> 11) as f64 / (1_u64 << 53) as f64 - 0.5;
            *value = answer / (1.0 + channel as f64 * 0.1) + 4.0 * uniform;
        }
        outlet.push(&[t], &row)?;
    }
    Ok(())
}

/// The source's process; killed when dropped.
struct Source(Child);

impl Source {
    fn start(session_id: &str) -> std::io::Result<Self> {
        Ok(Self(Command::new(std::env::current_exe()?).args([SOURCE, session_id]).spawn()?))
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Time that the hypervisor took from this machine so far (proc(5), `steal`), in seconds of 100 ticks each.
fn steal_s() -> f64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let field = text
        .lines()
        .next()
        .and_then(|line| line.split_whitespace().nth(8))
        .and_then(|ticks| ticks.parse().ok());
    field.unwrap_or(0.0_f64) / 100.0
}
