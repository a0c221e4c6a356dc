//! The last pass: a frame's codes onto the surface, and the photodiode patch onto them.

use stimulus::Patch;

use crate::build::{self, Program};

/// WGSL of the last pass.
const PRESENT: &str =
    concat!(include_str!("../../../shaders/frame.wgsl"), include_str!("../../../shaders/present.wgsl"));

/// Brings codes to a surface.
pub(crate) struct PresentPass {
    pipeline: wgpu::RenderPipeline,
    bindings: wgpu::BindGroup,
    patch: Patch,
}

impl PresentPass {
    /// For codes of the surface's format.
    pub(crate) fn prepare(
        device: &wgpu::Device,
        format: wgpu::TextureFormat,
        uniform: &wgpu::Buffer,
        codes: &wgpu::TextureView,
        patch: Patch,
    ) -> Self {
        let (layout, bindings) = build::reading(device, "present", uniform, codes);
        let program = Program { name: "present", wgsl: PRESENT, constants: &[] };
        Self { pipeline: program.covering(device, &[&layout], format), bindings, patch }
    }

    /// Records it. A surface of the stimulus's own size is copied to, where it can be: that costs a software adapter a tenth of
    /// a pass over all pixels. The pass is then for the patch alone.
    pub(crate) fn record(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        codes: &wgpu::Texture,
        surface: &wgpu::Texture,
    ) {
        let copies =
            surface.size() == codes.size() && surface.usage().contains(wgpu::TextureUsages::COPY_DST);
        if copies {
            encoder.copy_texture_to_texture(codes.as_image_copy(), surface.as_image_copy(), codes.size());
            if self.patch.size_px == 0 {
                return;
            }
        }
        let view = surface.create_view(&Default::default());
        let load = if copies { wgpu::LoadOp::Load } else { wgpu::LoadOp::Clear(wgpu::Color::BLACK) };
        let mut pass = build::pass(encoder, "present", &view, load);
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bindings, &[]);
        if copies {
            let Patch { x_px, y_px, size_px } = self.patch;
            pass.set_scissor_rect(x_px, y_px, size_px, size_px);
        }
        pass.draw(0..3, 0..1);
    }
}
