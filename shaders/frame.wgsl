// What every pass of a frame shares: the numbers of the frame and the triangle that covers the target. The layout is
// mirrored by `display::uniform` and held to it by a test. Units: px (y down, pixel centre at +0.5); light is linear, 0..1.

struct Frame {
    size_px: vec2<u32>,
    // where the stimulus begins on a surface that is larger than it
    origin_px: vec2<i32>,
    patch_px: vec2<u32>,
    patch_size_px: u32,
    patch_luminance: f32,
    retina_px: vec2<u32>,
    retina_cells: vec2<u32>,
    // of red, green and blue, for the luminance that the retina sees
    luminance_weights: vec3<f32>,
    retina_cell_px: u32,
    // code of the neutral grey over the highest
    grey: vec3<f32>,
    // of the texture array of pictures; 0xffffffff is none
    picture_layer: u32,
    // the lowest 32 bits of the frame's index
    index: u32,
    // the picture before, and how much of the newer one is there: 1 is all of it
    before_layer: u32,
    picture_weight: f32,
}

const MEAN_LUMINANCE: f32 = 0.5;

@group(0) @binding(0) var<uniform> frame: Frame;

@vertex
fn cover(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    // One triangle, twice as wide and high as the target: no seam along a diagonal.
    let corner = vec2<f32>(f32((index << 1u) & 2u), f32(index & 2u));
    return vec4<f32>(corner * 2.0 - 1.0, 0.0, 1.0);
}
