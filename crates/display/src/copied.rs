//! Textures and buffers that are copied from the GPU and waited for: where nothing is in a hurry.

use stimulus::Screen;

use crate::build;
use crate::config::DisplayError;
use crate::gpu::Gpu;

/// A buffer to copy to, which the CPU reads.
pub(crate) fn buffer(device: &wgpu::Device, label: &str, size: u64) -> wgpu::Buffer {
    build::buffer(device, label, size, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST)
}

/// Bytes of a row of the screen with so many a pixel: in a copy they are a multiple of 256.
pub(crate) fn bytes_per_row(screen: &Screen, bytes: u32) -> u32 {
    (bytes * screen.width_px).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT)
}

/// Records the copy of a texture of the screen's size.
pub(crate) fn copy(
    encoder: &mut wgpu::CommandEncoder,
    from: &wgpu::Texture,
    to: &wgpu::Buffer,
    screen: &Screen,
    bytes: u32,
) {
    encoder.copy_texture_to_buffer(
        from.as_image_copy(),
        wgpu::TexelCopyBufferInfo {
            buffer: to,
            layout: wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(bytes_per_row(screen, bytes)),
                rows_per_image: None,
            },
        },
        wgpu::Extent3d { width: screen.width_px, height: screen.height_px, depth_or_array_layers: 1 },
    );
}

/// Hands the commands over, and waits until these buffers can be read. `frame` is what an error names.
///
/// # Errors
/// When the GPU fails.
pub(crate) fn submit(
    gpu: &Gpu,
    encoder: wgpu::CommandEncoder,
    buffers: &[&wgpu::Buffer],
    frame: u64,
) -> Result<(), DisplayError> {
    let submission = gpu.queue.submit([encoder.finish()]);
    for buffer in buffers {
        buffer.map_async(wgpu::MapMode::Read, .., |_| ());
    }
    let finished = gpu.finish_first(submission);
    let lost = |reason: &str| Err(DisplayError::Lost { frame, reason: reason.to_string() });
    match gpu.failure() {
        Some(reason) => lost(reason),
        None if !finished => lost("not done within 30 seconds"),
        None => Ok(()),
    }
}

/// Reads a buffer after [`submit`].
///
/// # Errors
/// When it is not there to be read.
pub(crate) fn read<T>(
    buffer: &wgpu::Buffer,
    frame: u64,
    read: impl Fn(&[u8]) -> T,
) -> Result<T, DisplayError> {
    let view = buffer
        .get_mapped_range(..)
        .map_err(|error| DisplayError::Lost { frame, reason: error.to_string() })?;
    let value = read(&view);
    drop(view);
    buffer.unmap();
    Ok(value)
}
