// Last pass: linear light to the screen's code values, and the photodiode patch. Twin: stimulus::twin::{render, encode}.
// Around a stimulus that is smaller than the surface the screen stays neutral grey.

// Whether the linear frame has one channel: all scenes are achromatic.
override ACHROMATIC: bool = true;

@group(0) @binding(1) var linear: texture_2d<f32>;

@fragment
fn encode(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let pixel = vec2<i32>(floor(position.xy)) - frame.origin_px;
    var light = vec3<f32>(MEAN_LUMINANCE);
    if all(pixel >= vec2<i32>(0)) && all(pixel < vec2<i32>(frame.size_px)) {
        light = textureLoad(linear, pixel, 0).rgb;
        let in_patch = vec2<u32>(pixel) - frame.patch_px;
        if all(vec2<u32>(pixel) >= frame.patch_px) && all(in_patch < vec2<u32>(frame.patch_size_px)) {
            light = vec3<f32>(frame.patch_luminance);
        }
    }
    if ACHROMATIC {
        let code = pow(clamp(light.r, 0.0, 1.0), frame.gamma_inverse);
        return vec4<f32>(code, code, code, 1.0);
    }
    let code = pow(clamp(light, vec3<f32>(0.0), vec3<f32>(1.0)), vec3<f32>(frame.gamma_inverse));
    return vec4<f32>(code, 1.0);
}
