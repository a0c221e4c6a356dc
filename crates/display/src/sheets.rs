//! Sheets of texels on the GPU: one texture array of values and one of colours, each as large as its largest sheet.

use stimulus::Sheets;
use stimulus::sheet::Texels;

use crate::config::DisplayError;

/// The two arrays; without sheets a single texel each.
pub(crate) struct SheetArrays {
    pub(crate) values: wgpu::TextureView,
    pub(crate) images: wgpu::TextureView,
}

impl SheetArrays {
    /// Uploads all sheets.
    ///
    /// # Errors
    /// When there are more, or larger ones, than the adapter takes.
    pub(crate) fn prepare(
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        sheets: &Sheets,
    ) -> Result<Self, DisplayError> {
        let values =
            array(device, queue, "values", wgpu::TextureFormat::R32Float, &sheets.values, |value| {
                value.to_le_bytes()
            })?;
        let images =
            array(device, queue, "images", wgpu::TextureFormat::Rgba8Unorm, &sheets.images, |texel| texel)?;
        Ok(Self { values, images })
    }
}

/// The largest side of any sheet, and how many there are.
fn size<T>(sheets: &[Texels<T>]) -> [u32; 3] {
    let largest = |side: fn(&Texels<T>) -> u32| sheets.iter().map(side).max().unwrap_or(1);
    [largest(|sheet| sheet.width), largest(|sheet| sheet.height), sheets.len().max(1) as u32]
}

fn array<T: Copy>(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    label: &'static str,
    format: wgpu::TextureFormat,
    sheets: &[Texels<T>],
    bytes: impl Fn(T) -> [u8; 4],
) -> Result<wgpu::TextureView, DisplayError> {
    let [width, height, layers] = size(sheets);
    let limits = device.limits();
    let (side, most) = (limits.max_texture_dimension_2d, limits.max_texture_array_layers);
    if width > side || height > side || layers > most {
        return Err(DisplayError::Sheets { what: label, width, height, layers, side, most });
    }
    let texture = device.create_texture(&wgpu::TextureDescriptor {
        label: Some(label),
        size: wgpu::Extent3d { width, height, depth_or_array_layers: layers },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    });
    for (layer, sheet) in sheets.iter().enumerate() {
        let texels: Vec<u8> = sheet.texels.iter().flat_map(|&texel| bytes(texel)).collect();
        queue.write_texture(
            wgpu::TexelCopyTextureInfo {
                texture: &texture,
                mip_level: 0,
                origin: wgpu::Origin3d { x: 0, y: 0, z: layer as u32 },
                aspect: wgpu::TextureAspect::All,
            },
            &texels,
            wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(4 * sheet.width),
                rows_per_image: Some(sheet.height),
            },
            wgpu::Extent3d { width: sheet.width, height: sheet.height, depth_or_array_layers: 1 },
        );
    }
    Ok(texture.create_view(&wgpu::TextureViewDescriptor {
        dimension: Some(wgpu::TextureViewDimension::D2Array),
        ..Default::default()
    }))
}
