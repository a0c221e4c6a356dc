//! Which simulated participant is meant.

use std::path::Path;

use participant::Person;

use crate::error::SessionError;

/// Key of the manifest with the description of a participant who is not a committed one: the text of a file that, given as
/// `--participant FILE.toml`, brings that participant back.
pub const DESCRIPTION_KEY: &str = "participant_toml";

/// A committed person by name or a described one by file, with these effects on.
///
/// # Errors
/// A name that is neither, a file that cannot be read, a description or an effect that is refused.
pub fn choose(name: &str, with: &[String]) -> Result<Person, SessionError> {
    let path = Path::new(name);
    let person = if path.extension().is_some_and(|end| end == "toml") {
        let text = std::fs::read_to_string(path).map_err(|error| SessionError::io("read", path, error))?;
        Person::read(&text, name)?
    } else {
        Person::find(name)?.clone()
    };
    Ok(person.with(with)?)
}

/// What must be kept to repeat a session with this person; nothing where the name says it all.
pub fn to_repeat(person: &Person) -> Option<String> {
    let committed = Person::find(&person.name).is_ok_and(|committed| committed == person);
    (!committed).then(|| person.describe())
}
