//! The operator's side of a window: it opens, it may be resized, and Esc or its close button ask for the end.

use std::sync::Arc;
use std::time::Duration;

use winit::application::ApplicationHandler;
use winit::dpi::{PhysicalPosition, PhysicalSize};
use winit::event::{ElementState, StartCause, WindowEvent};
use winit::event_loop::{ActiveEventLoop, EventLoop};
use winit::keyboard::{Key, NamedKey};
use winit::platform::pump_events::EventLoopExtPumpEvents;
use winit::window::{Fullscreen, Window, WindowId, WindowLevel};

use crate::config::{DisplayError, Mode};
use crate::interlock::{Key as DeadManKey, KeyState};
use crate::keys::Keyboard;
use crate::run::now_ns;

/// The event loop wakes to the millisecond, a thread that sleeps far better.
const ATTEND_LEAD_NS: i64 = 2_000_000;

/// Rounds of the event loop that a window system has to open the window.
const OPENING_ROUNDS: usize = 200;

/// Rounds that it has to give a full-screen window the size of the monitor.
const SETTLING_ROUNDS: usize = 50;

/// An open window and its events. The frame loop asks for events; winit's own loop never gets the thread.
pub(crate) struct OpenWindow {
    events: EventLoop<()>,
    state: State,
    pub(crate) window: Arc<Window>,
}

struct State {
    wanted: winit::window::WindowAttributes,
    asked: bool,
    opened: Option<Result<Arc<Window>, String>>,
    escape: bool,
    lost: bool,
    key: Option<(DeadManKey, Arc<KeyState>)>,
    keyboard: Option<Keyboard>,
    resized: Option<[u32; 2]>,
}

impl OpenWindow {
    pub(crate) fn open(
        [width, height]: [u32; 2],
        mode: Mode,
        title: &str,
        visible: bool,
    ) -> Result<Self, DisplayError> {
        let wanted = Window::default_attributes()
            .with_title(title)
            .with_inner_size(PhysicalSize::new(width, height))
            // A window that waits unseen has to take the size of the monitor later.
            .with_resizable(!visible)
            .with_visible(visible);
        let wanted = match mode {
            Mode::Fullscreen => wanted.with_fullscreen(Some(Fullscreen::Borderless(None))),
            Mode::Window | Mode::Offscreen => wanted,
        };
        let mut events = event_loop()?;
        let mut state = State {
            wanted,
            asked: false,
            opened: None,
            escape: false,
            lost: false,
            key: None,
            keyboard: None,
            resized: None,
        };
        for _ in 0..OPENING_ROUNDS {
            events.pump_app_events(Some(Duration::from_millis(10)), &mut state);
            match state.opened.take() {
                None => {}
                Some(Err(reason)) => return Err(DisplayError::Window(reason)),
                Some(Ok(window)) => {
                    window.set_cursor_visible(mode != Mode::Fullscreen);
                    let mut open = Self { events, state, window };
                    open.settle(mode);
                    return Ok(open);
                }
            }
        }
        Err(DisplayError::Window("the window system did not open it within 2 s".to_string()))
    }

    /// Waits until the window has the size that it asked for; the real size arrives as an event, or never, where no
    /// window manager grants it.
    fn settle(&mut self, mode: Mode) {
        for _ in 0..SETTLING_ROUNDS {
            self.events.pump_app_events(Some(Duration::from_millis(10)), &mut self.state);
            let size = self.window.inner_size();
            if mode != Mode::Fullscreen || self.monitor_px() == Some([size.width, size.height]) {
                return;
            }
        }
    }

    /// Size of the monitor that the window is on.
    pub(crate) fn monitor_px(&self) -> Option<[u32; 2]> {
        let size = self.window.current_monitor()?.size();
        Some([size.width, size.height])
    }

    /// Left, top, width and height of that monitor in px.
    pub(crate) fn monitor(&self) -> Option<[i64; 4]> {
        let monitor = self.window.current_monitor()?;
        let (at, size) = (monitor.position(), monitor.size());
        Some([at.x.into(), at.y.into(), size.width.into(), size.height.into()])
    }

    /// Shows a window that waited unseen, above all others, over a monitor (left, top, width, height in px).
    pub(crate) fn cover(&mut self, [left, top, width, height]: [i64; 4]) {
        let size = PhysicalSize::new(width.max(1) as u32, height.max(1) as u32);
        // The size is asked for as well as full screen, which only a window manager can grant.
        let _ = self.window.request_inner_size(size);
        self.window.set_outer_position(PhysicalPosition::new(left as i32, top as i32));
        self.window.set_window_level(WindowLevel::AlwaysOnTop);
        self.window.set_visible(true);
        let monitor = self.window.available_monitors().find(|monitor| {
            (i64::from(monitor.position().x), i64::from(monitor.position().y)) == (left, top)
        });
        self.window.set_fullscreen(Some(Fullscreen::Borderless(monitor)));
        self.window.set_cursor_visible(false);
        self.window.focus_window();
    }

    /// Left, top, width and height in px of the first monitor, for a window that is on none yet.
    pub(crate) fn first_monitor(&self) -> Option<[i64; 4]> {
        let first = self.window.primary_monitor().or_else(|| self.window.available_monitors().next())?;
        let (at, size) = (first.position(), first.size());
        Some([at.x.into(), at.y.into(), size.width.into(), size.height.into()])
    }

    /// From now on the key's state is kept there.
    pub(crate) fn watch_key(&mut self, key: Option<(DeadManKey, Arc<KeyState>)>) {
        self.state.key = key;
    }

    /// From now on keys go there.
    pub(crate) fn listen(&mut self, keyboard: Option<Keyboard>) {
        self.state.keyboard = keyboard;
    }

    /// Responses that the loop's ring refused since the last call.
    pub(crate) fn take_lost_responses(&mut self) -> i64 {
        self.state.keyboard.as_mut().map_or(0, Keyboard::take_lost)
    }

    /// Whether the window is no more, without anybody having closed it.
    pub(crate) fn is_lost(&self) -> bool {
        self.state.lost
    }

    /// Takes the waiting events, without waiting for any.
    pub(crate) fn pump(&mut self) {
        self.pump_for(Duration::ZERO);
    }

    /// Waits for events until shortly before an instant, where somebody wants to know when keys are pressed.
    pub(crate) fn attend(&mut self, until_ns: i64) {
        while self.state.keyboard.is_some()
            && let Ok(left_ns @ 1..) = u64::try_from(until_ns - ATTEND_LEAD_NS - now_ns())
        {
            self.pump_for(Duration::from_nanos(left_ns));
        }
    }

    fn pump_for(&mut self, longest: Duration) {
        if let Some(keyboard) = &mut self.state.keyboard {
            keyboard.asks(now_ns());
        }
        self.events.pump_app_events(Some(longest), &mut self.state);
    }

    /// Whether the operator asked for the end since the window opened.
    pub(crate) fn escape(&self) -> bool {
        self.state.escape
    }

    /// The new size, once after each change.
    pub(crate) fn take_resized(&mut self) -> Option<[u32; 2]> {
        self.state.resized.take()
    }
}

fn event_loop() -> Result<EventLoop<()>, DisplayError> {
    let mut builder = EventLoop::builder();
    #[cfg(target_os = "linux")]
    {
        // Without this winit panics on another thread; X11 and Wayland do not mind, and an error is ours to give.
        winit::platform::x11::EventLoopBuilderExtX11::with_any_thread(&mut builder, true);
        winit::platform::wayland::EventLoopBuilderExtWayland::with_any_thread(&mut builder, true);
    }
    builder.build().map_err(|error| DisplayError::Window(error.to_string()))
}

impl State {
    fn is_dead_man(&self, key: &Key) -> bool {
        let wanted = match self.key {
            Some((DeadManKey::Space, _)) => NamedKey::Space,
            Some((DeadManKey::Enter, _)) => NamedKey::Enter,
            None => return false,
        };
        *key == Key::Named(wanted)
    }

    fn note_key(&self, down: bool) {
        if let Some((_, state)) = &self.key {
            state.set(down);
        }
    }
}

impl ApplicationHandler for State {
    fn resumed(&mut self, event_loop: &ActiveEventLoop) {
        if !self.asked {
            self.asked = true;
            let window = event_loop.create_window(self.wanted.clone());
            self.opened = Some(window.map(Arc::new).map_err(|error| error.to_string()));
        }
    }

    fn new_events(&mut self, _: &ActiveEventLoop, _: StartCause) {
        if let Some(keyboard) = &mut self.keyboard {
            keyboard.wakes(now_ns());
        }
    }

    fn about_to_wait(&mut self, _: &ActiveEventLoop) {
        if let Some(keyboard) = &mut self.keyboard {
            keyboard.is_drained(now_ns());
        }
    }

    fn window_event(&mut self, _: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        match event {
            WindowEvent::CloseRequested => self.escape = true,
            WindowEvent::Destroyed => (self.escape, self.lost) = (true, true),
            // Whoever cannot be heard does not hold the key.
            WindowEvent::Focused(false) => self.note_key(false),
            WindowEvent::KeyboardInput { event, is_synthetic, .. } => {
                if self.is_dead_man(&event.logical_key) {
                    self.note_key(event.state == ElementState::Pressed);
                }
                let escape = event.logical_key == Key::Named(NamedKey::Escape);
                self.escape |= escape && event.state == ElementState::Pressed;
                // A key that was down already when the window got the keyboard was not pressed now.
                let is_old = is_synthetic && event.state == ElementState::Pressed;
                if let Some(keyboard) = self.keyboard.as_mut().filter(|_| !is_old) {
                    keyboard.key(&event, now_ns());
                }
            }
            WindowEvent::Resized(size) => self.resized = Some([size.width, size.height]),
            _ => {}
        }
    }
}
