//! Replies of a program outside: numbers at irregular instants, handed to recorder and loop as they came.

use std::sync::atomic::Ordering;

use lsl::ChannelFormat;
use timeline::clock::now_ns;
use timeline::ring::Writer;
use timeline::{Event, Notice, NoticeKind, Reply};

use crate::error::AcquisitionError;
use crate::find::Found;
use crate::inlet::{Line, PULL_TIMEOUT_S, Running, ThreadPorts, start};

/// The most replies taken at once.
const MAX_CHUNK: usize = 64;

/// Where replies go.
pub struct ReplyPorts {
    /// To the loop.
    pub loop_replies: Writer<Reply>,
    /// To the recorder.
    pub events: Writer<Event>,
}

/// The pure part: a sample becomes a reply.
pub struct ReplySink {
    ports: ReplyPorts,
    next: u64,
    lost: i64,
}

impl ReplySink {
    /// Takes the writing ends.
    pub fn new(ports: ReplyPorts) -> Self {
        Self { ports, next: 0, lost: 0 }
    }

    /// Takes a sample: the state that it answers, the value, and the standard error where there is one. The recorder has it
    /// before the loop: what a recorded turn took must be in the file before the turn is.
    pub fn accept(&mut self, at_ns: i64, values: &[f64]) {
        let ReplyPorts { loop_replies, events } = &mut self.ports;
        if loop_replies.vacant() == 0 || events.vacant() < 2 {
            self.lost += 1;
            return;
        }
        if self.lost > 0 {
            let (kind, count) = (NoticeKind::RepliesLost, std::mem::take(&mut self.lost));
            let _ = events.push(Event::Notice(Notice { at_ns, kind, source: None, count, value: 0.0 }));
        }
        let number = |at: usize| values.get(at).copied().unwrap_or(f64::NAN);
        let reply = Reply { index: self.next, at_ns, state: number(0), value: number(1), spread: number(2) };
        let _ = events.push(Event::Reply(reply));
        let _ = loop_replies.push(reply);
        self.next += 1;
    }
}

/// A running thread of replies.
pub struct ReplyThread(Running<()>);

impl ReplyThread {
    /// Waits for the end (set `stop` before).
    ///
    /// # Errors
    /// When liblsl failed in another way than by losing the program, which is waited for.
    pub fn join(self) -> Result<(), AcquisitionError> {
        self.0.join()
    }
}

/// Subscribes to the stream of a program outside and starts the thread that pulls it; `channels` is how many numbers a
/// reply has.
///
/// # Errors
/// When the stream carries texts or another number of channels, or does not answer in time.
pub fn spawn_replies(
    found: Found,
    name: String,
    channels: usize,
    ports: ReplyPorts,
    thread: ThreadPorts,
) -> Result<ReplyThread, AcquisitionError> {
    let info = &found.info;
    if info.format == ChannelFormat::String {
        let (stream, found) = (info.name.clone(), info.format.name());
        return Err(AcquisitionError::Format { stream, found, wanted: "replies are numbers" });
    }
    if info.channel_count != channels {
        let (stream, found) = (info.name.clone(), info.channel_count);
        return Err(AcquisitionError::ReplyChannels { stream, found, wanted: channels });
    }
    let mut sink = ReplySink::new(ports);
    let mut line = Line::open(found, name)?;
    let name = line.thread_name();
    let running = start(name, move || {
        let ThreadPorts { wake, stop, on_start } = thread;
        let mut stamps_s = vec![0.0; MAX_CHUNK];
        let mut values = vec![0.0; MAX_CHUNK * channels];
        on_start();
        line.begin(true);
        while !stop.load(Ordering::Relaxed) {
            match line.inlet.pull_f64(&mut stamps_s, &mut values, PULL_TIMEOUT_S) {
                Ok(0) => {}
                Ok(count) => {
                    let arrival_ns = now_ns();
                    for reply in values.chunks_exact(channels).take(count) {
                        sink.accept(arrival_ns, reply);
                    }
                    wake.unpark();
                }
                Err(error) => line.recover(error, &stop)?,
            }
        }
        line.end();
        Ok(())
    });
    running.map(ReplyThread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use timeline::ring::ring;

    /// What the loop is handed is on record, and what could not be is told with its number.
    #[test]
    fn a_flood_is_cut_off_and_told() {
        let (loop_replies, mut replies) = ring(4);
        let (events, mut recorded) = ring(16);
        let mut sink = ReplySink::new(ReplyPorts { loop_replies, events });
        for at in 0..10 {
            sink.accept(at, &[at as f64, 0.5]);
        }
        let taken: Vec<Reply> = std::iter::from_fn(|| replies.pop()).collect();
        assert_eq!(taken.iter().map(|reply| reply.index).collect::<Vec<_>>(), [0, 1, 2, 3]);
        sink.accept(10, &[f64::NAN]);
        let last = replies.pop().unwrap();
        assert!(last.index == 4 && last.state.is_nan() && last.value.is_nan() && last.spread.is_nan());
        let events: Vec<Event> = std::iter::from_fn(|| recorded.pop()).collect();
        let told = events.iter().find_map(|event| match event {
            Event::Notice(notice) => Some((notice.kind, notice.count)),
            _ => None,
        });
        assert_eq!(told, Some((NoticeKind::RepliesLost, 6)));
        let on_record = events.iter().filter(|event| matches!(event, Event::Reply(_))).count();
        assert_eq!(on_record, 5);
    }
}
