//! liblsl's one configuration, set in memory.

use std::ffi::CString;
use std::fmt::Write as _;
use std::sync::Mutex;

use crate::api::Api;
use crate::error::ConfigureError;

/// How far streams may travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// This machine: streams are looked for and announced at 127.0.0.1 only, without multicast or broadcast. The TCP
    /// port of an outlet is bound to all interfaces all the same (liblsl has no setting for it).
    Machine,
    /// The lab's network, as liblsl's own defaults or the operator's `lsl_api.cfg` say.
    Network,
}

/// What was set, so that a second call can be told apart from a repetition.
static CONFIGURED: Mutex<Option<Option<String>>> = Mutex::new(None);

pub(crate) fn configure(api: &Api, scope: Scope, session_id: Option<&str>) -> Result<(), ConfigureError> {
    if let Some(id) = session_id {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if id.is_empty() || id.len() > 128 || !id.chars().all(plain) {
            return Err(ConfigureError::SessionId(id.to_owned()));
        }
    }
    let content = content(scope, session_id);
    let mut configured = CONFIGURED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    match &*configured {
        Some(before) if *before == content => return Ok(()),
        Some(_) => return Err(ConfigureError::Already),
        None => {}
    }
    if let Some(text) = &content {
        // Cannot fail: the text is ours and the id was checked above.
        let text = CString::new(text.as_str()).map_err(|_| ConfigureError::SessionId(text.clone()))?;
        // SAFETY: a NUL-terminated string, which liblsl copies.
        unsafe { (api.lsl_set_config_content)(text.as_ptr()) };
    }
    *configured = Some(content);
    Ok(())
}

/// The text for liblsl's INI reader; `None` leaves the operator's own configuration file in force.
fn content(scope: Scope, session_id: Option<&str>) -> Option<String> {
    let mut text = String::new();
    if scope == Scope::Machine {
        // ResolveScope is the line that stops multicast and broadcast. With it, streams of other processes are found
        // by asking each port of the range at 127.0.0.1. Round trips on one machine are short, so the waits between
        // the rounds are, too. Log level -3 keeps liblsl's lines off the operator's screen: what goes wrong comes back
        // as an error code, or as silence that the caller must watch for anyway.
        text += "[ports]\nIPv6 = disable\n\
                 [multicast]\nResolveScope = machine\nListenAddress = 127.0.0.1\n\
                 [tuning]\nMulticastMinRTT = 0.05\nMulticastMaxRTT = 0.5\nUnicastMinRTT = 0.1\nUnicastMaxRTT = 0.5\n\
                 ContinuousResolveInterval = 0.1\n\
                 [log]\nlevel = -3\n\
                 [lab]\nKnownPeers = {127.0.0.1}\n";
    }
    if let Some(id) = session_id {
        if scope == Scope::Network {
            text += "[lab]\n";
        }
        // Writing to a String cannot fail.
        let _ = writeln!(text, "SessionID = {id}");
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_without_id_leaves_the_operators_file_in_force() {
        assert_eq!(content(Scope::Network, None), None);
        assert_eq!(content(Scope::Network, Some("a")).as_deref(), Some("[lab]\nSessionID = a\n"));
    }

    #[test]
    fn this_machine_means_no_multicast() {
        let text = content(Scope::Machine, Some("run-1")).expect("has settings");
        assert!(text.contains("ResolveScope = machine\n"));
        assert!(text.ends_with("KnownPeers = {127.0.0.1}\nSessionID = run-1\n"));
    }
}
