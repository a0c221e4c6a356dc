//! A grating on a small retina, a session without threads, and amplitudes by projection.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::f64::consts::TAU;

use participant::{Flicker, FlickerKind, Latent, OCCIPITAL, Participant, Person, Setup, Waveform};

/// Side of the square retina: 9 deg.
pub const CELLS: usize = 36;
pub const CELLS_PER_CYCLE: f64 = 4.0;
pub const RATE_HZ: f64 = 250.0;
pub const OZ: usize = 6;

pub const COUNTERPHASE: Flicker =
    Flicker { kind: FlickerKind::Counterphase, hz: 7.5, waveform: Waveform::Sine };

pub fn setup(flicker: Flicker, seed: u64) -> Setup {
    Setup {
        rate_hz: RATE_HZ,
        channels: OCCIPITAL.map(str::to_owned).to_vec(),
        retina_width: CELLS,
        retina_height: CELLS,
        cells_per_deg: CELLS_PER_CYCLE,
        cells_per_cycle: CELLS_PER_CYCLE,
        pixels_per_cell: 1,
        refresh_hz: 60.0,
        flicker,
        seed,
    }
}

/// The person without anything but the response: no background, no drift, no fluctuation.
pub fn silent(person: &Person) -> Person {
    Person { drift_sd: 0.0, fluctuation_sd: 0.0, ..steady_noise_free(person) }
}

fn steady_noise_free(person: &Person) -> Person {
    Person {
        background_uv: 0.0,
        alpha_uv: 0.0,
        mains_uv: 0.0,
        blink_uv: 0.0,
        sensor_uv: 0.0,
        ..person.clone()
    }
}

/// The person with its moving gain, but without background.
pub fn noise_free(person: &Person) -> Person {
    steady_noise_free(person)
}

/// Linear light of an oblique grating with this signed contrast.
pub fn grating(contrast: f64) -> Vec<f64> {
    (0..CELLS * CELLS)
        .map(|i| {
            let (x, y) = ((i % CELLS) as f64, (i / CELLS) as f64);
            let phase = TAU * (x + y) * std::f64::consts::FRAC_1_SQRT_2 / CELLS_PER_CYCLE;
            0.5 * (1.0 + contrast * phase.sin())
        })
        .collect()
}

/// Uniform light.
pub fn uniform(light: f64) -> Vec<f64> {
    vec![light; CELLS * CELLS]
}

pub fn frame_ns(frame: u64) -> i64 {
    (frame as f64 / 60.0 * 1e9).round() as i64
}

pub fn sample_ns(sample: u64) -> i64 {
    (sample as f64 / RATE_HZ * 1e9).round() as i64
}

/// A session of `seconds`; `light(frame)` gives each frame's cells. Returns all samples, row-major, and the latents.
pub fn run(
    person: &mut Participant,
    seconds: f64,
    mut light: impl FnMut(u64) -> Vec<f64>,
) -> (Vec<f64>, Vec<Latent>) {
    let channels = person.channels();
    let n = (seconds * RATE_HZ) as u64;
    let (mut eeg, mut latent) = (vec![0.0; n as usize * channels], Vec::new());
    let mut frame = 0;
    for (i, row) in eeg.chunks_exact_mut(channels).enumerate() {
        let at_ns = sample_ns(i as u64);
        while frame_ns(frame) <= at_ns {
            person.see(frame_ns(frame), &light(frame));
            frame += 1;
        }
        latent.push(person.sample(at_ns, row));
    }
    (eeg, latent)
}

/// Frames of a flickering grating at a held contrast, made once per phase.
pub fn flickering(flicker: Flicker, contrast: f64) -> impl FnMut(u64) -> Vec<f64> {
    move |frame| grating(contrast * flicker.contrast_at(frame as f64 * flicker.hz / 60.0))
}

/// The eight frames of the 7.5 Hz counterphase grating, ready to be shown in turn.
pub fn eight_frames(contrast: f64) -> Vec<Vec<f64>> {
    (0..8).map(|k| grating(contrast * COUNTERPHASE.contrast_at(f64::from(k) / 8.0))).collect()
}

pub fn channel(eeg: &[f64], channels: usize, which: usize) -> Vec<f64> {
    eeg.iter().skip(which).step_by(channels).copied().collect()
}

/// Complex amplitude at `hz` by projection under a Hann window; `first` is the index of the first sample.
pub fn component(x: &[f64], first: usize, hz: f64) -> (f64, f64) {
    let n = x.len() as f64;
    let (mut re, mut im, mut total) = (0.0, 0.0, 0.0);
    for (i, v) in x.iter().enumerate() {
        let w = 1.0 - (TAU * i as f64 / n).cos();
        let phase = TAU * hz * (first + i) as f64 / RATE_HZ;
        re += w * v * phase.cos();
        im -= w * v * phase.sin();
        total += w;
    }
    (2.0 * re / total, 2.0 * im / total)
}

pub fn amplitude(x: &[f64], hz: f64) -> f64 {
    let (re, im) = component(x, 0, hz);
    re.hypot(im)
}

/// Takes the least-squares line out.
pub fn detrend(x: &mut [f64]) {
    let n = x.len() as f64;
    let middle = (n - 1.0) / 2.0;
    let mean = x.iter().sum::<f64>() / n;
    let (mut up, mut down) = (0.0, 0.0);
    for (i, v) in x.iter().enumerate() {
        let t = i as f64 - middle;
        up += t * (v - mean);
        down += t * t;
    }
    for (i, v) in x.iter_mut().enumerate() {
        *v -= mean + up / down * (i as f64 - middle);
    }
}

/// Plain |FFT| bin of a whole window, at an integer number of cycles.
pub fn bin(x: &[f64], cycles: usize) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (i, v) in x.iter().enumerate() {
        // The phase is reduced first: exact, and cheap to table.
        let phase = TAU * ((i * cycles) % x.len()) as f64 / x.len() as f64;
        re += v * phase.cos();
        im += v * phase.sin();
    }
    re.hypot(im)
}

pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let low = at.floor() as usize;
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + (at - low as f64) * (sorted[high] - sorted[low])
}

pub fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

pub fn sd(x: &[f64]) -> f64 {
    let m = mean(x);
    (x.iter().map(|v| (v - m) * (v - m)).sum::<f64>() / (x.len() as f64 - 1.0)).sqrt()
}
