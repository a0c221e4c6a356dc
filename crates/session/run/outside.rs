//! A program outside in a session: an outlet that tells it each decision, an inlet for what it replies, and a thread for
//! each way, so that a slow program never holds up the loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use acquisition::{
    AcquisitionError, ChannelFormat, Found, OutletSpec, ReplyPorts, ReplyThread, SampleOutlet, ThreadPorts,
    Want, find,
};
use protocol::{Fallback, Gives, Outside, Protocol};
use timeline::ring::ring;
use timeline::{Event, Reply, State, ns_from_s, s_from_ns};

use super::carriers::Carriers;
use super::sources;
use crate::error::SessionError;
use crate::turns::OutsidePort;

/// States that may wait for the outlet, and replies for the loop.
const WAITING: usize = 1024;
/// Events that may wait for the recorder: at ten pumps a second, more than a program sends that means well.
const EVENTS: usize = 1 << 14;
/// How long the outlet's thread sleeps where nothing wakes it.
const TICK: Duration = Duration::from_millis(5);

/// LSL type of the stream that tells states.
const STATE_TYPE: &str = "State";
/// LSL type of the stream of replies.
const REPLY_TYPE: &str = "Reply";
/// Channels of the stream that tells states.
const STATE_LABELS: [&str; 7] =
    ["state", "value", "spread", "set_point", "contrast", "window_start_s", "window_end_s"];

/// Lowers `[outside]`.
pub fn lower(outside: &Outside) -> closedloop::OutsidePlan {
    closedloop::OutsidePlan {
        gives: match outside.gives {
            Gives::Contrast => closedloop::Gives::Contrast,
            Gives::Value => closedloop::Gives::Value,
        },
        deadline_ns: ns_from_s(outside.deadline_s),
        fallback: match outside.fallback {
            Fallback::Hold => closedloop::Fallback::Hold,
            Fallback::Grey => closedloop::Fallback::Grey,
            Fallback::Inside => closedloop::Fallback::Inside,
        },
    }
}

/// A program that was found, before anything runs.
pub struct Guest {
    outlet: SampleOutlet,
    found: Found,
    channels: usize,
}

/// A program that is told states; it is listened to as soon as there is a loop.
pub struct Told {
    teller: JoinHandle<Result<(), SessionError>>,
    found: Found,
    channels: usize,
    replies: ReplyPorts,
}

/// Its threads.
pub struct GuestThreads {
    teller: JoinHandle<Result<(), SessionError>>,
    listener: ReplyThread,
}

impl Guest {
    /// Makes the outlet, then waits for the program's stream.
    ///
    /// # Errors
    /// When LSL is not there, or no such stream comes in time: better before a person sits down than after.
    pub fn meet(protocol: &Protocol, network: bool, wait_s: f64) -> Result<Option<Self>, SessionError> {
        let Some(outside) = &protocol.outside else { return Ok(None) };
        let lsl = sources::load_lsl(network)?;
        let outlet = SampleOutlet::new(&lsl, &state_spec(outside, protocol))?;
        let want =
            Want { name: Some(outside.replies.clone()), stream_type: REPLY_TYPE.into(), timeout_s: wait_s };
        let found = find(&lsl, &want)?;
        let channels = reply_channels(outside.gives);
        if found.info.channel_count != channels {
            let (stream, found) = (found.info.name.clone(), found.info.channel_count);
            return Err(AcquisitionError::ReplyChannels { stream, found, wanted: channels }.into());
        }
        Ok(Some(Self { outlet, found, channels }))
    }

    /// What the manifest keeps of it.
    pub fn describe(&self) -> serde_json::Value {
        let info = &self.found.info;
        serde_json::json!({
            "stream": info.name, "source_id": info.source_id, "channels": info.channel_count,
            "format": info.format.name(),
        })
    }

    /// Lays the rings and starts the thread that tells states; `enter` is where it waits for the session to begin.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn tell(
        self,
        carriers: &mut Carriers,
        over: &Arc<AtomicBool>,
        enter: impl FnOnce() + Send + 'static,
    ) -> Result<Told, SessionError> {
        let Self { mut outlet, found, channels } = self;
        let (states, mut told) = ring::<State>(WAITING);
        let (loop_replies, replies) = ring::<Reply>(WAITING);
        let (events, recorded) = ring::<Event>(EVENTS);
        let stop = Arc::clone(over);
        let body = move || {
            enter();
            while !stop.load(Ordering::Acquire) {
                while let Some(state) = told.pop() {
                    outlet.push(&[s_from_ns(state.at_ns)], &row(&state))?;
                }
                thread::park_timeout(TICK);
            }
            Ok(())
        };
        let failed = |error| SessionError::Thread { name: "outside".into(), error };
        let teller = thread::Builder::new().name("outside".into()).spawn(body).map_err(failed)?;
        carriers.driver.invite(OutsidePort { states, replies, wake: Some(teller.thread().clone()) });
        carriers.pump.hear(recorded);
        Ok(Told { teller, found, channels, replies: ReplyPorts { loop_replies, events } })
    }
}

impl Told {
    /// Starts the thread that takes replies.
    ///
    /// # Errors
    /// When the stream does not answer.
    pub fn listen(self, thread: ThreadPorts) -> Result<GuestThreads, SessionError> {
        let Self { teller, found, channels, replies } = self;
        let listener = acquisition::spawn_replies(found, "outside".into(), channels, replies, thread)?;
        Ok(GuestThreads { teller, listener })
    }
}

impl GuestThreads {
    /// Waits for both.
    ///
    /// # Errors
    /// What LSL failed in; that the program is gone is none.
    pub fn join(self) -> Result<(), SessionError> {
        let told = self.teller.join().map_err(|_| SessionError::ThreadFailed("outside".into()))?;
        self.listener.join()?;
        told
    }
}

fn reply_channels(gives: Gives) -> usize {
    match gives {
        Gives::Contrast => 2,
        Gives::Value => 3,
    }
}

fn state_spec(outside: &Outside, protocol: &Protocol) -> OutletSpec {
    let response = protocol.controller.as_ref().map(protocol::Controller::response);
    let [low, high] = response.map_or([0.0, 1.0], |response| [response.contrast_min, response.contrast_max]);
    let (gives, wanted) = match outside.gives {
        Gives::Contrast => ("contrast", "state, contrast"),
        Gives::Value => ("value", "state, value, spread"),
    };
    let desc = [
        ("gives", gives.to_owned()),
        ("wanted_channels", wanted.to_owned()),
        ("deadline_s", outside.deadline_s.to_string()),
        ("contrast_min", low.to_string()),
        ("contrast_max", high.to_string()),
    ];
    OutletSpec {
        name: outside.states.clone(),
        stream_type: STATE_TYPE.into(),
        channel_labels: STATE_LABELS.map(str::to_owned).to_vec(),
        positions_mm: Vec::new(),
        units: ["", "microvolts", "microvolts", "microvolts", "", "s", "s"].map(str::to_owned).to_vec(),
        rate_hz: 0.0,
        format: ChannelFormat::Double64,
        source_id: format!("photic-{}", outside.states),
        time_scale: 1.0,
        desc: desc.map(|(name, text)| (name.to_owned(), text)).to_vec(),
    }
}

fn row(state: &State) -> [f64; STATE_LABELS.len()] {
    let [start_ns, end_ns] = state.window_ns;
    let window = [s_from_ns(start_ns), s_from_ns(end_ns)];
    [state.index as f64, state.value, state.spread, state.set_point, state.contrast, window[0], window[1]]
}
