//! The model without the loop: fitted once to the probes, one picture synthesised, nothing learnt from it.

use timeline::{Purpose, Request};

use crate::features::Eyes;
use crate::{Canvas, Planner, PlannerError, Proposal, Settings};

/// Optimiser steps of the one picture over those of a picture in the closed loop: there is time for it.
const STEPS: u32 = 5;

/// The open loop.
pub struct OpenLoop {
    planner: Planner,
    /// The picture, from when it is made.
    made: Option<Proposal>,
    handed: u64,
}

impl OpenLoop {
    /// Prepares an open loop with the model, probes and prior of the closed one.
    ///
    /// # Errors
    /// As [`Planner::new`].
    pub fn new(canvas: Canvas, settings: Settings, eyes: Eyes) -> Result<Self, PlannerError> {
        let steps = settings.steps.saturating_mul(STEPS);
        // The mean alone: what is uncertain will never be known better.
        let settings = Settings { steps, exploration: 0.0, ..settings };
        Ok(Self { planner: Planner::new(canvas, settings, eyes)?.unjudged(), made: None, handed: 0 })
    }

    /// Picture 0, which calibration shows.
    pub fn first(&self) -> &[f32] {
        self.planner.first()
    }

    /// A probe; after the last of them the picture, again and again. Before it there is no incumbent (picture 0); from when it
    /// is made it is the incumbent, since nothing that is measured of it can change that.
    ///
    /// # Errors
    /// As [`Planner::propose`].
    pub fn propose(
        &mut self,
        request: &Request,
        is_over: &mut dyn FnMut() -> bool,
    ) -> Result<Proposal, PlannerError> {
        if let Some(made) = &self.made {
            self.handed += 1;
            return Ok(Proposal {
                picture: self.handed,
                purpose: Purpose::Repeat,
                iterations: 0,
                ..made.clone()
            });
        }
        let mut proposal = self.planner.propose(request, is_over)?;
        self.handed = proposal.picture;
        proposal.incumbent = 0;
        if !matches!(proposal.purpose, Purpose::ProbeNatural | Purpose::ProbeGabor) {
            proposal.incumbent = proposal.picture;
            self.made = Some(proposal.clone());
        }
        Ok(proposal)
    }
}
