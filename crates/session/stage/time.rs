//! What a stimulus does over time: flickers, codes and fades that the refresh can make, or that are repaired on wish.

use protocol::{CodeKind, Waveform};
use stimulus::code::{GoldSet, apa, bits_of, de_bruijn, golay_pair, m_sequence, modulated};
use stimulus::element::{Contrast, Course, Fade, Modulation, Renewal, Span};
use stimulus::{Code, Flicker, FlickerKind, FlickerRequest, Repaired};

use super::Lowering;
use crate::error::SessionError;

impl Lowering<'_> {
    /// The course that the look says: what it is multiplied with, whose contrast it is, and when it is seen.
    pub(super) fn course(&mut self) -> Result<Course, SessionError> {
        let look = &self.stimulus.look;
        let frames = |s: f64| (s * self.screen.refresh_hz).round() as u64;
        let span = look.seen_s.map(|[from, to]| Span::once(frames(from), frames(to)));
        let contrast = look.own_contrast.map_or(Contrast::Commanded(1.0), Contrast::Own);
        let modulation = match &look.course {
            protocol::Course::Steady | protocol::Course::Fade { .. } => Modulation::Steady,
            protocol::Course::Flicker(flicker) => self.modulation(flicker)?,
            protocol::Course::Code(code) => {
                Modulation::Code { code: self.code(code)?, reverses: code.reverses }
            }
        };
        let fade = match &look.course {
            protocol::Course::Fade { after_s, over_s } => {
                Some(Fade { after: frames(*after_s), frames: frames(*over_s).max(1) })
            }
            _ => None,
        };
        Ok(Course { modulation, contrast, fade, span, ..Course::STEADY })
    }

    /// The flicker of a stimulus that must have one.
    pub(super) fn flicker_of_course(&mut self) -> Result<Flicker, SessionError> {
        match &self.stimulus.look.course {
            protocol::Course::Flicker(flicker) => self.flicker(flicker),
            _ => Err(self.refuse("it needs a flicker".into())),
        }
    }

    pub(super) fn modulation(&mut self, flicker: &protocol::Flicker) -> Result<Modulation, SessionError> {
        let realised = self.flicker(flicker)?;
        Ok(match flicker.phase_deg {
            None => Modulation::Flicker(realised),
            Some(_) => Modulation::OnsetFlicker(realised),
        })
    }

    /// The flicker that the refresh really makes.
    fn flicker(&mut self, flicker: &protocol::Flicker) -> Result<Flicker, SessionError> {
        let kind = match flicker.kind {
            protocol::FlickerKind::Counterphase => FlickerKind::Counterphase,
            protocol::FlickerKind::OnOff => FlickerKind::OnOff,
        };
        let waveform = match flicker.waveform {
            Waveform::Sine => stimulus::Waveform::Sine,
            Waveform::Square => stimulus::Waveform::Square,
        };
        let refresh_hz = self.screen.refresh_hz;
        let request = FlickerRequest::new(kind, waveform, flicker.frequency_hz)
            .with_phase(flicker.phase_deg.unwrap_or(0.0).to_radians());
        let made = match (flicker.repair, flicker.phase_deg) {
            (true, _) => request.repair(refresh_hz).map(|repaired| self.told(repaired)),
            (false, Some(_)) => request.realise(refresh_hz),
            // Without a phase of its own a cycle has four frames or more, so that a decoder that counts refreshes sees it.
            (false, None) => Flicker::realise(kind, flicker.frequency_hz, waveform, refresh_hz),
        };
        made.map_err(|error| SessionError::Flicker { stimulus: self.stimulus.name.clone(), error })
    }

    /// The code that the refresh really makes.
    pub(super) fn code(&mut self, code: &protocol::Code) -> Result<Code, SessionError> {
        self.code_of(code, &code.kind)
    }

    /// The same with the bits of another code of its family.
    pub(super) fn code_of(&mut self, code: &protocol::Code, kind: &CodeKind) -> Result<Code, SessionError> {
        let bits = match kind {
            CodeKind::MSequence(order) => m_sequence(*order, None, None),
            CodeKind::Gold { order, index } => GoldSet::new(*order).and_then(|set| set.code(*index)),
            CodeKind::DeBruijn(order) => de_bruijn(*order),
            CodeKind::Golay { length, member } => {
                golay_pair(*length).map(|[first, second]| if *member == 0 { first } else { second })
            }
            CodeKind::Apa(length) => apa(*length),
            CodeKind::Bits(text) => bits_of(text),
        };
        let refresh_hz = self.screen.refresh_hz;
        let made = bits.and_then(|bits| {
            let bits = if code.modulated { modulated(&bits) } else { bits };
            match code.repair {
                true => Code::repair(bits, code.bit_rate_hz, refresh_hz).map(|repaired| self.told(repaired)),
                false => Code::realise(bits, code.bit_rate_hz, refresh_hz),
            }
        });
        let made = made.map_err(|error| self.refuse(error.to_string()))?;
        Ok(if code.shift == 0 { made } else { made.shifted(code.shift) })
    }

    /// Sheets or noise that change at a rate which whole frames can make.
    pub(super) fn renewal(&self, rate_hz: f64, count: u32, repeat: bool) -> Result<Renewal, SessionError> {
        let wanted = self.screen.refresh_hz / rate_hz;
        let frames = wanted.round();
        if frames < 1.0 || (wanted - frames).abs() > 1e-6 * frames {
            let near = |frames: f64| self.screen.refresh_hz / frames.max(1.0);
            return Err(self.refuse(format!(
                "{rate_hz} per second are {wanted:.4} frames each at {} Hz; whole frames are shown: nearest are {:.4} and \
                 {:.4} per second",
                self.screen.refresh_hz,
                near(wanted.ceil()),
                near(wanted.floor())
            )));
        }
        let frames = frames as u32;
        Ok(if repeat { Renewal::Every { frames, count } } else { Renewal::Once { frames, count } })
    }

    fn told<T>(&mut self, repaired: Repaired<T>) -> T {
        let name = &self.stimulus.name;
        let changes = repaired.changes.iter().map(|change| format!("stimulus `{name}`: {change}"));
        self.shared.repairs.extend(changes);
        repaired.value
    }
}
