//! The operator's side of a window: it opens, it may be resized, and Esc or its close button ask for the end.

use std::sync::Arc;
use std::time::Duration;

use stimulus::Screen;
use winit::application::ApplicationHandler;
use winit::dpi::PhysicalSize;
use winit::event::{ElementState, WindowEvent};
use winit::event_loop::{ActiveEventLoop, EventLoop};
use winit::keyboard::{Key, NamedKey};
use winit::platform::pump_events::EventLoopExtPumpEvents;
use winit::window::{Fullscreen, Window, WindowId};

use crate::config::{DisplayError, Mode};

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
    resized: Option<[u32; 2]>,
}

impl OpenWindow {
    pub(crate) fn open(screen: &Screen, mode: Mode, title: &str) -> Result<Self, DisplayError> {
        let size = PhysicalSize::new(screen.width_px, screen.height_px);
        let wanted =
            Window::default_attributes().with_title(title).with_inner_size(size).with_resizable(false);
        let wanted = match mode {
            Mode::Fullscreen => wanted.with_fullscreen(Some(Fullscreen::Borderless(None))),
            Mode::Window | Mode::Offscreen => wanted,
        };
        let mut events = event_loop()?;
        let mut state = State { wanted, asked: false, opened: None, escape: false, resized: None };
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

    /// Takes the waiting events, without waiting for any.
    pub(crate) fn pump(&mut self) {
        self.events.pump_app_events(Some(Duration::ZERO), &mut self.state);
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

impl ApplicationHandler for State {
    fn resumed(&mut self, event_loop: &ActiveEventLoop) {
        if !self.asked {
            self.asked = true;
            let window = event_loop.create_window(self.wanted.clone());
            self.opened = Some(window.map(Arc::new).map_err(|error| error.to_string()));
        }
    }

    fn window_event(&mut self, _: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        match event {
            WindowEvent::CloseRequested | WindowEvent::Destroyed => self.escape = true,
            WindowEvent::KeyboardInput { event, .. } => {
                let escape = event.logical_key == Key::Named(NamedKey::Escape);
                self.escape |= escape && event.state == ElementState::Pressed;
            }
            WindowEvent::Resized(size) => self.resized = Some([size.width, size.height]),
            _ => {}
        }
    }
}
