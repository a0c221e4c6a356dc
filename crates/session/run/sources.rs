//! From the protocol's `[stream.*]` tables to sources that are there and fit.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use acquisition::{
    ChannelFormat, ChannelMap, ChunkSink, Expected, Found, OutletSpec, SinkSpec, SourceInfo, Want,
};
use lsl::{Lsl, Scope};
use participant::Person;
use protocol::{GazeUnit, Markers, Protocol, Samples, Stream, StreamKind, Unit};
use timeline::{SourceId, clock, s_from_ns};

use super::carriers::{Kind, Source, SourcePorts};
use super::participant::outlet_spec;
use crate::error::SessionError;

/// The stream that the simulated participant answers on: the protocol's first stream of samples that is not the gaze's.
#[derive(Clone, Copy)]
pub struct ParticipantStream<'a> {
    /// Its place.
    pub source: usize,
    /// The table.
    pub stream: &'a Stream,
    /// What it says of samples.
    pub samples: &'a Samples,
}

/// Finds it.
///
/// # Errors
/// When the protocol has no such stream.
pub fn participant_stream(protocol: &Protocol) -> Result<ParticipantStream<'_>, SessionError> {
    answered(protocol).ok_or_else(|| {
        SessionError::Usage("the protocol has no stream of samples for a participant to answer on".into())
    })
}

/// The same, where there is one.
pub(crate) fn answered(protocol: &Protocol) -> Option<ParticipantStream<'_>> {
    let others = protocol.streams.iter().enumerate().filter(|(source, _)| Some(*source) != gaze_of(protocol));
    others.into_iter().find_map(|(source, stream)| match &stream.kind {
        StreamKind::Samples(samples) => Some(ParticipantStream { source, stream, samples }),
        StreamKind::Markers(_) => None,
    })
}

/// Place of the gaze's stream.
pub(crate) fn gaze_of(protocol: &Protocol) -> Option<usize> {
    protocol.gaze.as_ref().map(|gaze| gaze.stream)
}

/// Whether the protocol reads nothing but the gaze.
pub(crate) fn is_only_gaze(protocol: &Protocol) -> bool {
    (0..protocol.streams.len()).all(|source| Some(source) == gaze_of(protocol))
}

/// All sources inside this process: the participant's answer, and its gaze.
///
/// # Errors
/// When the protocol wants streams that nobody here has.
pub fn in_process(person: Option<&Person>, protocol: &Protocol) -> Result<Vec<Source>, SessionError> {
    let answer = answered(protocol).map(|answer| answer.source);
    let streams = protocol.streams.iter().enumerate();
    let sources = streams.map(|(source, stream)| match (&stream.kind, person) {
        (StreamKind::Samples(samples), _) if Some(source) == gaze_of(protocol) => {
            let unit = protocol.gaze.as_ref().map_or(GazeUnit::Degrees, |gaze| gaze.unit);
            here(stream, samples, &gaze_spec(stream, samples, unit))
        }
        (StreamKind::Samples(samples), Some(person)) if Some(source) == answer => {
            here(stream, samples, &outlet_spec(person, samples, &stream.lsl_type, "in-process"))
        }
        (_, None) => {
            let text = format!("stream `{}`: no simulated participant answers on it", stream.name);
            Err(SessionError::Usage(text))
        }
        _ => {
            let text = "a participant inside the process answers on one stream, but the protocol has more: run live over LSL";
            Err(SessionError::Usage(text.into()))
        }
    });
    sources.collect()
}

fn here(stream: &Stream, samples: &Samples, spec: &OutletSpec) -> Result<Source, SessionError> {
    let info = SourceInfo::in_process(spec, s_from_ns(clock::now_ns()));
    let map = acquisition::check(&info, &expected(samples))?;
    let kind = Kind::Samples { map, max_lag_s: samples.max_lag_s };
    Ok(Source { name: stream.name.clone(), info, kind })
}

fn gaze_spec(stream: &Stream, samples: &Samples, unit: GazeUnit) -> OutletSpec {
    let unit = if unit == GazeUnit::Degrees { "deg" } else { "px" };
    OutletSpec {
        name: format!("photic-eyes-{}", stream.name),
        stream_type: stream.lsl_type.clone(),
        channel_labels: samples.channels.clone(),
        units: vec![unit.into()],
        rate_hz: samples.rate_hz,
        format: ChannelFormat::Float32,
        source_id: format!("photic-eyes-{}", stream.name),
        time_scale: 1.0,
        positions_mm: Vec::new(),
        desc: Vec::new(),
    }
}

/// The sink of a source of samples inside the process.
///
/// # Errors
/// When the rings do not fit the source: a fault of ours.
pub fn sink(sources: &[Source], source: usize, ports: SourcePorts) -> Result<ChunkSink, SessionError> {
    match (sources.get(source), ports) {
        (Some(Source { info, kind: Kind::Samples { map, .. }, .. }), SourcePorts::Samples(ports)) => {
            Ok(ChunkSink::new(sink_spec(source, info, map), ports)?)
        }
        _ => Err(SessionError::Usage("there is no stream of samples".into())),
    }
}

fn sink_spec(id: usize, info: &SourceInfo, map: &ChannelMap) -> SinkSpec {
    SinkSpec {
        source: SourceId(id as u16),
        channel_count: info.channel_count,
        map: map.clone(),
        rate_hz: info.rate_hz,
    }
}

/// Loads liblsl and sets how far its streams travel.
///
/// # Errors
/// When the library is nowhere (the message says how to get it) or was configured otherwise.
pub fn load_lsl(network: bool) -> Result<Lsl, SessionError> {
    let lsl = Lsl::load(&[PathBuf::from(".setup/lsl")])?;
    let session_id = std::env::var("PHOTIC_LSL_SESSION").ok();
    let scope = if network { Scope::Network } else { Scope::Machine };
    lsl.configure(scope, session_id.as_deref())?;
    Ok(lsl)
}

/// Looks every stream up over LSL. `participant_name` is the LSL name of the simulated participant, if one answers.
///
/// # Errors
/// A missing or ambiguous stream, a wrong channel count, label or rate, each with its numbers.
pub fn find_all(
    lsl: &Lsl,
    protocol: &Protocol,
    rig: &protocol::Rig,
    wait_s: f64,
    participant_name: Option<(usize, &str)>,
) -> Result<Vec<(Source, Found)>, SessionError> {
    let wait = Duration::try_from_secs_f64(wait_s).unwrap_or(Duration::from_secs(10));
    let mut all = Vec::new();
    for (id, stream) in protocol.streams.iter().enumerate() {
        let simulated = participant_name.filter(|&(source, _)| source == id).map(|(_, name)| name);
        let name = simulated.or(rig.lsl_name(&stream.name)).or(stream.lsl_name.as_deref());
        let want = Want {
            name: name.map(str::to_owned),
            stream_type: stream.lsl_type.clone(),
            timeout_s: wait.as_secs_f64(),
        };
        let found = acquisition::find(lsl, &want)?;
        let kind = match &stream.kind {
            StreamKind::Samples(samples) => {
                let map = acquisition::check(&found.info, &expected(samples));
                Kind::Samples { map: map?, max_lag_s: samples.max_lag_s }
            }
            StreamKind::Markers(markers) => Kind::Markers(codes(markers)),
        };
        all.push((Source { name: stream.name.clone(), info: found.info.clone(), kind }, found));
    }
    Ok(all)
}

fn expected(samples: &Samples) -> Expected {
    Expected {
        channels: samples.channels.clone(),
        rate_hz: samples.rate_hz,
        unit: match samples.unit {
            Unit::Microvolt => Some("microvolts".into()),
            Unit::Any => None,
        },
    }
}

fn codes(markers: &Markers) -> BTreeMap<String, u32> {
    markers.markers.iter().map(|marker| (marker.text.clone(), marker.code)).collect()
}
