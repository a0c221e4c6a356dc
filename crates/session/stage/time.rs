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
        let span = look.seen_s.map(|seen_s| self.seen(seen_s)).transpose()?;
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

    /// When it is seen.
    fn seen(&self, [from_s, to_s]: [f64; 2]) -> Result<Span, SessionError> {
        let frames =
            |s| whole_frames("seen_s", s, self.screen.refresh_hz).map_err(|reason| self.refuse(reason));
        let (from, to) = (frames(from_s)?, frames(to_s)?);
        if from == to {
            return Err(self.refuse(format!("seen_s = [{from_s}, {to_s}]: no refresh lies between the two")));
        }
        Ok(Span::once(from, to))
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
        let key = match flicker.kind {
            protocol::FlickerKind::Counterphase => "counterphase_hz",
            protocol::FlickerKind::OnOff => "on_off_hz",
        };
        let request = FlickerRequest::new(kind, waveform, flicker.frequency_hz)
            .with_phase(flicker.phase_deg.unwrap_or(0.0).to_radians());
        let made = match (flicker.repair, flicker.phase_deg) {
            (true, _) => request.repair(refresh_hz).map(|repaired| self.told(repaired, key)),
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
                true => {
                    let repaired = Code::repair(bits, code.bit_rate_hz, refresh_hz);
                    repaired.map(|repaired| self.told(repaired, "frequency_hz"))
                }
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
            let refresh_hz = self.screen.refresh_hz;
            let near = match wanted.floor() {
                0.0 => format!("{refresh_hz:.4} per second is the most"),
                floor => format!(
                    "nearest are {:.4} and {:.4} per second",
                    refresh_hz / wanted.ceil(),
                    refresh_hz / floor
                ),
            };
            return Err(self.refuse(format!(
                "{rate_hz} per second are {wanted:.4} frames each at {refresh_hz} Hz; whole frames are shown: {near}"
            )));
        }
        let frames = frames as u32;
        Ok(if repeat { Renewal::Every { frames, count } } else { Renewal::Once { frames, count } })
    }

    /// Keeps what was repaired, in the protocol's own keys and units.
    fn told<T>(&mut self, repaired: Repaired<T>, frequency_key: &str) -> T {
        let (name, part) = (&self.stimulus.name, &self.part);
        // Six digits, and no more where fewer say it.
        let short = |value: f64| (value * 1e6).round() / 1e6;
        let changes = repaired.changes.iter().map(|change| {
            let (key, asked, made) = match change.key {
                "frequency_hz" => (frequency_key, change.asked, change.made),
                "phase_rad" => ("phase_deg", change.asked.to_degrees(), change.made.to_degrees()),
                key => (key, change.asked, change.made),
            };
            format!("stimulus `{name}`{part}: {key} {} -> {}", short(asked), short(made))
        });
        self.shared.repairs.extend(changes);
        repaired.value
    }
}

/// The refreshes that a time takes: whole ones, to within a tenth of a refresh or, as a rig's refresh is measured, a part in a
/// thousand. Where it takes none, the reason names the key and the nearest that do.
pub(crate) fn whole_frames(key: &str, s: f64, refresh_hz: f64) -> Result<u64, String> {
    let wanted = s * refresh_hz;
    let whole = wanted.round();
    if (wanted - whole).abs() <= (1e-3 * wanted).max(0.1) {
        return Ok(whole as u64);
    }
    let near = [wanted.floor(), wanted.ceil()].map(|frames| frames / refresh_hz);
    Err(format!(
        "{key} = {s} is {wanted:.2} refreshes at {refresh_hz} Hz; whole ones are shown: nearest are {:.6} and {:.6} s",
        near[0], near[1]
    ))
}
