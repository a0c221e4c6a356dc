//! Patterns of pictures on the GPU: one layer of a texture array for each that is kept.

use stimulus::Scene;
use stimulus::picture::{KEPT, layer};
use timeline::ring::RowReader;

/// Pictures that one frame takes at most: a frame must not wait for a whole planner's worth of them.
const PER_FRAME: usize = 4;

/// One channel of 32 bits, as the linear frame has.
const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::R32Float;

/// The texture array, and the ring that fills it.
pub(crate) struct Pictures {
    texture: wgpu::Texture,
    view: wgpu::TextureView,
    texels: u32,
    ring: Option<RowReader>,
    row: Vec<f64>,
    bytes: Vec<u8>,
    /// What each layer holds.
    held: [Option<u64>; KEPT as usize],
}

impl Pictures {
    /// Room for the pictures of these scenes; a single texel where no scene is one.
    pub(crate) fn prepare(device: &wgpu::Device, scenes: &[Scene]) -> Self {
        let texels = scenes.iter().find_map(Scene::picture_sheet).map_or(1, |(_, sheet)| sheet.width);
        let texture = device.create_texture(&wgpu::TextureDescriptor {
            label: Some("pictures"),
            size: wgpu::Extent3d { width: texels, height: texels, depth_or_array_layers: KEPT as u32 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: FORMAT,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor {
            dimension: Some(wgpu::TextureViewDimension::D2Array),
            ..Default::default()
        });
        let count = texels as usize * texels as usize;
        Self {
            texture,
            view,
            texels,
            ring: None,
            row: vec![0.0; count],
            bytes: vec![0; 4 * count],
            held: [None; KEPT as usize],
        }
    }

    pub(crate) fn view(&self) -> &wgpu::TextureView {
        &self.view
    }

    /// Where patterns come from; rows of another width than the picture's texels are none.
    pub(crate) fn connect(&mut self, ring: RowReader) {
        self.ring = Some(ring).filter(|ring| ring.width() == self.row.len());
    }

    /// Gives the ring away, to somebody who goes on.
    pub(crate) fn disconnect(&mut self) -> Option<RowReader> {
        self.ring.take()
    }

    /// Takes what waits. Allocates nothing of ours; wgpu stages the upload.
    pub(crate) fn take(&mut self, queue: &wgpu::Queue) {
        for _ in 0..PER_FRAME {
            let Some(ring) = &mut self.ring else { return };
            let Some(head) = ring.pop(&mut self.row) else { return };
            for (bytes, &value) in self.bytes.as_chunks_mut::<4>().0.iter_mut().zip(&self.row) {
                *bytes = (value as f32).to_le_bytes();
            }
            self.upload(queue, head.index);
        }
    }

    /// Takes one pattern, at leisure.
    pub(crate) fn load(&mut self, queue: &wgpu::Queue, picture: u64, texels: &[f32]) {
        for (bytes, value) in self.bytes.as_chunks_mut::<4>().0.iter_mut().zip(texels) {
            *bytes = value.to_le_bytes();
        }
        self.upload(queue, picture);
    }

    /// The layer of a picture, if its pattern is there.
    pub(crate) fn layer(&self, picture: u64) -> Option<u32> {
        let layer = layer(picture);
        (self.held[layer] == Some(picture)).then_some(layer as u32)
    }

    fn upload(&mut self, queue: &wgpu::Queue, picture: u64) {
        let layer = layer(picture);
        self.held[layer] = Some(picture);
        let place = wgpu::TexelCopyTextureInfo {
            texture: &self.texture,
            mip_level: 0,
            origin: wgpu::Origin3d { x: 0, y: 0, z: layer as u32 },
            aspect: wgpu::TextureAspect::All,
        };
        let layout = wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(4 * self.texels),
            rows_per_image: Some(self.texels),
        };
        let size = wgpu::Extent3d { width: self.texels, height: self.texels, depth_or_array_layers: 1 };
        queue.write_texture(place, &self.bytes, layout, size);
    }
}
