// Last pass: linear light to the screen's code values, and the photodiode patch. Twin: stimulus::twin::{render, encode}.
// Around a stimulus that is smaller than the surface the screen stays neutral grey.

@group(0) @binding(1) var linear: texture_2d<f32>;

@fragment
fn encode(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let pixel = vec2<i32>(floor(position.xy)) - frame.origin_px;
    var luminance = MEAN_LUMINANCE;
    if all(pixel >= vec2<i32>(0)) && all(pixel < vec2<i32>(frame.size_px)) {
        luminance = textureLoad(linear, pixel, 0).r;
        let in_patch = vec2<u32>(pixel) - frame.patch_px;
        if all(vec2<u32>(pixel) >= frame.patch_px) && all(in_patch < vec2<u32>(frame.patch_size_px)) {
            luminance = frame.patch_luminance;
        }
    }
    let code = pow(clamp(luminance, 0.0, 1.0), frame.gamma_inverse);
    return vec4<f32>(code, code, code, 1.0);
}
