//! `[arms]`: what a blinded trial allocates its participants to.

use crate::error::ProtocolError;
use crate::experiment::{Decoder, Protocol};
use crate::reader::Table;

/// The most participants that a block of the allocation may hold.
const LARGEST_BLOCK: u64 = 1_000;

/// The arms of a trial, and how participants are allocated to them: by permuted blocks (Pocock 1983, Clinical Trials,
/// ch. 5), whose sizes may be drawn so that nobody can guess the last of a block (ICH E9, section 2.3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arms {
    /// Sizes of blocks in participants, each a multiple of the sum of the ratios; with more than one, each block's is
    /// drawn.
    pub block_sizes: Vec<u32>,
    /// The arms, at least two.
    pub arms: Vec<Arm>,
}

/// One arm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arm {
    /// Its name.
    pub name: String,
    /// Participants of this arm for each in another arm of ratio 1.
    pub ratio: u32,
    /// What drives its feedback.
    pub kind: ArmKind,
}

/// What drives the feedback of an arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArmKind {
    /// `"active"`: what is decoded of the person.
    Active,
    /// `"sham"`: a surrogate of an earlier session's decoder values, with their mean and spectrum and nobody's course.
    Sham,
    /// `"yoked"`: the decoder values of an earlier session, as they were.
    Yoked,
}

impl ArmKind {
    /// As the protocol writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Sham => "sham",
            Self::Yoked => "yoked",
        }
    }
}

impl Arms {
    /// Sum of the ratios.
    pub fn parts(&self) -> u32 {
        self.arms.iter().map(|arm| arm.ratio).sum()
    }
}

/// Reads the table; decoder, controller and outside must have been read.
pub(crate) fn read_arms(root: &Table<'_>, key: &str, protocol: &Protocol) -> Result<Arms, ProtocolError> {
    let table = root.table(key, &["block_sizes", "arm"])?;
    let decodes = matches!(protocol.decoder, Some(Decoder::SsvepAmplitude(_)));
    if !decodes || protocol.controller.is_none() {
        let text = "it needs tables [decoder.ssvep_amplitude] and [controller.*]: the arms differ in what the controller is fed";
        return Err(table.itself(text));
    }
    if protocol.outside.is_some() {
        return Err(table.itself("it cannot stand beside [outside], which would be told what the arm is"));
    }
    let mut arms: Vec<Arm> = Vec::new();
    for arm in table.list("arm", &["name", "ratio", "kind"])? {
        let kinds = [ArmKind::Active, ArmKind::Sham, ArmKind::Yoked].map(|kind| (kind.name(), kind));
        let name = arm.text("name")?;
        if arms.iter().any(|other| other.name == name) {
            return Err(arm.refuse("name", "a name that no other arm has"));
        }
        arms.push(Arm {
            name,
            ratio: arm.integer("ratio", 1..=100)? as u32,
            kind: arm.choice("kind", &kinds)?,
        });
    }
    let is_control = |arm: &Arm| arm.kind != ArmKind::Active;
    if arms.iter().all(is_control) || !arms.iter().any(is_control) {
        return Err(table.refuse("arm", "at least one active arm and one that is sham or yoked"));
    }
    let sizes = table.integers("block_sizes", None, 1..=LARGEST_BLOCK)?;
    let arms = Arms { block_sizes: sizes.into_iter().map(|size| size as u32).collect(), arms };
    let parts = arms.parts();
    if arms.block_sizes.is_empty() || arms.block_sizes.iter().any(|size| size % parts != 0) {
        return Err(table.refuse("block_sizes", format!("multiples of {parts}, the sum of the ratios")));
    }
    Ok(arms)
}
