// What a frame is known by: four sums over its pixels of a hash of place and codes. Twin: stimulus::checksum::Checksum.

// 255 or 1023.
override HIGHEST: f32 = 255.0;

@group(0) @binding(1) var codes: texture_2d<f32>;
@group(0) @binding(2) var<storage, read_write> sums: array<atomic<u32>, 4>;

const SALTS: vec3<u32> = vec3<u32>(0x2545f491u, 0x9e6c63d1u, 0x85ebca77u);

var<workgroup> part: array<atomic<u32>, 4>;

fn mix_bits(from_bits: u32) -> u32 {
    var x = from_bits;
    x ^= x >> 16u;
    x *= 0x7feb352du;
    x ^= x >> 15u;
    x *= 0x846ca68bu;
    return x ^ (x >> 16u);
}

fn hash(a: u32, b: u32, c: u32, d: u32) -> u32 {
    return mix_bits(a + mix_bits(b + mix_bits(c + mix_bits(d + 0x9e3779b9u))));
}

@compute @workgroup_size(8, 8)
fn checksum(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    // Each invocation takes every 64th row, and adds once: atomics are dear. The workgroup's own sums begin at 0 (WGSL zeroes
    // them).
    var mine = vec4<u32>(0u);
    if id.x < frame.size_px.x {
        for (var row = id.y; row < frame.size_px.y; row += 64u) {
            let code = vec3<u32>(round(textureLoad(codes, vec2<u32>(id.x, row), 0).rgb * HIGHEST));
            let first = hash(row * frame.size_px.x + id.x, code.r, code.g, code.b);
            let second = mix_bits(first ^ SALTS.x);
            mine += vec4<u32>(first, second, mix_bits(first ^ SALTS.y), mix_bits(second ^ SALTS.z));
        }
    }
    atomicAdd(&part[0], mine.x);
    atomicAdd(&part[1], mine.y);
    atomicAdd(&part[2], mine.z);
    atomicAdd(&part[3], mine.w);
    workgroupBarrier();
    if local < 4u {
        atomicAdd(&sums[local], atomicLoad(&part[local]));
    }
}
