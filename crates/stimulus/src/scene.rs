//! What a frame shows: elements on neutral grey, each a pure function of the frame.

use crate::element::{Aperture, Course, Element, Modulation, Moment, Now, Outline, Paint, Pattern, Wave};
use crate::flicker::Flicker;
use crate::picture::Picture;
use crate::screen::Screen;
use crate::sheet::Source;

/// Linear luminance of the neutral grey, which is also the mean of every pattern.
pub const MEAN_LUMINANCE: f64 = 0.5;

/// How far apart rectangles lie that share no pixel, whatever the rounding.
const APART_PX: f64 = 1e-2;

/// What the display can be told to show. The scene's id is its place in the list that `display` was prepared with; place
/// 0 is always the neutral grey field, [`Scene::grey`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scene {
    /// What is on the grey, from the lowest to the topmost.
    pub elements: Vec<Element>,
    /// How they change; elements that change alike share one.
    pub courses: Vec<Course>,
    /// The course that the photodiode patch follows.
    pub patch_course: Option<usize>,
    /// Frames in which one picture goes over into the next, where a command names it; 0 and 1 are a cut.
    pub cross_fade_frames: u32,
}

impl Scene {
    /// The neutral grey field.
    pub fn grey() -> Self {
        Self::default()
    }

    /// One element with its course; the patch follows it.
    pub fn of(element: Element, course: Course) -> Self {
        let element = Element { course: 0, ..element };
        Self { elements: vec![element], courses: vec![course], patch_course: Some(0), cross_fade_frames: 0 }
    }

    /// A flickering sine grating in a round window with a raised-cosine edge.
    pub fn grating(grating: &Grating) -> Self {
        let Grating { cycles_per_px, phase, center_px, diameter_px, edge_px, flicker } = *grating;
        let pattern = Pattern::Grating { cycles_per_px, phase, wave: Wave::Sine };
        let outline = Outline::Ellipse { radii_px: [0.5 * diameter_px; 2] };
        let element = Element::new(center_px, pattern, Aperture::new(outline, edge_px), Paint::ACHROMATIC, 0);
        Self::of(element, Course::flickering(flicker))
    }

    /// A flickering picture that a command names.
    pub fn picture(picture: &Picture) -> Self {
        let pattern = Pattern::Values(picture.sheet());
        let element = Element::new(picture.center_px(), pattern, Aperture::OPEN, Paint::ACHROMATIC, 0);
        Self::of(element, Course::flickering(picture.flicker))
    }

    /// All elements of several scenes on top of each other, the last one's topmost. The patch follows the first whose patch follows
    /// a flicker or a code; the first that has one, where nothing flickers.
    pub fn together(scenes: &[&Self]) -> Self {
        let mut all = Self::grey();
        let mut patches = Vec::new();
        for scene in scenes {
            let (first, courses) = (all.courses.len(), scene.courses.iter().cloned());
            all.courses.extend(courses);
            all.elements.extend(scene.elements.iter().cloned().map(|mut element| {
                element.course += first;
                element
            }));
            all.cross_fade_frames = all.cross_fade_frames.max(scene.cross_fade_frames);
            patches.extend(scene.patch_course.map(|course| course + first));
        }
        let flickers = |course: &usize| all.courses[*course].modulation != Modulation::Steady;
        all.patch_course = patches.iter().copied().find(flickers).or(patches.first().copied());
        all
    }

    /// Whether it shows nothing.
    pub fn is_grey(&self) -> bool {
        self.elements.is_empty()
    }

    /// Whether red, green and blue are always alike.
    pub fn is_achromatic(&self) -> bool {
        self.elements.iter().all(Element::is_achromatic)
    }

    /// What its courses come to in a frame. `out` has one value per course; nothing is allocated.
    pub fn courses_at(&self, moment: &Moment, out: &mut [Now]) {
        for (now, course) in out.iter_mut().zip(&self.courses) {
            *now = course.now(moment);
        }
    }

    /// Whether the photodiode patch is white in a frame. Black on grey.
    pub fn patch_is_white(&self, moment: &Moment) -> bool {
        let course = self.patch_course.and_then(|course| self.courses.get(course));
        course.is_some_and(|course| course.modulation.patch_is_white(moment))
    }

    /// The flicker that the patch follows, if the scene has one.
    pub fn flicker(&self) -> Option<&Flicker> {
        self.courses.get(self.patch_course?)?.flicker()
    }

    /// Whether a command names what is in it.
    pub fn picture_sheet(&self) -> Option<(&Element, &crate::sheet::Sheet)> {
        self.elements.iter().find_map(|element| match &element.pattern {
            Pattern::Values(sheet) if sheet.source == Source::Command => Some((element, sheet)),
            _ => None,
        })
    }

    /// Whether no two elements ever share a pixel: none of them moves, and their rectangles lie apart.
    pub fn is_scattered(&self) -> bool {
        let still = |element: &Element| self.courses.get(element.course).is_some_and(Course::is_still);
        if !self.elements.iter().all(still) {
            return false;
        }
        let mut all: Vec<[f64; 4]> =
            self.elements.iter().map(|element| element.bounds_px(&Now::NONE)).collect();
        all.sort_by(|a, b| a[1].total_cmp(&b[1]));
        // From the top down: only those that begin above another's lower edge can touch it. What is on the edge is nobody's to
        // count on in 32 bits.
        all.iter().enumerate().all(|(place, [left, _, right, bottom])| {
            let below = all[place + 1..].iter().take_while(|next| next[1] < bottom + APART_PX);
            below.into_iter().all(|next| next[0] > right + APART_PX || next[2] < left - APART_PX)
        })
    }

    /// Whether anything in it lies where the person looks.
    pub fn follows_gaze(&self) -> bool {
        self.courses.iter().any(|course| course.follows_gaze)
    }

    /// Whether frames differ in the amplitudes of patterns alone, so that light is separable in space and time: nothing
    /// moves, drifts or covers.
    pub fn is_separable(&self) -> bool {
        // What a user wrote may change with time as it likes.
        let modulates = |element: &Element| {
            let is_still = !matches!(element.pattern, Pattern::Image(_) | Pattern::Own(_));
            is_still && matches!(element.paint, Paint::Modulate(_))
        };
        self.courses.iter().all(Course::is_separable) && self.elements.iter().all(modulates)
    }

    /// The highest spatial frequency in cycles per px; `None` when the scene has no pattern.
    pub fn highest_frequency_per_px(&self) -> Option<f64> {
        let frequencies =
            self.elements.iter().filter_map(|element| element.pattern.highest_frequency_per_px());
        frequencies.reduce(f64::max)
    }
}

/// The measures of [`Scene::grating`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grating {
    /// Wave vector in cycles per px (x to the right, y down); see [`Screen::wave_vector`].
    pub cycles_per_px: [f64; 2],
    /// Phase of the cosine at the centre, in cycles.
    pub phase: f64,
    /// Centre of the window, in px from the top left corner.
    pub center_px: [f64; 2],
    /// Diameter at which the window reaches 0.
    pub diameter_px: f64,
    /// Width of the raised-cosine edge, inside the diameter; below 1 px the edge is hard.
    pub edge_px: f64,
    /// Its flicker.
    pub flicker: Flicker,
}

/// The square in a corner of the screen that a photodiode looks at. It is no part of the scene: the retina does not see
/// it, because the diode covers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patch {
    /// Left edge.
    pub x_px: u32,
    /// Upper edge.
    pub y_px: u32,
    /// Side; 0 means no patch.
    pub size_px: u32,
}

impl Patch {
    /// No patch.
    pub const NONE: Patch = Patch { x_px: 0, y_px: 0, size_px: 0 };

    /// A patch in the lower right corner, at most as large as the screen.
    pub fn lower_right(screen: &Screen, size_px: u32) -> Self {
        let size_px = size_px.min(screen.width_px).min(screen.height_px);
        Self { x_px: screen.width_px - size_px, y_px: screen.height_px - size_px, size_px }
    }

    /// Whether pixel (column, row) belongs to it.
    pub fn covers(&self, column: u32, row: u32) -> bool {
        let within = |at: u32, from: u32| at >= from && at - from < self.size_px;
        within(column, self.x_px) && within(row, self.y_px)
    }
}
