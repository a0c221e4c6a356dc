// Stimulus pass: the scene in linear light, one value per pixel. Twin: stimulus::twin::render without the patch.

@group(0) @binding(1) var pictures: texture_2d_array<f32>;

const PI: f32 = 3.14159265358979;
const TAU: f32 = 6.28318530717959;

fn window(distance_px: f32) -> f32 {
    let inside = frame.radius_px - distance_px;
    if inside <= 0.0 {
        return 0.0;
    }
    if inside >= frame.edge_px {
        return 1.0;
    }
    return 0.5 * (1.0 - cos(PI * inside / frame.edge_px));
}

@fragment
fn stimulus(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    var luminance = MEAN_LUMINANCE;
    if frame.kind == 1u {
        let from_center = position.xy - frame.center_px;
        // Whole cycles are dropped before the cosine, which loses precision for large arguments.
        let cycles = fract(dot(frame.cycles_per_px, from_center));
        let pattern = cos(TAU * cycles + frame.phase_rad) * window(length(from_center));
        luminance = MEAN_LUMINANCE * (1.0 + frame.amplitude * pattern);
    }
    if frame.kind == 2u {
        let pixel = vec2<u32>(floor(position.xy));
        let texel = (pixel - frame.picture_px) / frame.texel_px;
        if all(pixel >= frame.picture_px) && all(texel < vec2<u32>(frame.picture_texels)) {
            let pattern = textureLoad(pictures, texel, frame.picture_layer, 0).r;
            luminance = MEAN_LUMINANCE * (1.0 + frame.amplitude * pattern);
        }
    }
    return vec4<f32>(luminance, 0.0, 0.0, 1.0);
}
