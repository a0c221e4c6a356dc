//! The earlier session whose decoder values a sham or a yoked arm is fed.

use std::path::Path;

use protocol::Protocol;
use random::Random;
use recording::RecordedSession;
use timeline::NoticeKind;

use crate::counterfactual::surrogate;
use crate::error::SessionError;
use crate::summary::read_protocol;

/// Fewer values than this are nobody's course.
const LEAST: usize = 8;

/// What is taken of it.
pub struct Donor {
    /// Name of its folder.
    pub name: String,
    /// Value and standard error in uV of each decision with a set point, in their order.
    pub values: Vec<[f64; 2]>,
    /// Its calibrated amplitude in uV, where its calibration was trusted.
    pub calibrated_uv: Option<f64>,
}

impl Donor {
    /// Opens it.
    ///
    /// # Errors
    /// When it cannot be read, or held other set points with another decoder than this protocol: its values would not be
    /// of this experiment.
    pub fn open(path: &Path, protocol: &Protocol) -> Result<Self, SessionError> {
        let session = RecordedSession::open(path)?;
        let refuse = |reason: String| SessionError::Argument {
            argument: format!("--donor {}", path.display()),
            reason,
        };
        let theirs = read_protocol(&session).ok_or_else(|| refuse("its protocol cannot be read".into()))?;
        if theirs.decoder != protocol.decoder {
            return Err(refuse("it was decoded otherwise: the [decoder.*] tables differ".into()));
        }
        if theirs.blocks != protocol.blocks {
            return Err(refuse("it went otherwise: the [[block]] tables differ".into()));
        }
        let held = session.decisions.iter().filter(|decision| decision.set_point.is_some());
        let values: Vec<[f64; 2]> = held
            .map(|decision| [decision.value, decision.spread])
            .filter(|[value, spread]| value.is_finite() && spread.is_finite())
            .collect();
        if values.len() < LEAST {
            let found = values.len();
            return Err(refuse(format!("it has {found} decisions with a set point, {LEAST} are needed")));
        }
        let calibrated = session.notices.iter().rfind(|notice| notice.kind == NoticeKind::Calibrated);
        Ok(Self {
            name: session.folder.stem().to_owned(),
            values,
            calibrated_uv: calibrated.map(|notice| notice.value).filter(|uv| *uv > 0.0),
        })
    }

    /// Values with the mean and the spectrum of the donor's and random phases (Theiler et al. 1992, Physica D 58:77), so
    /// that their course is nobody's; the standard errors as they were.
    pub fn surrogate(&self, seed: u64, stream: u64) -> Vec<[f64; 2]> {
        let course: Vec<f64> = self.values.iter().map(|[value, _]| *value).collect();
        let made = surrogate(&course, 1, &mut Random::new(seed, stream));
        made.into_iter().zip(&self.values).map(|(value, [_, spread])| [value, *spread]).collect()
    }
}
