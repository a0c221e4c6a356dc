//! What a live run needs before any thread starts, and the inlets' threads.

use std::sync::{Arc, Barrier};
use std::thread::Thread;

use acquisition::{
    ChunkSink, Found, InletPlan, InletThread, MarkerPlan, MarkerThread, SampleOutlet, ThreadPorts,
};
use timeline::SourceId;

use super::Prepared;
use super::carriers::{Kind, Source, SourcePorts};
use super::eyes::{Eyes, Look};
use super::live::{Ending, Rights, spawn};
use super::participant::Way;
use super::realtime::Role;
use super::sources;
use crate::error::SessionError;

/// What one inlet may take at once.
const MAX_CHUNK: usize = 4096;

/// What stands ready before any thread starts: sources found, participant seated.
pub(super) struct Room {
    pub(super) sources: Vec<Source>,
    found: Vec<Option<Found>>,
    outlet: Option<SampleOutlet>,
    /// The participant that answers, at this rate.
    pub(super) answer: Option<(f64, participant::Participant)>,
    /// The stream that it answers on, where a participant does.
    pub(super) answers_on: Option<usize>,
    /// Where a script says that somebody looks, if the gaze is inside the process; empty for the participant's own eyes.
    looks: Option<Vec<Look>>,
}

impl Room {
    /// Finds the sources and seats the participant.
    ///
    /// # Errors
    /// A stream that is missing or does not fit; a participant who cannot sit there.
    pub(super) fn furnish(prepared: &Prepared) -> Result<Self, SessionError> {
        let protocol = &prepared.experiment.protocol;
        let (rig, wait_s) = (&prepared.experiment.rig, prepared.args.wait_s);
        let looks = prepared.looks()?;
        let mut room = Self {
            sources: Vec::new(),
            found: Vec::new(),
            outlet: None,
            answer: None,
            answers_on: None,
            looks: None,
        };
        if protocol.streams.is_empty() {
            // Nothing is measured, so nothing is looked for. A participant would have nothing to answer on.
            return match prepared.person {
                None => Ok(room),
                Some(_) => sources::participant_stream(protocol).map(|_| room),
            };
        }
        // Who is only looked at has no brain that answers.
        let person = prepared.person.as_ref().filter(|_| !sources::is_only_gaze(protocol));
        let Some(person) = person else {
            if !looks.is_empty() {
                room.seat(prepared, looks)?;
                return Ok(room);
            }
            let lsl = sources::load_lsl(prepared.network)?;
            room.find(sources::find_all(&lsl, protocol, rig, wait_s, None)?);
            return Ok(room);
        };
        let stream = sources::participant_stream(protocol)?;
        let brain = super::participant::prepare(
            person,
            &prepared.lowered,
            stream.samples,
            prepared.args.seed,
            prepared.population()?,
        )?;
        (room.answer, room.answers_on) = (Some((stream.samples.rate_hz, brain)), Some(stream.source));
        let lsl = match prepared.args.in_process {
            true => None,
            false => sources::load_lsl(prepared.network)
                .inspect_err(|error| {
                    crate::voice::tell(format_args!("{error}\nthe participant stays inside the process"));
                })
                .ok(),
        };
        let Some(lsl) = lsl else {
            room.seat(prepared, looks)?;
            return Ok(room);
        };
        if !looks.is_empty() {
            let text = "--responses: [[look]] is for a participant inside the process: give --in-process";
            return Err(SessionError::Usage(text.into()));
        }
        let tag = std::process::id().to_string();
        let spec = super::participant::outlet_spec(person, stream.samples, &stream.stream.lsl_type, &tag);
        room.outlet = Some(SampleOutlet::new(&lsl, &spec)?);
        let by_name = Some((stream.source, spec.name.as_str()));
        room.find(sources::find_all(&lsl, protocol, rig, wait_s, by_name)?);
        Ok(room)
    }

    /// Everything inside the process.
    fn seat(&mut self, prepared: &Prepared, looks: Vec<Look>) -> Result<(), SessionError> {
        self.sources = prepared.seat(&looks)?;
        self.found = self.sources.iter().map(|_| None).collect();
        self.looks = Some(looks);
        Ok(())
    }

    /// Everything over LSL.
    fn find(&mut self, found: Vec<(Source, Found)>) {
        (self.sources, self.found) = found.into_iter().map(|(source, found)| (source, Some(found))).unzip();
    }

    /// Whether a script moves the eyes.
    pub(super) fn is_scripted(&self) -> bool {
        self.looks.as_ref().is_some_and(|looks| !looks.is_empty())
    }

    /// Eyes inside the process, where the protocol wants a gaze.
    pub(super) fn open_eyes(&mut self, prepared: &Prepared, inlets: &mut Inlets) -> Option<Eyes> {
        let looks = self.looks.take()?;
        let sink = inlets.take_sink(sources::gaze_of(&prepared.experiment.protocol)?)?;
        prepared.open_eyes(sink, looks)
    }

    /// Starts a thread for each source; each waits at the barrier.
    ///
    /// # Errors
    /// When one cannot be started.
    pub(super) fn spawn_inlets(
        &mut self,
        ports: Vec<SourcePorts>,
        wake: &Thread,
        ending: &Ending,
        barrier: &Arc<Barrier>,
        rights: &Rights,
    ) -> Result<Inlets, SessionError> {
        let mut inlets = Inlets { samples: Vec::new(), markers: Vec::new(), sinks: Vec::new() };
        for (id, (ports, found)) in ports.into_iter().zip(self.found.drain(..)).enumerate() {
            let source = &self.sources[id];
            let source_id = SourceId(id as u16);
            let Some(found) = found else {
                // Inside the process: the participant's own thread, or the eyes', fills these rings; nobody else waits for it.
                inlets.sinks.push((id, sources::sink(&self.sources, id, ports)?));
                let barrier = Arc::clone(barrier);
                spawn("inlet-in-process", move || {
                    barrier.wait();
                })?;
                continue;
            };
            let (at_start, rights) = (Arc::clone(barrier), rights.clone());
            let thread = ThreadPorts {
                wake: wake.clone(),
                stop: Arc::clone(&ending.over),
                on_start: Box::new(move || {
                    rights.enter(Role::Inlet);
                    at_start.wait();
                }),
            };
            match (ports, &source.kind) {
                (SourcePorts::Samples(ports), Kind::Samples { map, .. }) => {
                    let (name, map) = (source.name.clone(), map.clone());
                    let plan = InletPlan {
                        source: source_id,
                        name,
                        map,
                        max_chunk: MAX_CHUNK,
                        discard_backlog: true,
                    };
                    inlets.samples.push(acquisition::spawn_inlet(found, plan, ports, thread)?);
                }
                (SourcePorts::Markers(ports), Kind::Markers(codes)) => {
                    let (name, codes) = (source.name.clone(), codes.clone());
                    let plan = MarkerPlan { source: source_id, name, codes, discard_backlog: true };
                    inlets.markers.push(acquisition::spawn_markers(found, plan, ports, thread)?);
                }
                _ => return Err(SessionError::ThreadFailed(format!("inlet-{}", source.name))),
            }
        }
        Ok(inlets)
    }

    /// How the participant answers, if one does.
    pub(super) fn take_way(&mut self, sink: Option<ChunkSink>) -> Result<Option<Way>, SessionError> {
        Ok(match (self.answer.is_some(), self.outlet.take(), sink) {
            (false, _, _) => None,
            (true, Some(outlet), _) => Some(Way::Outlet(outlet)),
            (true, None, Some(sink)) => Some(Way::Sink(Box::new(sink))),
            (true, None, None) => return Err(SessionError::ThreadFailed("participant".into())),
        })
    }
}

/// The inlets' threads.
pub(super) struct Inlets {
    samples: Vec<InletThread>,
    markers: Vec<MarkerThread>,
    /// Of the sources inside the process.
    sinks: Vec<(usize, ChunkSink)>,
}

impl Inlets {
    /// The sink of a source inside the process.
    pub(super) fn take_sink(&mut self, source: usize) -> Option<ChunkSink> {
        let place = self.sinks.iter().position(|(of, _)| *of == source)?;
        Some(self.sinks.swap_remove(place).1)
    }

    /// Waits for the threads.
    ///
    /// # Errors
    /// When one failed.
    pub(super) fn join(self) -> Result<(), SessionError> {
        for inlet in self.samples {
            inlet.join()?;
        }
        for inlet in self.markers {
            inlet.join()?;
        }
        Ok(())
    }
}
