//! The display's encoder on the GPU: what `shaders/light.wgsl` looks up.

use stimulus::Light;
use stimulus::light::BINS;

use crate::build::{self, buffer};
use crate::config::DisplayError;

/// The table of drives and its numbers: the second bind group of every pass that ends in codes.
pub(crate) struct LightTable {
    pub(crate) layout: wgpu::BindGroupLayout,
    pub(crate) bindings: wgpu::BindGroup,
}

impl LightTable {
    /// Uploads both.
    ///
    /// # Errors
    /// When the adapter's textures are too narrow for the table.
    pub(crate) fn prepare(
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        light: &Light,
    ) -> Result<Self, DisplayError> {
        let (side, rows) = (device.limits().max_texture_dimension_2d, light.rows());
        if side < BINS {
            let most = device.limits().max_texture_array_layers;
            let what = "tables of light";
            return Err(DisplayError::Sheets { what, width: BINS, height: rows, layers: 1, side, most });
        }
        let uniform = buffer(device, "light", 16, wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST);
        let numbers: Vec<u8> = light.uniform().iter().flat_map(|number| number.to_le_bytes()).collect();
        queue.write_buffer(&uniform, 0, &numbers);
        let size = wgpu::Extent3d { width: BINS, height: rows, depth_or_array_layers: 1 };
        let texture = device.create_texture(&wgpu::TextureDescriptor {
            label: Some("drives"),
            size,
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rg32Uint,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let texels: Vec<u8> =
            light.table().iter().flatten().flat_map(|number| number.to_le_bytes()).collect();
        let layout = wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(8 * BINS),
            rows_per_image: Some(rows),
        };
        queue.write_texture(texture.as_image_copy(), &texels, layout, size);
        let stage = wgpu::ShaderStages::FRAGMENT;
        let table = wgpu::BindGroupLayoutEntry {
            binding: 1,
            visibility: stage,
            ty: wgpu::BindingType::Texture {
                sample_type: wgpu::TextureSampleType::Uint,
                view_dimension: wgpu::TextureViewDimension::D2,
                multisampled: false,
            },
            count: None,
        };
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("light"),
            entries: &[build::buffer_entry(0, stage, wgpu::BufferBindingType::Uniform), table],
        });
        let drives = texture.create_view(&Default::default());
        let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("light"),
            layout: &layout,
            entries: &[build::whole(0, &uniform), build::view(1, &drives)],
        });
        Ok(Self { layout, bindings })
    }
}
