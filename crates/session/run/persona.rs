//! A scripted person: presses keys at scripted instants, and after what appears on the screen. It sees flips, as a person
//! sees light, and knows nothing of the protocol but the names of stimuli. For rehearsals, demonstrations and tests.

use std::collections::BTreeMap;
use std::path::Path;

use protocol::ProtocolError;
use protocol::reader::{Document, Range, Table};
use timeline::ring::{Reader, Writer, ring};
use timeline::{Act, Device, Flip, KEYS, Response, SceneId, key_code, ns_from_s};

use crate::error::SessionError;
use crate::experiment::{Experiment, scene_id};
use crate::run::eyes::Look;

/// Flips that may wait for it: a second of a fast screen.
const FLIPS: usize = 1 << 10;
/// Presses that may wait for the loop.
const PRESSES: usize = 1 << 8;
/// How long a key is held.
const HELD_NS: i64 = 60_000_000;
/// Longest latency and latest instant in s.
const LONGEST_S: f64 = 86_400.0;

/// What is pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    device: Device,
    code: u32,
}

/// What follows each appearance of a stimulus, in turn, from the first again.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    after_ns: Vec<i64>,
    keys: Vec<Option<Key>>,
    given: usize,
}

/// What a person is to do.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Script {
    presses: Vec<(i64, Key)>,
    answers: BTreeMap<SceneId, Answer>,
    looks: Vec<Look>,
}

impl Script {
    /// Where it looks, in the order of time.
    pub fn looks(&self) -> &[Look] {
        &self.looks
    }

    /// Reads a script:
    ///
    /// ```toml
    /// [[press]]           # at an instant of the run
    /// at_s = 12.5
    /// key = "space"       # or code = 288 (a button box), or act = "pause" (the operator)
    /// [[answer]]          # whenever a stimulus appears
    /// stimulus = "left"
    /// after_s = [0.35, 0.5]
    /// keys = ["left", "none"]
    /// [[look]]            # from an instant of the run on; before the first at the middle of the screen
    /// at_s = 2.0
    /// gaze_deg = [3.0, -1.5] # or closed = true
    /// ```
    ///
    /// # Errors
    /// What is wrong with the file, with its line.
    pub fn load(path: &Path, experiment: &Experiment) -> Result<Self, SessionError> {
        let text = std::fs::read_to_string(path).map_err(|error| SessionError::io("read", path, error))?;
        Ok(Self::parse(&text, &path.display().to_string(), experiment)?)
    }

    fn parse(text: &str, file: &str, experiment: &Experiment) -> Result<Self, ProtocolError> {
        let document = Document::parse(text, file)?;
        let root = document.root(&["press", "answer", "look"])?;
        let seconds = Range::from(0.0).up_to(LONGEST_S);
        let mut script = Self::default();
        if root.has("press") {
            for table in root.list("press", &["at_s", "key", "code", "act"])? {
                let at_ns = ns_from_s(table.number("at_s", seconds)?);
                script.presses.push((at_ns, read_key(&table)?));
            }
        }
        script.presses.sort_by_key(|(at_ns, _)| *at_ns);
        if root.has("answer") {
            for table in root.list("answer", &["stimulus", "after_s", "keys"])? {
                let stimuli = experiment.protocol.stimuli.iter().map(|stimulus| stimulus.name.as_str());
                let scene = scene_id(table.reference("stimulus", "stimulus", stimuli)?);
                let answer = read_answer(&table, seconds)?;
                if script.answers.insert(scene, answer).is_some() {
                    return Err(table.refuse("stimulus", "a stimulus that no other [[answer]] names"));
                }
            }
        }
        if root.has("look") {
            if experiment.protocol.gaze.is_none() {
                return Err(
                    root.contradiction("look", "the protocol has no [gaze]: nobody sees where it looks")
                );
            }
            for table in root.list("look", &["at_s", "gaze_deg", "closed"])? {
                script.looks.push(read_look(&table, seconds)?);
            }
        }
        script.looks.sort_by_key(|look| look.from_ns);
        Ok(script)
    }
}

fn read_look(table: &Table<'_>, seconds: Range) -> Result<Look, ProtocolError> {
    let from_ns = ns_from_s(table.number("at_s", seconds)?);
    let at_deg = match table.one_of(&["gaze_deg", "closed"])? {
        "closed" if table.boolean("closed")? => None,
        "closed" => return Err(table.refuse("closed", "true, or a gaze_deg in its place")),
        _ => {
            let place = table.numbers("gaze_deg", Some(2), Range::above(-90.0).below(90.0))?;
            Some([place[0], place[1]])
        }
    };
    Ok(Look { from_ns, at_deg })
}

fn read_key(table: &Table<'_>) -> Result<Key, ProtocolError> {
    let acts = [
        ("toggle", Act::Toggle),
        ("pause", Act::Pause),
        ("continue", Act::Continue),
        ("skip", Act::Skip),
        ("abort", Act::Abort),
    ];
    Ok(match table.one_of(&["key", "code", "act"])? {
        "key" => {
            let name = table.text("key")?;
            let code = key_code(&name).ok_or_else(|| table.refuse("key", KEYS.join(", ")))?;
            Key { device: Device::Keyboard, code }
        }
        "code" => Key { device: Device::Hid, code: table.integer("code", 0..=0x2ff)? as u32 },
        _ => Key { device: Device::Operator, code: table.choice("act", &acts)?.code() },
    })
}

fn read_answer(table: &Table<'_>, seconds: Range) -> Result<Answer, ProtocolError> {
    let after_s = match table.is_list("after_s") {
        true => table.numbers("after_s", None, seconds)?,
        false => vec![table.number("after_s", seconds)?],
    };
    let key = |name: &str| match (name, name.strip_prefix("code ")) {
        ("none", _) => Some(None),
        (_, Some(code)) => Some(Some(Key { device: Device::Hid, code: code.parse().ok()? })),
        (name, None) => Some(Some(Key { device: Device::Keyboard, code: key_code(name)? })),
    };
    let names = table.repeated_texts("keys")?;
    let keys: Option<Vec<Option<Key>>> = names.iter().map(|name| key(name)).collect();
    let allowed = || format!("\"none\", \"code N\" of a button box, or of {}", KEYS.join(", "));
    let keys = keys.ok_or_else(|| table.refuse("keys", allowed()))?;
    Ok(Answer { after_ns: after_s.into_iter().map(ns_from_s).collect(), keys, given: 0 })
}

/// The person in front of the screen.
pub struct Persona {
    script: Script,
    next_press: usize,
    start_ns: i64,
    /// Scheduled presses and releases, the earliest last.
    waiting: Vec<(i64, Key, bool)>,
    lit: Option<SceneId>,
    flips: Reader<Flip>,
    responses: Writer<Response>,
}

/// The carriers' other ends.
pub struct Ends {
    /// The display's flips, for this person.
    pub flips: Writer<Flip>,
    /// What is pressed, for the loop.
    pub responses: Reader<Response>,
}

impl Persona {
    /// Sits the person down.
    pub fn seat(script: Script) -> (Self, Ends) {
        let (flips_in, flips) = ring(FLIPS);
        let (responses, responses_out) = ring(PRESSES);
        let persona =
            Self { script, next_press: 0, start_ns: 0, waiting: Vec::new(), lit: None, flips, responses };
        (persona, Ends { flips: flips_in, responses: responses_out })
    }

    /// Instants of the script count from here.
    pub fn start(&mut self, start_ns: i64) {
        self.start_ns = start_ns;
    }

    /// Sees what was shown since the last call.
    pub fn look(&mut self) {
        while let Some(flip) = self.flips.pop() {
            let lit = (flip.contrast > 0.0 && flip.scene != SceneId::GREY).then_some(flip.scene);
            let appears = lit.filter(|_| lit != self.lit);
            self.lit = lit;
            let Some(answer) = appears.and_then(|scene| self.script.answers.get_mut(&scene)) else {
                continue;
            };
            let after_ns = answer.after_ns[answer.given % answer.after_ns.len()];
            let key = answer.keys[answer.given % answer.keys.len()];
            answer.given += 1;
            if let Some(key) = key {
                self.plan(flip.onset_ns + after_ns, key);
            }
        }
    }

    fn plan(&mut self, at_ns: i64, key: Key) {
        self.waiting.push((at_ns, key, true));
        self.waiting.push((at_ns + HELD_NS, key, false));
        self.waiting.sort_by_key(|(at_ns, ..)| std::cmp::Reverse(*at_ns));
    }

    /// When something is pressed or released next.
    pub fn next_ns(&self) -> i64 {
        let press = self.script.presses.get(self.next_press);
        let press_ns = press.map_or(i64::MAX, |(at_ns, _)| self.start_ns + at_ns);
        self.waiting.last().map_or(press_ns, |(at_ns, ..)| press_ns.min(*at_ns))
    }

    /// Presses and releases what is due. The stamp is the script's instant, as a kernel stamps a key when it comes and not
    /// when it is read.
    pub fn act(&mut self, now_ns: i64) -> bool {
        let mut any = false;
        while let Some((at_ns, key)) = self.script.presses.get(self.next_press).copied()
            && self.start_ns + at_ns <= now_ns
        {
            self.next_press += 1;
            self.plan(self.start_ns + at_ns, key);
        }
        while let Some((at_ns, key, pressed)) = self.waiting.pop_if(|(at_ns, ..)| *at_ns <= now_ns) {
            let response = Response {
                index: 0,
                at_ns,
                arrival_ns: now_ns,
                queued_ns: 0,
                device: key.device,
                code: key.code,
                pressed,
            };
            // A loop that is held for hundreds of presses loses some; nothing else depends on them.
            any |= self.responses.push(response);
        }
        any
    }
}
