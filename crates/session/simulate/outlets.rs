//! Where the simulated participant's samples, gaze and markers go.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use acquisition::{AcquisitionError, ChannelFormat, MarkerOutlet, OutletSpec, SampleOutlet};
use lsl::Lsl;
use participant::{Gaze, Participant};
use timeline::{ns_from_s, s_from_ns};

use super::Room;
use crate::error::SessionError;
use crate::run::sources::ParticipantStream;

/// Radius of the head whose electrodes the description places.
const HEAD_MM: f64 = 85.0;

/// What is known of the sending, for the summary and for the clock.
#[derive(Default)]
pub struct Ledger {
    /// Machine's clock less own time, in ns, at the chunk that is sent next.
    pub offset_ns: AtomicI64,
    /// Samples that were sent.
    pub sent: AtomicU64,
    /// Samples that drop-outs took.
    pub lost: AtomicU64,
}

/// All outlets of one participant.
pub struct Outlets {
    samples: SampleOutlet,
    gaze: Option<SampleOutlet>,
    markers: Option<MarkerOutlet>,
    ledger: Arc<Ledger>,
    stamps_s: Vec<f64>,
    gaze_stamps_s: Vec<f64>,
    gaze_values: Vec<f64>,
    before: Gaze,
    was_lost: bool,
    happened: Vec<(f64, &'static str)>,
}

impl Outlets {
    /// Opens them; they are visible at once.
    ///
    /// # Errors
    /// When liblsl refuses, or the gaze is wanted of somebody who has none.
    pub fn open(
        lsl: &Lsl,
        room: &Room,
        stream: ParticipantStream<'_>,
        name: &str,
        gaze: bool,
        markers: bool,
    ) -> Result<Self, SessionError> {
        let effects = &room.person.effects;
        if gaze && effects.saccades.is_none() && effects.blinks.is_none() {
            let text = "--gaze: the eyes of this participant stand still: switch them on with --with saccades or blinks";
            return Err(SessionError::Usage(text.into()));
        }
        let spec = spec(room, stream, name);
        let gaze = gaze.then(|| SampleOutlet::new(lsl, &gaze_spec(&spec))).transpose()?;
        let of_markers = format!("{name}-markers");
        let markers = markers
            .then(|| MarkerOutlet::new(lsl, &of_markers, "Markers", &source_id(room, &of_markers), &[]))
            .transpose()?;
        Ok(Self {
            samples: SampleOutlet::new(lsl, &spec)?,
            gaze,
            markers,
            ledger: Arc::default(),
            stamps_s: Vec::new(),
            gaze_stamps_s: Vec::new(),
            gaze_values: Vec::new(),
            before: Gaze::default(),
            was_lost: false,
            happened: Vec::new(),
        })
    }

    /// What is known of the sending.
    pub fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.ledger)
    }

    /// Waits until somebody reads the samples; `false` when the time ran out.
    pub fn wait_for_consumers(&self, timeout_s: f64) -> bool {
        self.samples.wait_for_consumers(timeout_s)
    }

    /// Marker outlet for what is shown, if markers are offered.
    pub fn shown_markers(lsl: &Lsl, room: &Room, name: &str) -> Result<MarkerOutlet, AcquisitionError> {
        let name = format!("{name}-shown");
        MarkerOutlet::new(lsl, &name, "Markers", &source_id(room, &name), &[])
    }

    fn live_s(&self, own_s: f64) -> f64 {
        s_from_ns(ns_from_s(own_s) + self.ledger.offset_ns.load(Ordering::Relaxed))
    }
}

fn source_id(room: &Room, name: &str) -> String {
    format!("photic-simulate-{name}-{}", room.seed)
}

/// The stream of samples, with what a recorder should know of where it comes from.
fn spec(room: &Room, stream: ParticipantStream<'_>, name: &str) -> OutletSpec {
    let labels = stream.samples.channels.clone();
    let place = |label: &String| participant::position(label).map(|place| place.map(|part| part * HEAD_MM));
    OutletSpec {
        name: name.to_owned(),
        stream_type: stream.stream.lsl_type.clone(),
        positions_mm: labels.iter().filter_map(place).collect(),
        channel_labels: labels,
        units: vec!["microvolts".into()],
        rate_hz: stream.samples.rate_hz,
        format: ChannelFormat::Float32,
        source_id: source_id(room, name),
        time_scale: 1.0,
        desc: vec![
            ("manufacturer".into(), "Photic".into()),
            ("simulated_participant".into(), room.person.name.clone()),
            ("participant_toml".into(), room.person.describe()),
            ("seed".into(), room.seed.to_string()),
        ],
    }
}

fn gaze_spec(samples: &OutletSpec) -> OutletSpec {
    OutletSpec {
        name: format!("{}-gaze", samples.name),
        stream_type: "Gaze".into(),
        channel_labels: ["x", "y", "lid"].map(str::to_owned).to_vec(),
        units: ["degrees", "degrees", "closed"].map(str::to_owned).to_vec(),
        source_id: format!("{}-gaze", samples.source_id),
        positions_mm: Vec::new(),
        ..samples.clone()
    }
}

impl crate::run::participant::Taker for Outlets {
    fn sampled(&mut self, at_ns: i64, participant: &Participant) {
        let at_s = s_from_ns(at_ns);
        if participant.lost() {
            self.ledger.lost.fetch_add(1, Ordering::Relaxed);
        }
        if participant.lost() != self.was_lost {
            self.was_lost = participant.lost();
            self.happened.push((at_s, if self.was_lost { "dropout" } else { "dropout end" }));
        }
        let Some(gaze) = participant.gaze() else { return };
        if gaze.saccades > self.before.saccades {
            self.happened.push((at_s, "saccade"));
        }
        if gaze.blinks > self.before.blinks {
            self.happened.push((at_s, "blink"));
        }
        self.before = gaze;
        if self.gaze.is_some() {
            self.gaze_stamps_s.push(at_s);
            self.gaze_values.extend([gaze.x_deg, gaze.y_deg, gaze.lid]);
        }
    }

    fn chunk(&mut self, stamps_s: &[f64], values: &[f64]) -> Result<(), AcquisitionError> {
        let mut live_s = std::mem::take(&mut self.stamps_s);
        live_s.clear();
        live_s.extend(stamps_s.iter().map(|&own_s| self.live_s(own_s)));
        self.samples.push(&live_s, values)?;
        self.ledger.sent.fetch_add(stamps_s.len() as u64, Ordering::Relaxed);
        live_s.clear();
        live_s.extend(self.gaze_stamps_s.iter().map(|&own_s| self.live_s(own_s)));
        if let Some(gaze) = &mut self.gaze {
            // An eye tracker has a link of its own, so the amplifier's drop-outs are not its.
            gaze.push(&live_s, &self.gaze_values)?;
        }
        self.gaze_stamps_s.clear();
        self.gaze_values.clear();
        self.stamps_s = live_s;
        let happened = std::mem::take(&mut self.happened);
        for &(own_s, what) in &happened {
            let stamp_s = self.live_s(own_s);
            if let Some(markers) = &mut self.markers {
                markers.push(stamp_s, what)?;
            }
        }
        self.happened = happened;
        self.happened.clear();
        Ok(())
    }
}
