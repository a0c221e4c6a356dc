//! After preparation a participant allocates nothing: its own binary, since the allocator is the process's.
#![allow(clippy::unwrap_used, reason = "a test that cannot set up has failed")]

mod common;

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use common::*;
use participant::{Effects, Participant, Person, nominal};

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

#[test]
fn seeing_sampling_and_reset_do_not_allocate() {
    does_not_allocate(nominal());
}

#[test]
fn nor_do_adaptation_attention_saccades_blinks_and_dropouts() {
    does_not_allocate(&nominal().clone().with(&Effects::NAMES).unwrap());
}

fn does_not_allocate(person: &Person) {
    let frames = eight_frames(0.8);
    let mut p = Participant::prepare(person, &setup(COUNTERPHASE, 1)).unwrap();
    let mut out = [0.0; 8];
    let mut last = 0.0;
    assert_no_alloc(|| {
        for _ in 0..2 {
            let mut frame = 0;
            // Longer than the ring of frames.
            for i in 0..6000 {
                while frame_ns(frame) <= sample_ns(i) {
                    p.see(frame_ns(frame), &frames[(frame % 8) as usize]);
                    frame += 1;
                }
                last = p.sample(sample_ns(i), &mut out).response_uv;
            }
            p.reset();
        }
    });
    assert!(last > 0.3, "{last}");
}
