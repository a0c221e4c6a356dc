//! Stream descriptions: the fixed fields and the XML tree below `desc`.

use std::ffi::{CStr, CString, c_char, c_int};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::Lsl;
use crate::api::{Api, Handle, Node};
use crate::error::LslError;

/// How a stream's values travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChannelFormat {
    /// 32-bit IEEE float.
    Float32,
    /// 64-bit IEEE float.
    Double64,
    /// Text of any length.
    String,
    /// 32-bit integer.
    Int32,
    /// 16-bit integer.
    Int16,
    /// 8-bit integer.
    Int8,
    /// 64-bit integer. As `f64` it is exact up to 2^53 only.
    Int64,
}

impl ChannelFormat {
    /// All formats, in the order of liblsl's codes (1 to 7).
    pub const ALL: [Self; 7] =
        [Self::Float32, Self::Double64, Self::String, Self::Int32, Self::Int16, Self::Int8, Self::Int64];

    /// The name that stands in LSL's and XDF's headers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Double64 => "double64",
            Self::String => "string",
            Self::Int32 => "int32",
            Self::Int16 => "int16",
            Self::Int8 => "int8",
            Self::Int64 => "int64",
        }
    }

    /// Reads the name that stands in LSL's and XDF's headers.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    const fn code(self) -> c_int {
        self as c_int + 1
    }

    fn from_code(code: c_int) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.code() == code)
    }
}

/// The fixed fields of a stream to be made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StreamSpec<'a> {
    /// Name of the stream.
    pub name: &'a str,
    /// Content type, such as `EEG` or `Markers`.
    pub stream_type: &'a str,
    /// Values per sample.
    pub channel_count: usize,
    /// Samples per second of the sender's clock; 0 for an irregular stream.
    pub rate_hz: f64,
    /// How values travel.
    pub format: ChannelFormat,
    /// Names the device or program for good, so that inlets find it again after a crash. Empty: they cannot.
    pub source_id: &'a str,
}

/// A stream description. Short when it comes from a [`crate::Resolver`] (`desc` is empty), full from an inlet.
pub struct StreamInfo {
    api: Arc<Api>,
    raw: NonNull<std::ffi::c_void>,
}

// SAFETY: the handle owns its own document (liblsl shares nothing between two descriptions), no function of it is
// tied to the thread that made it, and without Sync only one thread at a time can reach it.
unsafe impl Send for StreamInfo {}

pub(crate) fn c_text(text: &str) -> Result<CString, LslError> {
    CString::new(text).map_err(|_| LslError::Nul(text.to_owned()))
}

impl StreamInfo {
    /// A new description with an empty `desc`.
    ///
    /// # Errors
    /// When a text has a NUL character, the channel count is 0 or too large, or liblsl refuses.
    pub fn new(lsl: &Lsl, spec: &StreamSpec<'_>) -> Result<Self, LslError> {
        let (name, stream_type) = (c_text(spec.name)?, c_text(spec.stream_type)?);
        let source_id = c_text(spec.source_id)?;
        let count = i32::try_from(spec.channel_count).unwrap_or(0);
        if count < 1 {
            return Err(LslError::ChannelCount(spec.channel_count));
        }
        // SAFETY: the strings are NUL-terminated and live through the call, which copies them.
        let raw = unsafe {
            (lsl.api.lsl_create_streaminfo)(
                name.as_ptr(),
                stream_type.as_ptr(),
                count,
                spec.rate_hz,
                spec.format.code(),
                source_id.as_ptr(),
            )
        };
        Self::from_raw(&lsl.api, raw, "making a stream description")
    }

    /// Takes a handle over that liblsl gave away.
    pub(crate) fn from_raw(api: &Arc<Api>, raw: Handle, what: &'static str) -> Result<Self, LslError> {
        let raw = NonNull::new(raw).ok_or(LslError::Code { what, code: 0 })?;
        Ok(Self { api: Arc::clone(api), raw })
    }

    pub(crate) fn raw(&self) -> Handle {
        self.raw.as_ptr()
    }

    /// A copy that shares nothing with this one. It resolves like the original, which a description rebuilt from its
    /// XML never does.
    ///
    /// # Errors
    /// When liblsl has no memory.
    pub fn try_clone(&self) -> Result<Self, LslError> {
        // SAFETY: the handle is valid until drop.
        let raw = unsafe { (self.api.lsl_copy_streaminfo)(self.raw()) };
        Self::from_raw(&self.api, raw, "copying a stream description")
    }

    fn text(&self, get: unsafe extern "C" fn(Handle) -> *const c_char) -> String {
        // SAFETY: the handle is valid; the getters return a NUL-terminated string that lives as long as it.
        unsafe { read(get(self.raw())) }
    }

    /// Name of the stream.
    pub fn name(&self) -> String {
        self.text(self.api.lsl_get_name)
    }

    /// Content type, such as `EEG`.
    pub fn stream_type(&self) -> String {
        self.text(self.api.lsl_get_type)
    }

    /// Name of the device or program that sends, if it gave one.
    pub fn source_id(&self) -> String {
        self.text(self.api.lsl_get_source_id)
    }

    /// Host that sends; empty before an outlet has the description.
    pub fn hostname(&self) -> String {
        self.text(self.api.lsl_get_hostname)
    }

    /// Id of this one outlet; differs after a restart.
    pub fn uid(&self) -> String {
        self.text(self.api.lsl_get_uid)
    }

    /// Session id of the sender.
    pub fn session_id(&self) -> String {
        self.text(self.api.lsl_get_session_id)
    }

    /// Values per sample.
    pub fn channel_count(&self) -> usize {
        // SAFETY: the handle is valid.
        usize::try_from(unsafe { (self.api.lsl_get_channel_count)(self.raw()) }).unwrap_or(0)
    }

    /// Samples per second of the sender's clock; 0 for an irregular stream.
    pub fn rate_hz(&self) -> f64 {
        // SAFETY: the handle is valid.
        unsafe { (self.api.lsl_get_nominal_srate)(self.raw()) }
    }

    /// When the outlet was made, in seconds of the sender's clock.
    pub fn created_at_s(&self) -> f64 {
        // SAFETY: the handle is valid.
        unsafe { (self.api.lsl_get_created_at)(self.raw()) }
    }

    /// How values travel; `None` for a format of a newer liblsl than this crate knows.
    pub fn format(&self) -> Option<ChannelFormat> {
        // SAFETY: the handle is valid.
        ChannelFormat::from_code(unsafe { (self.api.lsl_get_channel_format)(self.raw()) })
    }

    /// The whole description as an XML document, which is also the stream header of an XDF file.
    pub fn xml(&self) -> String {
        // SAFETY: the handle is valid; the result is a NUL-terminated string that the caller must give back.
        unsafe {
            let raw = (self.api.lsl_get_xml)(self.raw());
            let text = read(raw);
            if !raw.is_null() {
                (self.api.lsl_destroy_string)(raw);
            }
            text
        }
    }

    /// The tree below `desc`, to read and, before an outlet has the description, to fill.
    pub fn desc(&self) -> Element<'_> {
        // SAFETY: the handle is valid; the node belongs to the description's document.
        Element { api: &self.api, node: unsafe { (self.api.lsl_get_desc)(self.raw()) }, owner: PhantomData }
    }
}

impl Drop for StreamInfo {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and is used no more.
        unsafe { (self.api.lsl_destroy_streaminfo)(self.raw()) }
    }
}

impl std::fmt::Debug for StreamInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamInfo").field("name", &self.name()).field("type", &self.stream_type()).finish()
    }
}

/// One element of a description's XML tree. It borrows the description and stays on one thread.
#[derive(Clone, Copy)]
pub struct Element<'a> {
    api: &'a Api,
    node: Node,
    owner: PhantomData<&'a StreamInfo>,
}

impl<'a> Element<'a> {
    fn at(self, node: Node) -> Option<Self> {
        let element = Self { node, ..self };
        // SAFETY: a node of the borrowed document, or null, which liblsl treats as empty.
        (unsafe { (self.api.lsl_empty)(node) } == 0).then_some(element)
    }

    /// The first child of that name.
    pub fn child(self, name: &str) -> Option<Self> {
        let name = c_text(name).ok()?;
        // SAFETY: node of the borrowed document, NUL-terminated name.
        self.at(unsafe { (self.api.lsl_child)(self.node, name.as_ptr()) })
    }

    /// All children of that name, in order.
    pub fn children(self, name: &str) -> impl Iterator<Item = Element<'a>> {
        let name = c_text(name).unwrap_or_default();
        let first = name.to_str().ok().and_then(|name| self.child(name));
        std::iter::successors(first, move |element| {
            // SAFETY: node of the borrowed document, NUL-terminated name.
            element.at(unsafe { (element.api.lsl_next_sibling_n)(element.node, name.as_ptr()) })
        })
    }

    /// All child elements, in order.
    pub fn all_children(self) -> impl Iterator<Item = Element<'a>> {
        // SAFETY: node of the borrowed document.
        let first = self.at(unsafe { (self.api.lsl_first_child)(self.node) });
        std::iter::successors(first, |element| {
            // SAFETY: node of the borrowed document.
            element.at(unsafe { (element.api.lsl_next_sibling)(element.node) })
        })
    }

    /// The element's name.
    pub fn name(self) -> String {
        // SAFETY: node of the borrowed document; the string lives as long as it.
        unsafe { read((self.api.lsl_name)(self.node)) }
    }

    /// The element's text; empty if it has none.
    pub fn text(self) -> String {
        // SAFETY: node of the borrowed document; the string lives as long as it.
        unsafe { read((self.api.lsl_child_value)(self.node)) }
    }

    /// The text of the first child of that name; empty if there is none.
    pub fn child_text(self, name: &str) -> String {
        let Ok(name) = c_text(name) else { return String::new() };
        // SAFETY: node of the borrowed document, NUL-terminated name; the string lives as long as the document.
        unsafe { read((self.api.lsl_child_value_n)(self.node, name.as_ptr())) }
    }

    /// Appends an empty child and gives it back.
    ///
    /// # Errors
    /// When the name has a NUL character.
    pub fn append(self, name: &str) -> Result<Self, LslError> {
        let name = c_text(name)?;
        // SAFETY: node of the borrowed document, NUL-terminated name, which is copied. `&StreamInfo` is not Sync, so
        // nobody reads the tree at the same moment.
        Ok(Self { node: unsafe { (self.api.lsl_append_child)(self.node, name.as_ptr()) }, ..self })
    }

    /// Appends a child with a text and gives the parent back, for chains.
    ///
    /// # Errors
    /// When name or text have a NUL character.
    pub fn append_text(self, name: &str, text: &str) -> Result<Self, LslError> {
        let (name, text) = (c_text(name)?, c_text(text)?);
        // SAFETY: as in `append`.
        unsafe { (self.api.lsl_append_child_value)(self.node, name.as_ptr(), text.as_ptr()) };
        Ok(self)
    }
}

/// Copies a C string of liblsl.
///
/// # Safety
/// `raw` is null or a NUL-terminated string that lives through the call.
unsafe fn read(raw: *const c_char) -> String {
    if raw.is_null() {
        return String::new();
    }
    // SAFETY: not null, and NUL-terminated by the caller's word.
    unsafe { CStr::from_ptr(raw) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_have_liblsls_codes_and_names() {
        assert_eq!(ChannelFormat::ALL.map(ChannelFormat::code), [1, 2, 3, 4, 5, 6, 7]);
        for format in ChannelFormat::ALL {
            assert_eq!(ChannelFormat::from_name(format.name()), Some(format));
            assert_eq!(ChannelFormat::from_code(format.code()), Some(format));
        }
        assert_eq!(ChannelFormat::from_code(0), None);
        assert_eq!(ChannelFormat::from_name("float64"), None);
    }
}
