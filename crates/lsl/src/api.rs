//! The C functions that this crate calls, as one table of pointers.
//!
//! Signatures follow liblsl's C headers (`lsl/streaminfo.h`, `xml.h`, `resolver.h`, `inlet.h`, `outlet.h`,
//! `common.h`; liblsl 1.17 and 1.18).

use std::ffi::{c_char, c_int, c_ulong, c_void};
use std::mem::ManuallyDrop;

use libloading::Library;

/// Handle of a stream description, an inlet, an outlet or a resolver: opaque structs of liblsl.
pub(crate) type Handle = *mut c_void;
/// A node of a description's XML tree: a pugixml pointer, owned by the description.
pub(crate) type Node = *mut c_void;
type Text = *const c_char;

macro_rules! table {
    ($(fn $name:ident($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The opened library's functions.
        pub(crate) struct Api {
            $(pub(crate) $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
            /// Never closed: liblsl runs threads of its own, whose code must not go away below them.
            _library: ManuallyDrop<Library>,
        }

        impl Api {
            /// Looks every function up.
            ///
            /// # Safety
            /// The library must be liblsl: the signatures above are trusted.
            pub(crate) unsafe fn new(library: Library) -> Result<Self, libloading::Error> {
                Ok(Self {
                    // SAFETY: the caller vouches that the symbol has liblsl's signature.
                    $($name: unsafe { *library.get(concat!(stringify!($name), "\0").as_bytes())? },)*
                    _library: ManuallyDrop::new(library),
                })
            }
        }
    };
}

table! {
    fn lsl_local_clock() -> f64;
    fn lsl_library_version() -> i32;
    fn lsl_library_info() -> Text;
    fn lsl_set_config_content(Text);
    fn lsl_destroy_string(*mut c_char);

    fn lsl_create_streaminfo(Text, Text, i32, f64, c_int, Text) -> Handle;
    fn lsl_copy_streaminfo(Handle) -> Handle;
    fn lsl_destroy_streaminfo(Handle);
    fn lsl_get_name(Handle) -> Text;
    fn lsl_get_type(Handle) -> Text;
    fn lsl_get_channel_count(Handle) -> i32;
    fn lsl_get_nominal_srate(Handle) -> f64;
    fn lsl_get_channel_format(Handle) -> c_int;
    fn lsl_get_source_id(Handle) -> Text;
    fn lsl_get_created_at(Handle) -> f64;
    fn lsl_get_uid(Handle) -> Text;
    fn lsl_get_session_id(Handle) -> Text;
    fn lsl_get_hostname(Handle) -> Text;
    fn lsl_get_desc(Handle) -> Node;
    fn lsl_get_xml(Handle) -> *mut c_char;

    fn lsl_first_child(Node) -> Node;
    fn lsl_next_sibling(Node) -> Node;
    fn lsl_child(Node, Text) -> Node;
    fn lsl_next_sibling_n(Node, Text) -> Node;
    fn lsl_empty(Node) -> i32;
    fn lsl_name(Node) -> Text;
    fn lsl_child_value(Node) -> Text;
    fn lsl_child_value_n(Node, Text) -> Text;
    fn lsl_append_child(Node, Text) -> Node;
    fn lsl_append_child_value(Node, Text, Text) -> Node;

    fn lsl_create_continuous_resolver(f64) -> Handle;
    fn lsl_resolver_results(Handle, *mut Handle, u32) -> i32;
    fn lsl_destroy_continuous_resolver(Handle);

    fn lsl_create_inlet(Handle, i32, i32, i32) -> Handle;
    fn lsl_destroy_inlet(Handle);
    fn lsl_get_fullinfo(Handle, f64, *mut i32) -> Handle;
    fn lsl_open_stream(Handle, f64, *mut i32);
    fn lsl_close_stream(Handle);
    fn lsl_time_correction_ex(Handle, *mut f64, *mut f64, f64, *mut i32) -> f64;
    fn lsl_set_postprocessing(Handle, u32) -> i32;
    fn lsl_pull_sample_d(Handle, *mut f64, i32, f64, *mut i32) -> f64;
    fn lsl_pull_sample_f(Handle, *mut f32, i32, f64, *mut i32) -> f64;
    fn lsl_pull_sample_buf(Handle, *mut *mut c_char, *mut u32, i32, f64, *mut i32) -> f64;
    fn lsl_pull_chunk_d(Handle, *mut f64, *mut f64, c_ulong, c_ulong, f64, *mut i32) -> c_ulong;
    fn lsl_pull_chunk_f(Handle, *mut f32, *mut f64, c_ulong, c_ulong, f64, *mut i32) -> c_ulong;
    fn lsl_samples_available(Handle) -> u32;
    fn lsl_inlet_flush(Handle) -> u32;

    fn lsl_create_outlet(Handle, i32, i32) -> Handle;
    fn lsl_destroy_outlet(Handle);
    fn lsl_push_chunk_dtnp(Handle, *const f64, c_ulong, *const f64, i32) -> i32;
    fn lsl_push_chunk_ftnp(Handle, *const f32, c_ulong, *const f64, i32) -> i32;
    fn lsl_push_sample_buftp(Handle, *const *const c_char, *const u32, f64, i32) -> i32;
    fn lsl_have_consumers(Handle) -> i32;
    fn lsl_wait_for_consumers(Handle, f64) -> i32;
}

#[cfg(test)]
mod tests {
    /// `Api` holds only code addresses and the library, so it may be shared between threads.
    #[test]
    fn the_table_is_send_and_sync() {
        fn check<T: Send + Sync>() {}
        check::<super::Api>();
    }
}
