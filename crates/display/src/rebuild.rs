//! A graphics device that is lost in the middle of a run: everything on it is built anew, behind a window that shows nothing.

use timeline::{Event, NoticeKind};

use crate::config::DisplayError;
use crate::gpu::Gpu;
use crate::interlock::notice;
use crate::prepare::Display;
use crate::renderer::Renderer;
use crate::run::{FrameLoop, now_ns};
use crate::target::{Offscreen, OnScreen, Target};

/// Devices that one run may lose; one that goes again and again is broken.
const MOST_REBUILDS: u32 = 3;

impl FrameLoop {
    /// Nothing can be drawn or shown any more: hides the window at once, since nobody may be left with a stimulus that does
    /// not move on, builds everything anew, and comes back through grey. Refreshes in between count as missed.
    pub(crate) fn rebuild(&mut self, reason: &str) -> Result<(), DisplayError> {
        let lost_ns = now_ns();
        self.display.target.set_visible(false);
        let lost = |reason: String| DisplayError::Lost { frame: self.plan.next(), reason };
        if self.rebuilds == MOST_REBUILDS {
            return Err(lost(format!("{reason}, after {MOST_REBUILDS} times that it was built anew")));
        }
        self.rebuilds += 1;
        self.display
            .rebuild()
            .map_err(|error| lost(format!("{reason}, and it cannot be built anew: {error}")))?;
        self.plan.forget();
        self.guard.veil.close();
        self.display.target.set_visible(true);
        let now_ns = now_ns();
        self.tell(Event::Notice(notice(now_ns, NoticeKind::DeviceRebuilt, now_ns - lost_ns)));
        Ok(())
    }

    /// For the record, when a window's surface had to be made anew.
    pub(crate) fn tell_rebuilt_surface(&mut self) {
        if let Target::Window(_, on_screen) = &mut self.display.target
            && let count @ 1.. = on_screen.rebuilt()
        {
            self.tell(Event::Notice(notice(now_ns(), NoticeKind::SurfaceRebuilt, count as i64)));
        }
    }
}

impl Display {
    /// Device, target, pipelines and read-back once more. Pictures that were on the device are gone, and grey until they come
    /// again.
    fn rebuild(&mut self) -> Result<(), DisplayError> {
        let screen = self.scenery.screen;
        let size_px = [screen.width_px, screen.height_px];
        let format = match &mut self.target {
            Target::Offscreen(offscreen) => {
                self.gpu = Gpu::open(&Gpu::instance(), None, size_px)?;
                let format = self.scenery.code_format();
                *offscreen = Offscreen::prepare(&self.gpu.device, &screen, format);
                format
            }
            Target::Window(window, on_screen) => {
                let pacing = on_screen.pacing();
                // A window has one surface at a time.
                on_screen.close();
                let (gpu, renewed) = OnScreen::open(window, size_px, self.mode, self.scenery.light.bits())?;
                self.gpu = gpu;
                **on_screen = renewed;
                on_screen.set_pacing(pacing);
                on_screen.format()
            }
        };
        let pictures = self.renderer.pictures.disconnect();
        self.renderer = Renderer::prepare(&self.gpu.device, &self.gpu.queue, &self.scenery, format)?;
        if let Some(pictures) = pictures {
            self.renderer.pictures.connect(pictures);
        }
        self.renderer.set_surface(&screen, self.target.surface_px(&screen));
        self.readback.renew(&self.gpu.device);
        match self.gpu.failure() {
            Some(reason) => Err(DisplayError::Surface(reason.to_string())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use stimulus::{Scene, Screen, ScreenSpec, Sheets};
    use timeline::latest::latest;
    use timeline::ring::{Reader, ring};
    use timeline::{Command, Flip, Ramp, SceneId};

    use super::*;
    use crate::config::{Config, Mode, Ports, Progress};
    use crate::interlock::Interlock;
    use crate::scenery::Scenery;
    use crate::sync::SyncBounds;

    struct Room {
        frames: FrameLoop,
        flips: Reader<Flip>,
        events: Reader<Event>,
        stop: Arc<AtomicBool>,
    }

    /// A display with a full-field picture that is commanded from the start; `None` without an adapter.
    fn room(mode: Mode) -> Option<Room> {
        let screen = Screen::new(&ScreenSpec::plain(64, 48)).unwrap();
        let grating = stimulus::Grating {
            cycles_per_px: screen.wave_vector(1.0, 0.0),
            phase: 0.0,
            center_px: screen.centre_px(),
            diameter_px: screen.size_px(3.0),
            edge_px: screen.size_px(0.5),
            flicker: stimulus::Flicker::realise(
                stimulus::FlickerKind::Counterphase,
                7.5,
                stimulus::Waveform::Sine,
                60.0,
            )
            .unwrap(),
        };
        let scenes = vec![Scene::grey(), Scene::grating(&grating)];
        let display = Display::prepare(Config {
            mode,
            scenery: Scenery::plain(&screen, scenes, Sheets::default()).unwrap(),
            retina: None,
            title: "rebuild".into(),
            sync: SyncBounds::USUAL,
        });
        let display = match display {
            Ok(display) => display,
            Err(error) if std::env::var_os("CI").is_none() => {
                eprintln!("passes without a look: {error}");
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        let command = Command {
            index: 0,
            turn: 0,
            issued_ns: 0,
            decision: None,
            scene: SceneId(1),
            contrast: Ramp::constant(0.5),
            picture: None,
            not_before_ns: 0,
        };
        let (mut publish, commands) = latest(&None);
        publish.publish(Some(command));
        let (flips_in, flips) = ring(512);
        let (events_in, events) = ring(512);
        let stop = Arc::new(AtomicBool::new(false));
        let frames = FrameLoop::begin(
            display,
            Ports {
                commands,
                responses: None,
                gaze: None,
                pictures: None,
                flips: flips_in,
                attenuations: ring(8).0,
                events: events_in,
                wake: std::thread::current(),
                stop: Arc::clone(&stop),
                escape: Arc::default(),
                start: Box::new(|| ()),
                progress: Arc::new(Progress::default()),
                interlock: Interlock { grey_ramp_ns: 200_000_000, ..Interlock::none() },
            },
        )
        .unwrap();
        Some(Room { frames, flips, events, stop })
    }

    fn notices(events: &mut Reader<Event>) -> Vec<timeline::Notice> {
        std::iter::from_fn(|| events.pop())
            .filter_map(|event| if let Event::Notice(notice) = event { Some(notice) } else { None })
            .collect()
    }

    #[test]
    fn a_lost_device_is_built_anew_and_the_refreshes_in_between_are_missed() {
        let Some(Room { mut frames, mut flips, mut events, stop }) = room(Mode::Offscreen) else { return };
        (0..30).for_each(|_| frames.frame().unwrap());
        frames.display.gpu.lose();
        (0..40).for_each(|_| frames.frame().unwrap());
        stop.store(true, Ordering::Release);
        while !frames.finished() {
            frames.frame().unwrap();
        }
        let summary = frames.end();
        let told = notices(&mut events);
        let rebuilt: Vec<_> = told.iter().filter(|told| told.kind == NoticeKind::DeviceRebuilt).collect();
        assert_eq!(rebuilt.len(), 1, "{told:?}");
        let shown: Vec<Flip> = std::iter::from_fn(|| flips.pop()).collect();
        let after = shown.iter().position(|flip| flip.onset_ns > rebuilt[0].at_ns).unwrap();
        let gap = shown[after].frame - shown[after - 1].frame;
        assert_eq!(u64::from(shown[after].missed), gap - 1);
        assert!(
            gap as f64 * 1e9 / 60.0 > rebuilt[0].count as f64,
            "{gap} refreshes, {} ns",
            rebuilt[0].count
        );
        assert_eq!(
            summary.frames + summary.missed_frames,
            shown.last().unwrap().frame - shown[0].frame + 1,
            "every refresh is shown or missed"
        );
        // It comes back through grey.
        assert!(shown[after - 1].contrast == 0.5 && shown[after].contrast < 0.2, "{:?}", shown[after]);
        assert!(shown.iter().any(|flip| flip.onset_ns > rebuilt[0].at_ns && flip.contrast == 0.5));
    }

    #[test]
    fn a_device_that_goes_again_and_again_ends_the_run() {
        let Some(Room { mut frames, mut events, .. }) = room(Mode::Offscreen) else { return };
        for _ in 0..MOST_REBUILDS {
            frames.display.gpu.lose();
            frames.frame().unwrap();
        }
        frames.display.gpu.lose();
        let begun_ns = now_ns();
        let error = frames.frame().unwrap_err().to_string();
        assert!(now_ns() - begun_ns < 100_000_000);
        assert!(error.contains("after 3 times"), "{error}");
        frames.lost_window();
        assert_eq!(notices(&mut events).last().unwrap().kind, NoticeKind::WindowLost);
    }

    #[test]
    fn a_surface_or_device_of_a_window_is_made_anew() {
        if std::env::var_os("DISPLAY").is_none() {
            eprintln!("passes without a look: no X server");
            return;
        }
        let Some(Room { mut frames, mut flips, mut events, .. }) = room(Mode::Window) else { return };
        let mut some = |frames: &mut FrameLoop| {
            (0..20).for_each(|_| frames.frame().unwrap());
            std::iter::from_fn(|| flips.pop()).count()
        };
        assert!(some(&mut frames) > 5);
        let Target::Window(_, on_screen) = &mut frames.display.target else { panic!("a window") };
        on_screen.lose();
        assert!(some(&mut frames) > 5);
        frames.display.gpu.lose();
        assert!(some(&mut frames) > 5);
        let kinds: Vec<_> = notices(&mut events).iter().map(|told| told.kind).collect();
        assert!(kinds.contains(&NoticeKind::SurfaceRebuilt), "{kinds:?}");
        assert!(kinds.contains(&NoticeKind::DeviceRebuilt), "{kinds:?}");
    }
}
