//! Keys of the display's window as responses, with what is known of when they were pressed.
//!
//! winit does not hand on the window system's own stamp, so a key is stamped when the display's thread hears of it. Where
//! the thread was waiting for events that is at once, as far as it is woken; where it was drawing, the key has waited since
//! the events were drained last, at most, and [`Response::queued_ns`] says so.

use timeline::ring::Writer;
use timeline::{Act, Device, Response, key_code};
use winit::event::{ElementState, KeyEvent};
use winit::keyboard::{Key, NamedKey};

/// A wait that lasted this long was one: what woke it came then.
const WAITED_NS: i64 = 100_000;

/// Turns key events into responses.
pub(crate) struct Keyboard {
    responses: Writer<Response>,
    asked_ns: i64,
    woke_ns: i64,
    drained_ns: i64,
    lost: i64,
}

impl Keyboard {
    pub(crate) fn new(responses: Writer<Response>, now_ns: i64) -> Self {
        Self { responses, asked_ns: now_ns, woke_ns: now_ns, drained_ns: now_ns, lost: 0 }
    }

    /// Events are asked for.
    pub(crate) fn asks(&mut self, now_ns: i64) {
        self.asked_ns = now_ns;
    }

    /// Events are there, or the time is over.
    pub(crate) fn wakes(&mut self, now_ns: i64) {
        self.woke_ns = now_ns;
    }

    /// No event waits any more.
    pub(crate) fn is_drained(&mut self, now_ns: i64) {
        self.drained_ns = now_ns;
    }

    /// A key went down or up; whether the loop has to be woken.
    pub(crate) fn key(&mut self, event: &KeyEvent, now_ns: i64) {
        // What the window system repeats while a key is held is nobody's press.
        if event.repeat {
            return;
        }
        let Some((device, code)) = meaning(&event.logical_key) else { return };
        let has_waited = self.woke_ns - self.asked_ns > WAITED_NS;
        let response = Response {
            index: 0,
            at_ns: self.woke_ns,
            arrival_ns: now_ns,
            queued_ns: if has_waited { 0 } else { self.woke_ns - self.drained_ns },
            device,
            code,
            pressed: event.state == ElementState::Pressed,
        };
        if !self.responses.push(response) {
            self.lost += 1;
        }
    }

    /// Responses that the loop's ring refused since the last call.
    pub(crate) fn take_lost(&mut self) -> i64 {
        std::mem::take(&mut self.lost)
    }
}

/// What a key stands for. The operator's: F9 pauses and goes on, F10 skips the block, F12 ends the run.
fn meaning(key: &Key) -> Option<(Device, u32)> {
    let name = match key {
        Key::Named(named) => match named {
            NamedKey::F9 => return Some((Device::Operator, Act::Toggle.code())),
            NamedKey::F10 => return Some((Device::Operator, Act::Skip.code())),
            NamedKey::F12 => return Some((Device::Operator, Act::Abort.code())),
            NamedKey::ArrowLeft => "left",
            NamedKey::ArrowRight => "right",
            NamedKey::ArrowUp => "up",
            NamedKey::ArrowDown => "down",
            NamedKey::Space => "space",
            NamedKey::Enter => "enter",
            NamedKey::Tab => "tab",
            NamedKey::Backspace => "backspace",
            NamedKey::PageUp => "page_up",
            NamedKey::PageDown => "page_down",
            NamedKey::Home => "home",
            NamedKey::End => "end",
            _ => return None,
        },
        Key::Character(text) => {
            // Caps lock and shift do not make another key of it.
            let mut lower = text.chars().flat_map(char::to_lowercase);
            return match (lower.next(), lower.next()) {
                (Some(letter), None) => {
                    key_code(letter.encode_utf8(&mut [0; 4])).map(|code| (Device::Keyboard, code))
                }
                _ => None,
            };
        }
        _ => return None,
    };
    key_code(name).map(|code| (Device::Keyboard, code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use timeline::KEYS;

    #[test]
    fn every_key_of_the_list_can_be_pressed() {
        let named = [
            NamedKey::ArrowLeft,
            NamedKey::ArrowRight,
            NamedKey::ArrowUp,
            NamedKey::ArrowDown,
            NamedKey::Space,
            NamedKey::Enter,
            NamedKey::Tab,
            NamedKey::Backspace,
            NamedKey::PageUp,
            NamedKey::PageDown,
            NamedKey::Home,
            NamedKey::End,
        ];
        let letters = ('0'..='9').chain('a'..='z').map(|letter| Key::Character(letter.to_string().into()));
        let mut codes: Vec<u32> = named
            .into_iter()
            .map(Key::Named)
            .chain(letters)
            .map(|key| {
                let (device, code) = meaning(&key).unwrap();
                assert_eq!(device, Device::Keyboard);
                code
            })
            .collect();
        codes.sort_unstable();
        assert_eq!(codes, (0..KEYS.len() as u32).collect::<Vec<_>>());
        assert_eq!(meaning(&Key::Character("Q".into())), meaning(&Key::Character("q".into())));
        assert_eq!(meaning(&Key::Named(NamedKey::Escape)), None);
    }
}
