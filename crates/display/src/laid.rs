//! Scenes as the element pass reads them: rows of bytes, and which of them one draw call takes.

use std::collections::BTreeMap;
use std::ops::Range;

use stimulus::element::Pattern;
use stimulus::own::{FIXED_NUMBERS, MOST_PARAMETERS, Own};
use stimulus::{Element, Scene};

use crate::uniform::{Case, InstanceRow};

/// Neighbouring elements of the same case: one draw call.
pub(crate) struct Draw {
    pub(crate) pipeline: usize,
    pub(crate) instances: Range<u32>,
}

/// What the elements of all scenes come to.
#[derive(Default)]
pub(crate) struct Laid {
    pub(crate) instances: Vec<u8>,
    /// Of own patterns.
    pub(crate) numbers: Vec<u8>,
    /// With the place of each one's pipeline.
    pub(crate) cases: BTreeMap<Case, usize>,
}

impl Laid {
    /// Appends a scene's instances; returns how to draw them.
    pub(crate) fn lay(&mut self, scene: &Scene) -> Vec<Draw> {
        let mut draws: Vec<Draw> = Vec::new();
        for element in &scene.elements {
            let next = self.cases.len();
            let pipeline = *self.cases.entry(Case::of(element)).or_insert(next);
            let place = (self.instances.len() / InstanceRow::SIZE) as u32;
            let row = self.row(element);
            self.instances.extend(row);
            match draws.last_mut() {
                Some(draw) if draw.pipeline == pipeline => draw.instances.end = place + 1,
                _ => draws.push(Draw { pipeline, instances: place..place + 1 }),
            }
        }
        draws
    }

    fn row(&mut self, element: &Element) -> [u8; InstanceRow::SIZE] {
        let mut row = InstanceRow::of(element);
        if let Pattern::Own(own) = &element.pattern {
            // Copies of one stimulus share their numbers.
            let bytes = numbers_of(own);
            if !self.numbers.ends_with(&bytes) {
                self.numbers.extend(bytes);
            }
            InstanceRow::set_numbers(&mut row, ((self.numbers.len() - bytes.len()) / 4) as u32);
        }
        row
    }
}

/// What `shaders/own.wgsl` reads for an element.
fn numbers_of(own: &Own) -> [u8; 4 * (FIXED_NUMBERS + MOST_PARAMETERS)] {
    let mut bytes = [0; 4 * (FIXED_NUMBERS + MOST_PARAMETERS)];
    let numbers = [own.px_per_deg, own.frame_s].into_iter().chain(own.parameters);
    for (place, number) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(numbers) {
        *place = number.to_le_bytes();
    }
    bytes
}
