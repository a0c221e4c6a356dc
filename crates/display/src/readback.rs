//! What comes back from the GPU of each frame, its checksum and its retina: a ring of prepared buffers that are mapped
//! asynchronously.
//!
//! The retina is taken before the governor decides; what its verdict leaves of the frame is done to the row here.
//! Both are stamped with the flip of their frame, never with the moment of the read-back. When every buffer is in use the
//! frame's are skipped and counted; nothing waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use stimulus::MEAN_LUMINANCE;
use stimulus::checksum::Checksum;
use stimulus::safety::Shown;
use stimulus::safety::light::lowered;
use timeline::ring::{RowHead, RowWriter};
use timeline::{Drawn, Flip, s_from_ns};

use crate::governor::{self, VERDICT_BYTES};

/// Buffers in the ring: one being drawn to, two in flight, one being read.
const BUFFERS: usize = 4;

const FREE: u8 = 0;
const IN_FLIGHT: u8 = 1;
const MAPPED: u8 = 2;
const FAILED: u8 = 3;

/// Bytes of the checksum, which comes first.
pub(crate) const CHECKSUM_BYTES: u64 = 16;

/// Bytes before the retina's cells: checksum and verdict, and four more, because a copy's place is a multiple of eight.
pub(crate) const HEAD: u64 = CHECKSUM_BYTES + VERDICT_BYTES + 4;

/// Reads frames' checksums and retinas back; hands the latter on as rows.
pub(crate) struct Readback {
    writer: Option<RowWriter>,
    cells: usize,
    governed: bool,
    last: Candidate,
    slots: [Slot; BUFFERS],
    pub(crate) rows: u64,
    pub(crate) skipped: u64,
}

/// The last candidate that the governor showed.
struct Candidate {
    /// What was left of its contrast, of 65535.
    attenuation: u32,
    /// Its retina with that.
    retina: Vec<f64>,
}

struct Slot {
    buffer: wgpu::Buffer,
    /// Shared with the callback that wgpu runs when the buffer is mapped.
    state: Arc<AtomicU8>,
    frame: u64,
    onset_ns: i64,
    /// Whether its flip is final: in a window that is known when it was presented, or a refresh later where the screen paces.
    known: bool,
}

impl Readback {
    /// For a retina of this many cells.
    pub(crate) fn prepare(
        device: &wgpu::Device,
        cells: usize,
        governed: bool,
        writer: Option<RowWriter>,
    ) -> Self {
        let slots = std::array::from_fn(|_| Slot {
            buffer: device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("read-back"),
                size: HEAD + 4 * cells as u64,
                usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            }),
            state: Arc::new(AtomicU8::new(FREE)),
            frame: 0,
            onset_ns: 0,
            known: true,
        });
        let last = Candidate { attenuation: Drawn::WHOLE, retina: vec![MEAN_LUMINANCE; cells] };
        Self { writer, cells, governed, last, slots, rows: 0, skipped: 0 }
    }

    /// The same on another device. What was on its way is lost.
    pub(crate) fn renew(&mut self, device: &wgpu::Device) {
        let lost = self.slots.iter().filter(|slot| slot.state.load(Ordering::Acquire) != FREE).count();
        let (rows, skipped) = (self.rows, self.skipped + lost as u64);
        *self =
            Self { rows, skipped, ..Self::prepare(device, self.cells, self.governed, self.writer.take()) };
    }

    /// A buffer for the next frame; `None` (counted) when all are in use.
    pub(crate) fn free(&mut self) -> Option<usize> {
        let free = self.slots.iter().position(|slot| slot.state.load(Ordering::Acquire) == FREE);
        self.skipped += u64::from(free.is_none());
        free
    }

    pub(crate) fn buffer(&self, slot: usize) -> &wgpu::Buffer {
        &self.slots[slot].buffer
    }

    /// The copy into this buffer was submitted: map it when it is done.
    pub(crate) fn submitted(&mut self, slot: usize, flip: &Flip, known: bool) {
        let slot = &mut self.slots[slot];
        slot.frame = flip.frame;
        slot.onset_ns = flip.onset_ns;
        slot.known = known;
        slot.state.store(IN_FLIGHT, Ordering::Release);
        let state = Arc::clone(&slot.state);
        slot.buffer.map_async(wgpu::MapMode::Read, .., move |result| {
            state.store(if result.is_ok() { MAPPED } else { FAILED }, Ordering::Release);
        });
    }

    /// When the frame was seen is known now.
    pub(crate) fn known(&mut self, flip: &Flip) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| !slot.known && slot.frame == flip.drawn_for()) {
            (slot.frame, slot.onset_ns, slot.known) = (flip.frame, flip.onset_ns, true);
        }
    }

    /// Hands the oldest finished row on, and returns its checksum. `None` when nothing is finished.
    pub(crate) fn collect(&mut self) -> Option<Drawn> {
        while let Some(oldest) = self.oldest_done() {
            let slot = &mut self.slots[oldest];
            let mut drawn = None;
            if slot.state.load(Ordering::Acquire) == MAPPED {
                let last = self.governed.then_some(&mut self.last);
                drawn = take(slot, self.writer.as_mut(), last, &mut self.rows);
                slot.buffer.unmap();
            }
            slot.state.store(FREE, Ordering::Release);
            if drawn.is_some() {
                return drawn;
            }
        }
        None
    }

    /// The oldest buffer in use, if it is done: rows leave in the order of their frames.
    fn oldest_done(&self) -> Option<usize> {
        let state = |slot: &Slot| slot.state.load(Ordering::Acquire);
        let in_use = self.slots.iter().enumerate().filter(|(_, slot)| state(slot) != FREE);
        let (oldest, slot) = in_use.min_by_key(|(_, slot)| slot.frame)?;
        (slot.known && matches!(state(slot), MAPPED | FAILED)).then_some(oldest)
    }

    /// Rows that the ring refused.
    pub(crate) fn refused(&self) -> u64 {
        self.writer.as_ref().map_or(0, RowWriter::refused)
    }
}

/// A finished buffer; `last` where a governor decides what is shown.
fn take(
    slot: &Slot,
    writer: Option<&mut RowWriter>,
    mut last: Option<&mut Candidate>,
    rows: &mut u64,
) -> Option<Drawn> {
    let view = slot.buffer.get_mapped_range(..).ok()?;
    let (head, cells) = view.split_at_checked(HEAD as usize)?;
    let verdict = last.as_ref().and_then(|_| governor::read(&head[CHECKSUM_BYTES as usize..]));
    if let Some((last, verdict)) = last.as_mut().zip(verdict)
        && verdict.shown == Shown::Candidate
    {
        last.attenuation = verdict.attenuation;
        let seen = f32_values(cells).map(|light| lowered(light, verdict.attenuation));
        last.retina.iter_mut().zip(seen).for_each(|(kept, light)| *kept = light);
    }
    if let Some(writer) = writer {
        let row = RowHead { index: slot.frame, stamp_s: s_from_ns(slot.onset_ns), at_ns: slot.onset_ns };
        *rows += u64::from(match last.as_ref().zip(verdict) {
            Some((last, verdict)) => {
                writer.push(row, last.retina.iter().map(|&light| lowered(light, verdict.gain)))
            }
            None => writer.push(row, f32_values(cells)),
        });
    }
    let mut sums = [0; 4];
    for (sum, bytes) in sums.iter_mut().zip(head.as_chunks::<4>().0) {
        *sum = u32::from_le_bytes(*bytes);
    }
    let checksum = Checksum(sums).halves();
    let plain =
        Drawn { frame: slot.frame, at_ns: slot.onset_ns, checksum, shown: 0, gain: Drawn::WHOLE, broken: 0 };
    Some(last.zip(verdict).map_or(plain, |(last, verdict)| Drawn {
        shown: verdict.shown as u32,
        // A candidate is held with the contrast that was left to it then.
        gain: (u64::from(verdict.gain) * u64::from(last.attenuation) / u64::from(Drawn::WHOLE)) as u32,
        broken: verdict.flags,
        ..plain
    }))
}

/// The values of a buffer of f32.
pub(crate) fn f32_values(bytes: &[u8]) -> impl Iterator<Item = f64> + '_ {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes)))
}
