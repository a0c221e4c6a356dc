struct Light {
    highest: u32,
    dithers: u32,
    seed: u32,
    stride: u32,
    table: array<u32>,
}

@group(0) @binding(2) var<storage, read> light: Light;

const LIGHT_UNITS: f32 = 16777216.0;
const BIN_SHIFT: u32 = 16u;
const FIRST_BIN: u32 = 17792u;
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

fn threshold_at(pixel: vec2<u32>, frame_index: u32) -> u32 {
    if light.dithers == 0u {
        return NEAREST;
    }
    return mixed(vec4<u32>(pixel, frame_index, light.seed)).x >> 16u;
}

fn encode_channel(linear: f32, channel: u32, threshold: u32) -> f32 {
    let units = min(u32(clamp(linear, 0.0, 1.0) * LIGHT_UNITS), u32(LIGHT_UNITS));
    let levels = channel * light.stride;
    let bin = levels + light.highest + 1u + max(bitcast<u32>(f32(units)) >> BIN_SHIFT, FIRST_BIN) - FIRST_BIN;
    var code = light.table[bin];
    var last = light.table[bin + 1u];
    while code < last {
        let middle = (code + last) / 2u;
        if light.table[levels + middle] < units {
            code = middle + 1u;
        } else {
            last = middle;
        }
    }
    if code > 0u {
        let below = light.table[levels + code - 1u];
        let gap = light.table[levels + code] - below;
        let part = (threshold * (gap >> 8u) + ((threshold * (gap & 255u)) >> 8u)) >> 8u;
        code -= select(1u, 0u, part < units - below);
    }
    return f32(code) / f32(light.highest);
}

fn encode_light(linear: vec3<f32>, pixel: vec2<u32>, frame_index: u32) -> vec3<f32> {
    let threshold = threshold_at(pixel, frame_index);
    let red = encode_channel(linear.r, 0u, threshold);
    if light.stride == 0u && linear.g == linear.r && linear.b == linear.r {
        return vec3<f32>(red);
    }
    return vec3<f32>(
        red,
        encode_channel(linear.g, 1u, threshold),
        encode_channel(linear.b, 2u, threshold),
    );
}
