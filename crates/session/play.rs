//! `photic play`: a recording becomes LSL streams again, in step, at any speed.

use std::time::Duration;

use acquisition::{ChannelFormat, MarkerOutlet, OutletSpec, SampleOutlet, TIME_SCALE_KEY};
use recording::xdf::{self, Format, Stream, Values, corrected_stamps};
use timeline::{clock, ns_from_s, s_from_ns};

use crate::cli::PlayArgs;
use crate::error::SessionError;
use crate::run::sources::load_lsl;

/// Time between the first listener and the first sample, so that every inlet is open.
const LEAD_S: f64 = 1.0;

/// One stream on its way out.
struct Track {
    stamps_s: Vec<f64>,
    next: usize,
    body: Body,
}

enum Body {
    Samples { outlet: SampleOutlet, values: Vec<f64>, channels: usize, chunk: usize },
    Texts { outlet: MarkerOutlet, texts: Vec<String>, channels: usize },
}

/// What was played.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    /// Streams.
    pub streams: usize,
    /// Samples and markers.
    pub samples: usize,
    /// Length of what was played, in seconds of the recording.
    pub recorded_s: f64,
}

/// Plays every stream of a recording that has samples. Our own records (`photic-...`) are left out.
///
/// # Errors
/// When the file is no recording, LSL is not there, or nobody listens within the waiting time.
pub fn play(args: &PlayArgs, network: bool) -> Result<Played, SessionError> {
    if !(args.speed.is_finite() && args.speed > 0.0) {
        return Err(SessionError::Usage(format!("--speed {}: more than 0 is allowed", args.speed)));
    }
    let recording = xdf::read_path(&args.file)
        .map_err(|error| SessionError::Recording { path: args.file.clone(), error })?;
    let lsl = load_lsl(network)?;
    let mut tracks = Vec::new();
    for stream in &recording.streams {
        let ours = stream.header.name.starts_with("photic-")
            && !stream.header.name.starts_with("photic-participant");
        if !ours && !corrected_stamps(stream).is_empty() {
            tracks.push(track(&lsl, stream, args)?);
        }
    }
    let first_s =
        tracks.iter().filter_map(|track| track.stamps_s.first().copied()).fold(f64::INFINITY, f64::min);
    if tracks.is_empty() {
        return Err(SessionError::Usage(format!("{}: no stream has samples", args.file.display())));
    }
    for track in &tracks {
        if !track.body.wait_for_consumers(args.wait_s) {
            let text = format!("nobody listened within {} s", args.wait_s);
            return Err(SessionError::Usage(text));
        }
    }
    let start_ns = clock::now_ns() + ns_from_s(LEAD_S);
    let out_ns = |stamp_s: f64| start_ns + ns_from_s((stamp_s - first_s) / args.speed);
    let until_s = args.seconds.map_or(f64::INFINITY, |seconds| first_s + seconds);
    let mut played = Played { streams: tracks.len(), samples: 0, recorded_s: 0.0 };
    // The stream whose next chunk is complete first goes first.
    while let Some((due_s, track)) = tracks
        .iter_mut()
        .filter_map(|track| track.due_s().map(|due_s| (due_s, track)))
        .filter(|(due_s, _)| *due_s <= until_s)
        .min_by(|(a, _), (b, _)| a.total_cmp(b))
    {
        let wait_ns = out_ns(due_s) - clock::now_ns();
        if wait_ns > 0 {
            std::thread::sleep(Duration::from_nanos(wait_ns.unsigned_abs()));
        }
        played.samples += track.push(|stamp_s| s_from_ns(out_ns(stamp_s)))?;
        played.recorded_s = due_s - first_s;
    }
    // liblsl sends from its own threads; an outlet that is dropped at once takes the last chunks with it.
    std::thread::sleep(Duration::from_millis(500));
    Ok(played)
}

fn track(lsl: &lsl::Lsl, stream: &Stream, args: &PlayArgs) -> Result<Track, SessionError> {
    let header = &stream.header;
    let stamps_s = corrected_stamps(stream);
    let speed = [(TIME_SCALE_KEY.to_owned(), args.speed.to_string())];
    let source_id = format!("photic-play-{}-{}", header.name, std::process::id());
    let body = match &stream.values {
        Values::Text(texts) => Body::Texts {
            outlet: MarkerOutlet::new(lsl, &header.name, &header.stream_type, &source_id, &speed)?,
            texts: texts.clone(),
            channels: header.channel_count.max(1),
        },
        values => Body::Samples {
            outlet: SampleOutlet::new(
                lsl,
                &OutletSpec {
                    name: header.name.clone(),
                    stream_type: header.stream_type.clone(),
                    channel_labels: labels(stream),
                    units: units(stream),
                    rate_hz: header.rate_hz * args.speed,
                    format: channel_format(header.format),
                    source_id,
                    time_scale: args.speed,
                    positions_mm: Vec::new(),
                    desc: Vec::new(),
                },
            )?,
            values: values.to_f64(),
            channels: header.channel_count.max(1),
            chunk: args.chunk.max(1),
        },
    };
    Ok(Track { stamps_s, next: 0, body })
}

/// One label per channel, because labels say how many channels there are.
fn labels(stream: &Stream) -> Vec<String> {
    let header = &stream.header;
    let label =
        |index: usize| header.channels.get(index).map_or(String::new(), |channel| channel.label.clone());
    (0..header.channel_count).map(label).collect()
}

fn units(stream: &Stream) -> Vec<String> {
    let channels = &stream.header.channels;
    let all = channels.len() == stream.header.channel_count;
    if all { channels.iter().map(|channel| channel.unit.clone()).collect() } else { Vec::new() }
}

impl Track {
    /// Stamp of the last sample of the next chunk.
    fn due_s(&self) -> Option<f64> {
        let end = (self.next + self.body.chunk()).min(self.stamps_s.len());
        (self.next < end).then(|| self.stamps_s[end - 1])
    }

    fn push(&mut self, stamp: impl Fn(f64) -> f64) -> Result<usize, SessionError> {
        let end = (self.next + self.body.chunk()).min(self.stamps_s.len());
        let stamps_s: Vec<f64> =
            self.stamps_s[self.next..end].iter().map(|&stamp_s| stamp(stamp_s)).collect();
        match &mut self.body {
            Body::Samples { outlet, values, channels, .. } => {
                outlet.push(&stamps_s, &values[self.next * *channels..end * *channels])?;
            }
            Body::Texts { outlet, texts, channels } => {
                outlet.push(stamps_s[0], &texts[self.next * *channels])?
            }
        }
        let count = end - self.next;
        self.next = end;
        Ok(count)
    }
}

impl Body {
    fn chunk(&self) -> usize {
        match self {
            Self::Samples { chunk, .. } => *chunk,
            Self::Texts { .. } => 1,
        }
    }

    fn wait_for_consumers(&self, timeout_s: f64) -> bool {
        match self {
            Self::Samples { outlet, .. } => outlet.wait_for_consumers(timeout_s),
            Self::Texts { outlet, .. } => outlet.wait_for_consumers(timeout_s),
        }
    }
}

fn channel_format(format: Format) -> ChannelFormat {
    match format {
        Format::Float32 => ChannelFormat::Float32,
        Format::Double64 => ChannelFormat::Double64,
        Format::Int8 => ChannelFormat::Int8,
        Format::Int16 => ChannelFormat::Int16,
        Format::Int32 => ChannelFormat::Int32,
        Format::Int64 => ChannelFormat::Int64,
        Format::Text => ChannelFormat::String,
    }
}
