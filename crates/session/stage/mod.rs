//! From the stimuli of a protocol, in human units, to scenes and sheets.

mod file;
mod kept;
mod layout;
mod light;
mod own;
mod shown;
mod stereo;
mod targets;
mod time;
mod wave;

pub use kept::{Files, UsedFile, keep};
pub use targets::{Targets, closest};
pub(crate) use time::whole_frames;

use stimulus::element::{Aperture, Course, Paint, Pattern};
use stimulus::sheet::Texels;
use stimulus::{Element, Gamut, Light, Scene, Screen, Sheets};

use crate::error::SessionError;
use crate::experiment::Experiment;

/// Fewest pixels per cycle of a pattern: with fewer, a screen shows something else.
const LEAST_PX_PER_CYCLE: f64 = 4.0;

/// Narrowest thing that is shown: a pixel, with its rounding taken off.
const LEAST_PX: f64 = 0.98;

/// What can be shown.
pub struct Stage {
    /// By scene number; 0 is grey.
    pub scenes: Vec<Scene>,
    /// What their elements look up.
    pub sheets: Sheets,
    /// From linear light to codes.
    pub light: Light,
    /// Colours of the screen, where the rig says its primaries.
    pub gamut: Option<Gamut>,
    /// Files that all of it was made of.
    pub used: Vec<UsedFile>,
    /// What was repaired, because the protocol allows it: in words, with the stimulus's name.
    pub repairs: Vec<String>,
}

/// Lowers all stimuli of a protocol.
///
/// # Errors
/// When the screen cannot make what the protocol wants (flicker, size, detail), or a file is not what it should be.
pub fn lower(experiment: &Experiment, screen: &Screen, seed: u64) -> Result<Stage, SessionError> {
    let mut scenes = vec![Scene::grey()];
    let mut used = Vec::new();
    let light::RigLight { light, gamut } = light::lower(experiment, seed, &mut used)?;
    let mut shared = Shared { sheets: Sheets::default(), repairs: Vec::new(), gamut, used };
    for stimulus in &experiment.protocol.stimuli {
        let mut lowering =
            Lowering { experiment, screen, stimulus, shared: &mut shared, part: String::new() };
        scenes.push(lowering.scene(&scenes).map_err(|error| error.at(&stimulus.place))?);
    }
    let Shared { sheets, repairs, gamut, used } = shared;
    Ok(Stage { scenes, sheets, light, gamut, used, repairs })
}

/// What all stimuli put together.
struct Shared {
    sheets: Sheets,
    repairs: Vec<String>,
    gamut: Option<Gamut>,
    used: Vec<UsedFile>,
}

/// One stimulus on its way.
struct Lowering<'a> {
    experiment: &'a Experiment,
    screen: &'a Screen,
    stimulus: &'a protocol::Stimulus,
    shared: &'a mut Shared,
    /// Which of its targets is being made, in words; empty where there is but one.
    part: String,
}

/// Elements that share one course, still in the middle of the screen.
struct Part {
    elements: Vec<Element>,
    course: Course,
}

impl Part {
    fn new(element: Element, course: Course) -> Self {
        Self { elements: vec![element], course }
    }
}

impl Lowering<'_> {
    /// The scene of the stimulus; `before` are those of the stimuli before it, after grey.
    fn scene(&mut self, before: &[Scene]) -> Result<Scene, SessionError> {
        use protocol::StimulusKind as Kind;
        let stimulus = self.stimulus;
        let parts = match &stimulus.kind {
            Kind::Grating(grating) => self.grating(grating)?,
            Kind::Gabor(gabor) => self.gabor(gabor)?,
            Kind::Plaid(plaid) => self.plaid(plaid)?,
            Kind::Spokes(spokes) => self.spokes(spokes)?,
            Kind::Rings(rings) => self.rings(rings)?,
            Kind::Checkerboard(board) => self.checkerboard(board)?,
            Kind::RadialCheckerboard(board) => self.radial_checkerboard(board)?,
            Kind::Dots(dots) => self.dots(dots)?,
            Kind::Noise(noise) => self.noise(noise)?,
            Kind::FilteredNoise(noise) => self.filtered_noise(noise)?,
            Kind::Image(image) => self.image(image)?,
            Kind::Sequence(sequence) => self.sequence(sequence)?,
            Kind::Text(text) => self.text(text)?,
            Kind::Words(words) => self.words(words)?,
            Kind::Shape(shape) => self.shape(shape)?,
            Kind::Fixation(fixation) => self.fixation(fixation)?,
            Kind::Speller(speller) => self.speller(speller)?,
            Kind::Looming(looming) => self.looming(looming)?,
            Kind::Bar(bar) => self.bar(bar)?,
            Kind::Wedge(wedge) => self.wedge(wedge)?,
            Kind::Multifocal(multifocal) => self.multifocal(multifocal)?,
            Kind::Wgsl(wgsl) => self.wgsl(wgsl)?,
            Kind::Picture(picture) => {
                if self.experiment.rig.screen.stereo.is_some() {
                    return Err(self.refuse("pictures are for both eyes: the rig tells them apart".into()));
                }
                let flicker = self.flicker_of_course()?;
                return crate::steering::lower_picture(stimulus, picture, flicker, self.screen);
            }
            Kind::Together(of) => {
                let scenes: Vec<&Scene> = of.iter().filter_map(|&place| before.get(place + 1)).collect();
                self.ends_apart(of, before)?;
                return Ok(Scene::together(&scenes));
            }
        };
        self.assemble(parts)
    }

    /// Puts parts where the look says, as often as it says, and checks that all of it can be shown.
    fn assemble(&self, parts: Vec<Part>) -> Result<Scene, SessionError> {
        let look = &self.stimulus.look;
        if look.follows_gaze {
            self.can_follow(&parts)?;
        }
        let mut scene = Scene::grey();
        let centres = self.centres_px(look);
        for part in parts {
            let course = scene.courses.len();
            scene.courses.push(Course { follows_gaze: look.follows_gaze, ..part.course });
            for &[x, y] in &centres {
                for element in &part.elements {
                    let mut element = Element { course, ..element.clone() };
                    element.place.center_px[0] += x;
                    element.place.center_px[1] += y;
                    self.to_eyes(element, &mut scene.elements)?;
                }
            }
        }
        scene.patch_course = (!scene.courses.is_empty()).then_some(0);
        self.check(&scene)?;
        // Elsewhere it may be meant that parts flicker alike.
        let kind = &self.stimulus.kind;
        if matches!(kind, protocol::StimulusKind::Speller(_) | protocol::StimulusKind::Multifocal(_)) {
            self.told_apart(&scene)?;
        }
        Ok(scene)
    }

    /// What follows the gaze must not hang on the screen's own pixels, and the gaze must have one place on it.
    fn can_follow(&self, parts: &[Part]) -> Result<(), SessionError> {
        let is_noise = |element: &Element| matches!(element.pattern, Pattern::Noise { .. });
        if parts.iter().flat_map(|part| &part.elements).any(is_noise) {
            return Err(self
                .refuse("follows: noise lies on the screen's own pixels and cannot follow the gaze".into()));
        }
        if self.experiment.rig.screen.stereo == Some(protocol::Stereo::SideBySide) {
            let reason = "follows: through a stereoscope (stereo = \"side_by_side\") the gaze has two places on the screen";
            return Err(self.refuse(reason.into()));
        }
        Ok(())
    }

    /// The centres of the stimulus and its copies, from the middle of the screen.
    fn centres_px(&self, look: &protocol::Look) -> Vec<[f64; 2]> {
        let offset = |deg: f64| self.screen.offset_px(deg);
        let [x_deg, y_deg] = look.position_deg;
        let Some(grid) = look.grid else { return vec![[offset(x_deg), -offset(y_deg)]] };
        let along = |count: u32, pitch: f64| {
            (0..count).map(move |place| (f64::from(place) - 0.5 * f64::from(count - 1)) * pitch)
        };
        let rows: Vec<f64> = along(grid.rows, grid.pitch_deg[1]).collect();
        rows.into_iter()
            .flat_map(|row| along(grid.columns, grid.pitch_deg[0]).map(move |column| [column, row]))
            .map(|[column, row]| [offset(x_deg + column), offset(row - y_deg)])
            .collect()
    }

    /// Something of every element must lie on the screen, and of the whole more than a pixel shows.
    fn check(&self, scene: &Scene) -> Result<(), SessionError> {
        let largest = |element: &Element| 2.0 * element.place.half_px[0].min(element.place.half_px[1]);
        let widest_px = scene.elements.iter().map(largest).fold(0.0, f64::max);
        if !scene.elements.is_empty() && widest_px < LEAST_PX {
            return Err(
                self.refuse(format!("it is {widest_px:.2} px wide on this screen: nobody would see it"))
            );
        }
        let size = [f64::from(self.screen.width_px), f64::from(self.screen.height_px)];
        for element in &scene.elements {
            let [x, y] = element.place.center_px;
            let [hu, hv] = element.place.half_px;
            let reach = libm::hypot(hu, hv);
            let moves = !scene.courses[element.course].is_separable();
            let outside = x + reach < 0.0 || y + reach < 0.0 || x - reach > size[0] || y - reach > size[1];
            if outside && !moves {
                return Err(self.refuse(format!(
                    "its centre lies at ({x:.0}, {y:.0}) px and it reaches {reach:.0} px: nothing of it is on the screen \
                     of {} x {} px",
                    size[0], size[1]
                )));
            }
        }
        Ok(())
    }

    /// No two targets of a scene show the same.
    fn told_apart(&self, scene: &Scene) -> Result<(), SessionError> {
        let separation = Targets::of(scene, self.screen.refresh_hz).separation();
        separation.map(|_| ()).map_err(|error| self.refuse(error.to_string()))
    }

    /// What was asked to differ does not end up the same. Parts that ask for the same flicker or code mean it.
    fn ends_apart(&self, of: &[usize], before: &[Scene]) -> Result<(), SessionError> {
        use protocol::StimulusKind::{Multifocal, Speller};
        let stimuli = &self.experiment.protocol.stimuli;
        let parts = leaves(of, stimuli);
        for (place, &second) in parts.iter().enumerate() {
            for &first in parts[..place].iter().filter(|&&first| first != second) {
                let asked = [first, second].map(|part| &stimuli[part]);
                let has_own = asked.iter().any(|part| matches!(part.kind, Speller(_) | Multifocal(_)));
                if asked[0].look.course == asked[1].look.course && !has_own {
                    continue;
                }
                let targets = [first, second].map(|part| {
                    let targets =
                        before.get(part + 1).map(|scene| Targets::of(scene, self.screen.refresh_hz));
                    targets.unwrap_or_default().alike()
                });
                if let Some(window_frames) = targets[0].shares_one_with(&targets[1]) {
                    return Err(self.refuse(format!(
                        "of: `{}` and `{}` ask for different flickers or codes and come out the same over the {window_frames} \
                         frames that are compared: nobody could tell them apart",
                        asked[0].name, asked[1].name
                    )));
                }
            }
        }
        Ok(())
    }

    /// The middle of the screen.
    fn middle_px(&self) -> [f64; 2] {
        self.screen.centre_px()
    }

    /// An element in the middle of the screen.
    fn element(&self, pattern: Pattern, aperture: Aperture, paint: Paint) -> Element {
        Element::new(self.middle_px(), pattern, aperture, paint, 0)
    }

    /// A frequency in cycles per px, if the screen can carry it.
    fn cycles_per_px(&self, sf_cpd: f64) -> Result<f64, SessionError> {
        let per_px = self.screen.cycles_per_px(sf_cpd);
        if 1.0 / per_px < LEAST_PX_PER_CYCLE {
            return Err(SessionError::TooFine {
                stimulus: self.stimulus.name.clone(),
                sf_cpd,
                px_per_cycle: 1.0 / per_px,
                most_cpd: self.screen.px_per_deg / LEAST_PX_PER_CYCLE,
            });
        }
        Ok(per_px)
    }

    /// A diameter in px that the screen has room for.
    fn diameter_px(&self, diameter_deg: f64) -> Result<f64, SessionError> {
        let diameter_px = self.screen.size_px(diameter_deg);
        let shorter_px = f64::from(self.screen.width_px.min(self.screen.height_px));
        if diameter_px > shorter_px {
            return Err(SessionError::TooLarge {
                stimulus: self.stimulus.name.clone(),
                diameter_deg,
                diameter_px,
                shorter_px,
            });
        }
        Ok(diameter_px)
    }

    /// The side of something that is shown in whole pixels.
    fn whole_px(&self, key: &str, deg: f64) -> Result<u32, SessionError> {
        let wanted_px = self.screen.size_px(deg);
        let whole = wanted_px.round();
        if whole < 1.0 || (whole / wanted_px - 1.0).abs() > 0.1 {
            let nearest_deg = whole.max(1.0) / self.screen.px_per_deg;
            return Err(self.refuse(format!(
                "{key} = {deg} is {wanted_px:.2} px; whole px are shown, and {nearest_deg:.4} deg is the nearest"
            )));
        }
        Ok(whole as u32)
    }

    /// Keeps a sheet of values; its place.
    fn keep(&mut self, sheet: Texels<f32>) -> u32 {
        self.shared.sheets.values.push(sheet);
        self.shared.sheets.values.len() as u32 - 1
    }

    fn refuse(&self, reason: String) -> SessionError {
        SessionError::Stimulus { stimulus: self.stimulus.name.clone(), reason }
    }
}

/// The stimuli that lie on top of each other in the end, where some of them are others together.
fn leaves(of: &[usize], stimuli: &[protocol::Stimulus]) -> Vec<usize> {
    let below = |&part: &usize| match &stimuli[part].kind {
        protocol::StimulusKind::Together(of) => leaves(of, stimuli),
        _ => vec![part],
    };
    of.iter().flat_map(below).collect()
}
