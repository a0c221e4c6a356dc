//! Images, letters, shapes and marks.

use protocol::{Colour, FixationForm, ShapeForm};
use stimulus::element::{Aperture, Contrast, Course, Outline, Paint, Pattern, Renewal, Span};
use stimulus::sheet::{Between, Sheet, Source, Transfer};
use stimulus::{Dkl, Element, Gamut, MEAN_LUMINANCE, letters};

use super::file::Picture;
use super::kept::{Namer, UsedFile};
use super::{Lowering, Part};
use crate::error::SessionError;

/// Half the size of what lies around a form, over the screen's diagonal: a position and the gaze may each be off the screen.
const REACH: f64 = 4.0;

impl Lowering<'_> {
    pub(super) fn image(&mut self, image: &protocol::Image) -> Result<Vec<Part>, SessionError> {
        let files = std::slice::from_ref(&image.file);
        self.images(files, image.width_deg, image.transfer, Renewal::Never)
    }

    pub(super) fn sequence(&mut self, sequence: &protocol::Sequence) -> Result<Vec<Part>, SessionError> {
        let count = sequence.files.len() as u32;
        let renewal = self.renewal(sequence.rate_hz, count, sequence.repeat)?;
        self.images(&sequence.files, sequence.width_deg, sequence.transfer, renewal)
    }

    fn images(
        &mut self,
        files: &[String],
        width_deg: f64,
        transfer: protocol::Transfer,
        renewal: Renewal,
    ) -> Result<Vec<Part>, SessionError> {
        let width_px = self.screen.size_px(width_deg);
        let transfer = match transfer {
            protocol::Transfer::Srgb => Transfer::Srgb,
            protocol::Transfer::Linear => Transfer::Linear,
        };
        let first = self.shared.sheets.images.len() as u32;
        let mut size = None;
        for file in files {
            let path = self.experiment.files.path(Namer::Protocol, file);
            let (picture, sha256) = Picture::read(&path).map_err(|reason| self.refuse(reason))?;
            self.shared.used.push(UsedFile { name: file.clone(), path, sha256 });
            let picture = picture.at_most(width_px.round().max(1.0) as u32, transfer);
            let found = [picture.texels.width, picture.texels.height];
            let first = *size.get_or_insert(found);
            if first != found {
                let reason = format!(
                    "`{file}` is {} x {} px as shown, the first of the sequence {} x {} px: all must be alike",
                    found[0], found[1], first[0], first[1]
                );
                return Err(self.refuse(reason));
            }
            self.shared.sheets.images.push(picture.texels);
        }
        let [width, height] = size.unwrap_or([1, 1]);
        let texel_px = width_px / f64::from(width);
        let whole = (texel_px - texel_px.round()).abs() < 0.5 / f64::from(width.max(height));
        let texel_px = if whole { texel_px.round().max(1.0) } else { texel_px };
        let between = if whole { Between::Nearest } else { Between::Linear };
        let sheet = Sheet { source: Source::Place(first), width, height, texel_px, between, transfer };
        // An image's colours are its own; the paint is not used.
        let element = self.element(Pattern::Image(sheet), Aperture::OPEN, Paint::ACHROMATIC);
        let element = if whole { self.on_pixels(element) } else { element };
        Ok(vec![Part::new(element, Course { renewal, ..self.course()? })])
    }

    pub(super) fn text(&mut self, text: &protocol::Text) -> Result<Vec<Part>, SessionError> {
        let colour = self.own_light("colour")?;
        let element = self.letters(&text.text, text.letter_deg, colour)?;
        Ok(vec![Part::new(element, self.course()?)])
    }

    pub(super) fn words(&mut self, words: &protocol::Words) -> Result<Vec<Part>, SessionError> {
        let colour = self.own_light("colour")?;
        // Each word has a size of its own, so each is an element that is seen in its turn.
        let renewal = self.renewal(words.rate_hz, words.words.len() as u32, words.repeat)?;
        let frames = match renewal {
            Renewal::Every { frames, .. } | Renewal::Once { frames, .. } => u64::from(frames),
            Renewal::Never => 1,
        };
        let count = words.words.len() as u64;
        let mut parts = Vec::new();
        for (place, word) in words.words.iter().enumerate() {
            let element = self.letters(word, words.letter_deg, colour)?;
            let from = place as u64 * frames;
            let stays = !words.repeat && place as u64 + 1 == count;
            let to = if stays { u64::MAX } else { from + frames };
            let every = if words.repeat { count * frames } else { 0 };
            let course = Course { span: Some(Span { from, to, every }), ..self.course()? };
            parts.push(Part::new(element, course));
        }
        Ok(parts)
    }

    /// A text as an element, on whole pixels.
    pub(super) fn letters(
        &mut self,
        text: &str,
        letter_deg: f64,
        colour: [f64; 3],
    ) -> Result<Element, SessionError> {
        let set = letters::set(text, self.screen.size_px(letter_deg));
        let texels = set.map_err(|error| self.refuse(format!("\"{text}\": {error}")))?;
        let (width, height) = (texels.width, texels.height);
        let sheet = Sheet {
            source: Source::Place(self.keep(texels)),
            width,
            height,
            texel_px: 1.0,
            between: Between::Nearest,
            transfer: Transfer::Linear,
        };
        let element = self.element(Pattern::Values(sheet), Aperture::OPEN, Paint::Stencil(colour));
        Ok(self.on_pixels(element))
    }

    pub(super) fn shape(&mut self, shape: &protocol::Shape) -> Result<Vec<Part>, SessionError> {
        let half = |deg: f64| 0.5 * self.screen.size_px(deg);
        let outline = match shape.form {
            ShapeForm::Ellipse(size) => Outline::Ellipse { radii_px: size.map(half) },
            ShapeForm::Rectangle(size) => Outline::Rectangle { half_px: size.map(half) },
            ShapeForm::Ring([inner, outer]) => Outline::Sector {
                inner_px: half(inner),
                outer_px: half(outer),
                middle_rad: 0.0,
                half_rad: std::f64::consts::TAU,
            },
            ShapeForm::Polygon { corners, diameter_deg } => {
                Outline::Polygon { corners, radius_px: half(diameter_deg) }
            }
            ShapeForm::Cross([length, width]) => {
                Outline::Cross { arm_px: half(length), half_px: half(width) }
            }
            ShapeForm::Screen => Outline::Open,
        };
        let aperture = Aperture::new(outline, self.screen.size_px(shape.edge_deg));
        let aperture = Aperture { inverted: shape.inverted, ..aperture };
        let element = self.element(Pattern::Uniform, aperture, self.cover_or_direction()?);
        let screen = [f64::from(self.screen.width_px), f64::from(self.screen.height_px)];
        let element = match shape.form {
            ShapeForm::Screen => element.with_half_px(screen.map(|size| 0.5 * size)),
            // However it is turned, and wherever the person looks, it reaches the edges.
            _ if shape.inverted => {
                let reach = REACH * libm::hypot(screen[0], screen[1]);
                element.with_half_px([reach; 2]).turned(shape.orientation_deg.to_radians())
            }
            _ => element.turned(shape.orientation_deg.to_radians()),
        };
        Ok(vec![Part::new(element, self.course()?)])
    }

    pub(super) fn fixation(&mut self, fixation: &protocol::FixationMark) -> Result<Vec<Part>, SessionError> {
        let colour = self.own_light("colour")?;
        let radius = 0.5 * self.screen.size_px(fixation.diameter_deg);
        let disc = |radius: f64| Outline::Ellipse { radii_px: [radius; 2] };
        // Proportions of the mark ABC of Thaler et al. 2013: 0.6 deg, and 0.2 deg the inner disc and the bars.
        let bar = radius / 3.0;
        let forms: Vec<(Outline, [f64; 3])> = match fixation.form {
            FixationForm::Dot => vec![(disc(radius), colour)],
            FixationForm::Cross => vec![(Outline::Cross { arm_px: radius, half_px: bar / 2.0 }, colour)],
            FixationForm::Bullseye => vec![
                (disc(radius), colour),
                (Outline::Cross { arm_px: radius, half_px: bar }, [MEAN_LUMINANCE; 3]),
                (disc(bar), colour),
            ],
        };
        let elements = forms
            .into_iter()
            .map(|(outline, colour)| {
                let paint = Paint::Cover { low: colour, high: colour };
                self.element(Pattern::Uniform, Aperture::new(outline, 0.0), paint)
            })
            .collect();
        Ok(vec![Part { elements, course: Course { contrast: Contrast::Own(1.0), ..self.course()? } }])
    }

    /// Moves an element so that its texels lie on pixels once the look's position is added.
    pub(super) fn on_pixels(&self, mut element: Element) -> Element {
        if let [offset] = self.centres_px(&self.stimulus.look)[..] {
            let place = &mut element.place;
            for ((center, half), offset) in place.center_px.iter_mut().zip(place.half_px).zip(offset) {
                *center = (*center + offset - half).round() + half - offset;
            }
        }
        element
    }

    // ------------------------------------------------------------------------------------------------ colours

    /// The light of a stimulus that must say its colour.
    pub(super) fn own_light(&self, key: &str) -> Result<[f64; 3], SessionError> {
        match &self.stimulus.look.colour {
            Some(colour) => self.light(key, colour),
            None => Err(self.refuse(format!("it needs a {key}, as in {key} = {{ rgb = [0.0, 0.0, 0.0] }}"))),
        }
    }

    /// Linear light of a colour.
    pub(super) fn light(&self, key: &str, colour: &Colour) -> Result<[f64; 3], SessionError> {
        let screen = self.screen;
        let light = match *colour {
            Colour::Rgb(rgb) => rgb,
            Colour::Luminance(cd_m2) => {
                let range = screen.luminance_max_cd_m2 - screen.luminance_min_cd_m2;
                [(cd_m2 - screen.luminance_min_cd_m2) / range; 3]
            }
            Colour::Xy(xy, cd_m2) => {
                let light = self.gamut(key)?.rgb_of_xy(xy, cd_m2);
                light.map_err(|error| self.refuse(format!("{key}: {error}")))?
            }
            Colour::ConeContrast(_) | Colour::Dkl(_) => {
                self.contrast(key, colour)?.map(|part| MEAN_LUMINANCE * (1.0 + part))
            }
        };
        if light.iter().any(|part| !(0.0..=1.0).contains(part)) {
            return Err(self.refuse(format!(
                "{key}: linear light {light:.3?} is beyond what the screen shows, 0 to 1 ({} to {} cd/m2)",
                screen.luminance_min_cd_m2, screen.luminance_max_cd_m2
            )));
        }
        Ok(light)
    }

    /// Along which direction of colour a pattern changes the grey, times this.
    pub(super) fn direction(&self, times: f64) -> Result<Paint, SessionError> {
        let direction = match self.stimulus.look.colour {
            None => [1.0; 3],
            Some(Colour::Rgb(rgb)) => rgb,
            Some(Colour::Luminance(_) | Colour::Xy(..)) => {
                let reason = "colour: what changes the grey wants a direction: rgb, cone_contrast or dkl";
                return Err(self.refuse(reason.into()));
            }
            Some(ref colour @ (Colour::ConeContrast(_) | Colour::Dkl(_))) => {
                self.contrast("colour", colour)?
            }
        };
        Ok(Paint::Modulate(direction.map(|part| times * part)))
    }

    /// A contrast of cones as one of red, green and blue about the grey, which the screen must have room for.
    fn contrast(&self, key: &str, colour: &Colour) -> Result<[f64; 3], SessionError> {
        let gamut = self.gamut(key)?;
        let cones = match *colour {
            Colour::Dkl([luminance, l_minus_m, s]) => gamut.cone_contrast_of(Dkl { luminance, l_minus_m, s }),
            Colour::ConeContrast(cones) => cones,
            Colour::Rgb(rgb) => gamut.cone_contrast(rgb),
            Colour::Luminance(_) | Colour::Xy(..) => [0.0; 3],
        };
        let change =
            gamut.modulation_in_gamut(cones).map_err(|error| self.refuse(format!("{key}: {error}")))?;
        Ok(change.map(|part| part / MEAN_LUMINANCE))
    }

    fn gamut(&self, key: &str) -> Result<&Gamut, SessionError> {
        self.shared.gamut.as_ref().ok_or_else(|| {
            self.refuse(format!("{key}: the rig does not say its primaries ([screen.primaries])"))
        })
    }

    /// With a colour a shape covers the grey, without one it changes it.
    pub(super) fn cover_or_direction(&self) -> Result<Paint, SessionError> {
        match &self.stimulus.look.colour {
            None => Ok(Paint::ACHROMATIC),
            Some(colour) => {
                let high = self.light("colour", colour)?;
                // At a contrast of 0 it is the grey itself.
                let low = high.map(|part| 2.0 * MEAN_LUMINANCE - part);
                Ok(Paint::Cover { low, high })
            }
        }
    }
}
