//! One eye or both: by the colours of an anaglyph's glasses, or by halves of the screen.

use protocol::{Eye, Stereo};
use stimulus::Element;
use stimulus::element::{Paint, Pattern};

use super::Lowering;
use crate::error::SessionError;

impl Lowering<'_> {
    /// Puts an element where the eyes that shall see it do.
    pub(super) fn to_eyes(&self, element: Element, elements: &mut Vec<Element>) -> Result<(), SessionError> {
        let eye = self.stimulus.look.eye;
        match self.experiment.rig.screen.stereo {
            None if eye == Eye::Both => elements.push(element),
            None => {
                let reason = "eye: the rig does not tell the eyes apart (stereo in [screen] says how)";
                return Err(self.refuse(reason.into()));
            }
            Some(Stereo::Anaglyph) => {
                let channels = match eye {
                    Eye::Both => [true; 3],
                    Eye::Left => [true, false, false],
                    Eye::Right => [false, true, true],
                };
                if let Paint::Modulate(direction) = element.paint
                    && !direction.iter().zip(channels).any(|(&part, is_seen)| is_seen && part != 0.0)
                {
                    let reason = "eye: through the anaglyph's glasses this eye sees nothing of the colour (left red, right green and blue)";
                    return Err(self.refuse(reason.into()));
                }
                elements.push(Element { channels, ..element });
            }
            Some(Stereo::SideBySide) => {
                let seen = [(-1.0, Eye::Left), (1.0, Eye::Right)];
                let seen = seen.into_iter().filter(|&(_, of)| eye == Eye::Both || eye == of);
                elements.extend(seen.map(|(side, _)| self.in_half(&element, side)));
            }
        }
        Ok(())
    }

    /// A copy in the left (-1) or right (1) half of the screen, which cuts it off.
    fn in_half(&self, element: &Element, side: f64) -> Element {
        let size = [f64::from(self.screen.width_px), f64::from(self.screen.height_px)];
        // Whole pixels, so that what lies on pixels still does.
        let shift_px = side * (0.25 * size[0]).round();
        let middle = (0.5 * size[0]).round();
        let mut copy = element.clone();
        copy.place.center_px[0] += shift_px;
        if let Pattern::Noise { left_px, .. } = &mut copy.pattern {
            *left_px += shift_px as i32;
        }
        // A pixel belongs to the half in which its centre lies.
        copy.clip_px =
            Some(if side < 0.0 { [0.0, 0.0, middle, size[1]] } else { [middle, 0.0, size[0], size[1]] });
        copy
    }
}
