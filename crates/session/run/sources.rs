//! From the protocol's `[stream.*]` tables to sources that are there and fit.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use acquisition::{ChannelMap, ChunkSink, Expected, Found, SinkSpec, SourceInfo, Want};
use lsl::{Lsl, Scope};
use participant::Person;
use protocol::{Markers, Protocol, Samples, Stream, StreamKind, Unit};
use timeline::{SourceId, clock, s_from_ns};

use super::carriers::{Kind, Source, SourcePorts};
use super::participant::outlet_spec;
use crate::error::SessionError;

/// The stream that the simulated participant answers on: the protocol's first stream of samples.
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
/// When the protocol has no stream of samples.
pub fn participant_stream(protocol: &Protocol) -> Result<ParticipantStream<'_>, SessionError> {
    let found = protocol.streams.iter().enumerate().find_map(|(source, stream)| match &stream.kind {
        StreamKind::Samples(samples) => Some(ParticipantStream { source, stream, samples }),
        StreamKind::Markers(_) => None,
    });
    found.ok_or_else(|| {
        SessionError::Usage("the protocol has no stream of samples for a participant to answer on".into())
    })
}

/// The participant as a source inside this process; the protocol may then have no other stream.
///
/// # Errors
/// When the protocol wants more streams than the participant.
pub fn in_process(
    person: &Person,
    protocol: &Protocol,
    answer: ParticipantStream<'_>,
) -> Result<Source, SessionError> {
    if protocol.streams.len() > 1 {
        let text = "a participant inside the process answers on one stream, but the protocol has more: run live over LSL";
        return Err(SessionError::Usage(text.into()));
    }
    let spec = outlet_spec(person, answer.samples, &answer.stream.lsl_type, "in-process");
    let info = SourceInfo::in_process(&spec, s_from_ns(clock::now_ns()));
    let map = acquisition::check(&info, &expected(answer.samples))?;
    let kind = Kind::Samples { map, max_lag_s: answer.samples.max_lag_s };
    Ok(Source { name: answer.stream.name.clone(), info, kind })
}

/// The sink of the first source, for a participant inside the process.
///
/// # Errors
/// When the rings do not fit the source: a fault of ours.
pub fn sink(sources: &[Source], ports: Vec<SourcePorts>) -> Result<ChunkSink, SessionError> {
    let spec = sources.iter().enumerate().find_map(|(id, source)| match &source.kind {
        Kind::Samples { map, .. } => Some(sink_spec(id, &source.info, map)),
        Kind::Markers(_) => None,
    });
    let ports = ports.into_iter().find_map(|ports| match ports {
        SourcePorts::Samples(ports) => Some(ports),
        SourcePorts::Markers(_) => None,
    });
    match (spec, ports) {
        (Some(spec), Some(ports)) => Ok(ChunkSink::new(spec, ports)?),
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
