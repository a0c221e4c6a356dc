//! Threads that press: the scripted person, a button box, and the operator at the standard input.

use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle, Thread};
use std::time::Duration;

use timeline::ring::{Writer, ring};
use timeline::{Act, Device, Response, clock};

use super::ends::join;
use super::hid::Hid;
use super::persona::{Persona, Script};
use super::{Prepared, carriers::Carriers};
use crate::error::SessionError;

/// How often a button box and the scripted person look; the kernel's stamps do not depend on it.
const TICK: Duration = Duration::from_millis(1);
/// Presses that may wait for the loop.
const PRESSES: usize = 1 << 8;

/// Everybody who can press, before anything runs.
pub struct Presses {
    persona: Option<Persona>,
    hid: Option<(Hid, Writer<Response>)>,
    operator: Option<Writer<Response>>,
    keyboard: Option<Writer<Response>>,
}

/// The threads of a run.
pub struct PressThreads {
    persona: Option<JoinHandle<()>>,
    hid: Option<JoinHandle<Result<(), SessionError>>>,
}

/// Who presses beside the keyboard and the operator: looked for before anything is opened or recorded.
pub struct Pressers {
    script: Option<Script>,
    hid: Option<Hid>,
}

impl Pressers {
    /// Reads the script, or opens the input device; a scripted person presses everything itself.
    ///
    /// # Errors
    /// A script that cannot be read, an input device that is not there.
    pub fn find(prepared: &Prepared) -> Result<Self, SessionError> {
        let script = prepared.script()?;
        let hid = if script.is_none() { Hid::open(&prepared.experiment.protocol)? } else { None };
        Ok(Self { script, hid })
    }
}

impl Presses {
    /// Lays the rings.
    pub fn lay(prepared: &Prepared, pressers: Pressers, carriers: &mut Carriers) -> Self {
        let persona = pressers.script.map(|script| {
            let (persona, ends) = Persona::seat(script);
            carriers.driver.show_to(ends.flips);
            carriers.driver.hear(ends.responses);
            persona
        });
        let mut lay = || {
            let (writer, reader) = ring(PRESSES);
            carriers.driver.hear(reader);
            writer
        };
        Self {
            hid: pressers.hid.map(|hid| (hid, lay())),
            operator: prepared.args.operator.then(&mut lay),
            keyboard: Some(lay()),
            persona,
        }
    }

    /// The display's end.
    pub fn take_keyboard(&mut self) -> Option<Writer<Response>> {
        self.keyboard.take()
    }

    /// The name of the input device that is read, for the manifest.
    pub fn hid_name(&self) -> Option<&str> {
        self.hid.as_ref().map(|(hid, _)| hid.name.as_str())
    }

    /// Threads that wait for `enter`.
    pub fn threads(&self) -> usize {
        usize::from(self.persona.is_some()) + usize::from(self.hid.is_some())
    }

    /// Starts the threads; each waits in `enter` for the session to begin.
    ///
    /// # Errors
    /// When one cannot be started.
    pub fn spawn<F: FnOnce() + Send + 'static>(
        self,
        over: &Arc<AtomicBool>,
        wake: &Thread,
        enter: impl Fn() -> F,
    ) -> Result<PressThreads, SessionError> {
        let Self { persona, hid, operator, .. } = self;
        if let Some(responses) = operator {
            // It may wait for a line for ever, so nobody waits for it.
            spawn("operator", listen(responses, wake.clone()))?;
        }
        let persona = persona.map(|persona| {
            let (over, wake, enter) = (Arc::clone(over), wake.clone(), enter());
            spawn("persona", move || {
                enter();
                play(persona, &over, &wake);
            })
        });
        let hid = hid.map(|(hid, responses)| {
            let (over, wake, enter) = (Arc::clone(over), wake.clone(), enter());
            spawn("hid", move || {
                enter();
                read(hid, responses, &over, &wake)
            })
        });
        Ok(PressThreads { persona: persona.transpose()?, hid: hid.transpose()? })
    }
}

impl PressThreads {
    /// Waits for them.
    ///
    /// # Errors
    /// When the input device failed.
    pub fn join(self) -> Result<(), SessionError> {
        if let Some(thread) = self.persona {
            join(thread, "persona")?;
        }
        match self.hid {
            Some(thread) => join(thread, "hid")?,
            None => Ok(()),
        }
    }
}

/// The scripted person looks once a tick, and is awake in time for each press.
fn play(mut persona: Persona, over: &AtomicBool, wake: &Thread) {
    persona.start(clock::now_ns());
    while !over.load(Ordering::Acquire) {
        persona.look();
        if persona.act(clock::now_ns()) {
            wake.unpark();
        }
        let wait_ns = persona.next_ns().saturating_sub(clock::now_ns());
        let wait = Duration::from_nanos(wait_ns.max(0).unsigned_abs());
        std::thread::sleep(wait.min(TICK));
    }
}

fn read(
    mut hid: Hid,
    mut responses: Writer<Response>,
    over: &AtomicBool,
    wake: &Thread,
) -> Result<(), SessionError> {
    while !over.load(Ordering::Acquire) {
        match hid.read(clock::now_ns(), &mut responses) {
            Ok(true) => wake.unpark(),
            Ok(false) => std::thread::sleep(TICK),
            Err(error) => {
                // The session goes on, because a person is in it; the operator can pause or end it.
                tracing::error!("input device `{}`: {error}", hid.name);
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Reads the operator's commands until there are no more lines.
fn listen(mut responses: Writer<Response>, wake: Thread) -> impl FnOnce() + Send + 'static {
    move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let act = match line.trim() {
                "pause" => Act::Pause,
                "continue" => Act::Continue,
                "skip" => Act::Skip,
                "abort" => Act::Abort,
                "" => continue,
                other => {
                    crate::voice::tell(format_args!("`{other}`: pause, continue, skip and abort are known"));
                    continue;
                }
            };
            let at_ns = clock::now_ns();
            let response = Response {
                index: 0,
                at_ns,
                arrival_ns: at_ns,
                queued_ns: 0,
                device: Device::Operator,
                code: act.code(),
                pressed: true,
            };
            if responses.push(response) {
                wake.unpark();
            }
        }
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, SessionError> {
    let failed = |error| SessionError::Thread { name: name.into(), error };
    Builder::new().name(name.into()).spawn(body).map_err(failed)
}
