// Last pass: the frame's codes onto the surface, with the photodiode patch. Around a stimulus that is smaller than the surface
// the screen stays neutral grey.

@group(0) @binding(1) var codes: texture_2d<f32>;

@fragment
fn present(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let pixel = vec2<i32>(floor(position.xy)) - frame.origin_px;
    if any(pixel < vec2<i32>(0)) || any(pixel >= vec2<i32>(frame.size_px)) {
        return vec4<f32>(frame.grey, 1.0);
    }
    let in_patch = vec2<u32>(pixel) - frame.patch_px;
    if all(vec2<u32>(pixel) >= frame.patch_px) && all(in_patch < vec2<u32>(frame.patch_size_px)) {
        return vec4<f32>(vec3<f32>(frame.patch_luminance), 1.0);
    }
    return vec4<f32>(textureLoad(codes, pixel, 0).rgb, 1.0);
}
