// Linear light to the display's codes, pixel by pixel. Twin: stimulus::Light::encode.

// Whether the linear frame has one channel, and all channels of the display one transfer.
override ACHROMATIC: bool = true;

@group(0) @binding(1) var linear: texture_2d<f32>;

@fragment
fn encode(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let pixel = vec2<u32>(floor(position.xy));
    let shown = textureLoad(linear, pixel, 0).rgb;
    if ACHROMATIC {
        return vec4<f32>(vec3<f32>(encode_grey(shown.r, pixel, frame.index)), 1.0);
    }
    return vec4<f32>(encode_light(shown, pixel, frame.index), 1.0);
}
