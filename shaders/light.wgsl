// The display's encoder: light to codes in whole numbers, looked up in a table. Twin: stimulus::Light. It is put before every
// pass that ends in codes, and has a bind group of its own.

struct Light {
    highest: u32,
    fraction_bits: u32,
    rows: u32,
    seed: u32,
}

override DITHERS: bool = false;

@group(1) @binding(0) var<uniform> light: Light;
@group(1) @binding(1) var drives: texture_2d<u32>;

const DARKEST: f32 = 0.0000152587890625;
const BIN_SHIFT: u32 = 15u;
const NEAREST: u32 = 32768u;

fn mixed(words: vec4<u32>) -> vec4<u32> {
    var v = words * 1664525u + 1013904223u;
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    v ^= v >> vec4<u32>(16u);
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    return v;
}

fn noise_at(pixel: vec2<u32>, frame_index: u32) -> u32 {
    if !DITHERS {
        return NEAREST;
    }
    return mixed(vec4<u32>(pixel, frame_index, light.seed)).x >> 16u;
}

fn code_of(linear: f32, channel: u32, noise: u32) -> u32 {
    let clamped = clamp(linear, 0.0, 1.0);
    let key = bitcast<u32>(clamped + DARKEST) - bitcast<u32>(DARKEST);
    let bin = vec2<u32>(key >> BIN_SHIFT, min(channel, light.rows - 1u));
    let start_and_rise = textureLoad(drives, bin, 0).rg;
    let rise = start_and_rise.y;
    let part = key & 32767u;
    let drive = start_and_rise.x + ((part * (rise >> 8u) + ((part * (rise & 255u)) >> 8u)) >> 7u);
    let code = (drive + (noise >> (16u - light.fraction_bits))) >> light.fraction_bits;
    return select(code, light.highest, clamped >= 1.0);
}

fn encode_channel(linear: f32, channel: u32, noise: u32) -> f32 {
    return f32(code_of(linear, channel, noise)) / f32(light.highest);
}

fn encode_grey(linear: f32, pixel: vec2<u32>, frame_index: u32) -> f32 {
    return encode_channel(linear, 0u, noise_at(pixel, frame_index));
}

fn encode_light(linear: vec3<f32>, pixel: vec2<u32>, frame_index: u32) -> vec3<f32> {
    let noise = noise_at(pixel, frame_index);
    return vec3<f32>(
        encode_channel(linear.r, 0u, noise),
        encode_channel(linear.g, 1u, noise),
        encode_channel(linear.b, 2u, noise),
    );
}
