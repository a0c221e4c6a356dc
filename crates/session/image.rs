//! PNG files, decoded: what the stage and the search for stimuli read.

use std::io::Cursor;

use thiserror::Error;

/// Larger images are refused before they are decoded: a file's header may claim anything.
const MOST_SIDE: u32 = 16_384;

/// Why bytes are no image.
#[derive(Debug, Error)]
pub enum ImageError {
    /// They do not begin like one.
    #[error("not a PNG image: {0}")]
    NotPng(png::DecodingError),
    /// Width and height in px.
    #[error("{0} x {1} px, allowed are {MOST_SIDE} along a side")]
    TooLarge(u32, u32),
    /// Decoded, it would have more bytes than there are addresses.
    #[error("too large for the memory")]
    Memory,
    /// They do not go on like one.
    #[error("not a whole PNG image: {0}")]
    Torn(png::DecodingError),
}

/// Size and kind of the pixels of a file, and their bytes, after these transformations.
///
/// # Errors
/// See [`ImageError`].
pub(crate) fn decode(
    file: &[u8],
    transformations: png::Transformations,
) -> Result<(png::OutputInfo, Vec<u8>), ImageError> {
    let mut decoder = png::Decoder::new(Cursor::new(file));
    decoder.set_transformations(transformations);
    let mut reader = decoder.read_info().map_err(ImageError::NotPng)?;
    let (width, height) = (reader.info().width, reader.info().height);
    if width > MOST_SIDE || height > MOST_SIDE {
        return Err(ImageError::TooLarge(width, height));
    }
    let mut bytes = vec![0; reader.output_buffer_size().ok_or(ImageError::Memory)?];
    let frame = reader.next_frame(&mut bytes).map_err(ImageError::Torn)?;
    bytes.truncate(frame.buffer_size());
    Ok((frame, bytes))
}
