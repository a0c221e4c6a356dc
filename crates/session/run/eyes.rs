//! Eyes inside the process: the gaze stream of a simulated participant, or of a scripted person.

use acquisition::ChunkSink;
use timeline::s_from_ns;

use crate::gaze::GazeWay;

/// How long a chunk is: about what an eye tracker's driver collects.
const CHUNK_S: f64 = 0.004;

/// Where somebody looks from an instant of the run on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// The instant, in ns of the run.
    pub from_ns: i64,
    /// In degrees from the middle of the screen to the right and up; `None` where the eyes are closed.
    pub at_deg: Option<[f64; 2]>,
}

/// Samples of gaze into the carriers.
pub struct Eyes {
    way: GazeWay,
    sink: ChunkSink,
    rate_hz: f64,
    chunk: usize,
    /// In the order of time; before the first the eyes look at the middle.
    looks: Vec<Look>,
    next_look: usize,
    now: Option<[f64; 2]>,
    start_ns: i64,
    next: u64,
    stamps_s: Vec<f64>,
    values: Vec<f64>,
    row: Vec<f64>,
}

impl Eyes {
    /// Opens them: `channels` is what the stream has, `looks` in the order of time.
    pub fn open(way: GazeWay, sink: ChunkSink, rate_hz: f64, channels: usize, looks: Vec<Look>) -> Self {
        let chunk = (CHUNK_S * rate_hz).round().max(1.0) as usize;
        Self {
            way,
            sink,
            rate_hz,
            chunk,
            looks,
            next_look: 0,
            now: Some([0.0; 2]),
            start_ns: 0,
            next: 0,
            stamps_s: Vec::with_capacity(chunk),
            values: Vec::with_capacity(chunk * channels),
            row: vec![0.0; channels],
        }
    }

    /// When the first sample is taken; instants of the script count from here.
    pub fn start(&mut self, start_ns: i64) {
        self.start_ns = start_ns;
    }

    /// When the last sample of the next chunk is due.
    pub fn next_chunk_ns(&self) -> i64 {
        self.sample_ns(self.next + (self.chunk - self.stamps_s.len()) as u64 - 1)
    }

    /// Hands over every chunk of the script that is complete at `now_ns`.
    pub fn advance(&mut self, now_ns: i64) {
        while self.next_chunk_ns() <= now_ns {
            let at_ns = self.sample_ns(self.next) - self.start_ns;
            while let Some(look) = self.looks.get(self.next_look).filter(|look| look.from_ns <= at_ns) {
                self.now = look.at_deg;
                self.next_look += 1;
            }
            self.sample(now_ns);
        }
    }

    /// Somebody looks there since the last call: takes every sample until `at_ns`, and hands over the chunks that are complete
    /// as if at `arrival_ns`.
    pub fn follow(&mut self, at_ns: i64, look_deg: Option<[f64; 2]>, arrival_ns: i64) {
        self.now = look_deg;
        while self.sample_ns(self.next) <= at_ns {
            self.sample(arrival_ns);
        }
    }

    fn sample(&mut self, arrival_ns: i64) {
        self.way.row(self.now, &mut self.row);
        self.stamps_s.push(s_from_ns(self.sample_ns(self.next)));
        // The stream is float32, so what the loop gets has the bits of what is recorded.
        self.values.extend(self.row.iter().map(|&value| f64::from(value as f32)));
        self.next += 1;
        if self.stamps_s.len() == self.chunk {
            self.sink.accept(arrival_ns, &self.stamps_s, &self.values);
            self.stamps_s.clear();
            self.values.clear();
        }
    }

    fn sample_ns(&self, index: u64) -> i64 {
        self.start_ns + (index as f64 * 1e9 / self.rate_hz).round() as i64
    }
}
