// Stimulus pass: a scene's elements in linear light, one quad each, blended in their order (premultiplied, so that what adds
// and what covers need one blend state). Twin: stimulus::twin::Twin. A pipeline is made for each mixture of the constants
// below that a session needs, so that the compiler drops all other cases. `own` stands behind it: what a user wrote (own.wgsl),
// or nothing.
//
// Where no two elements of a scene share a pixel, there is nothing to blend with but the mean: the pass then ends in codes
// (`element_code`), and the frame needs no linear one.

override PATTERN: u32 = 0u;
override OUTLINE: u32 = 0u;
override PAINT: u32 = 0u;
// Wave of gratings, draw of noise; of sheets 1 where they are linear between texels, and 2 where these are linear light.
override VARIANT: u32 = 0u;
override INVERTED: bool = false;
override CLIPPED: bool = false;

struct Instance {
    center_px: vec2<f32>,
    half_px: vec2<f32>,
    // left, top, right, bottom
    clip_px: vec4<f32>,
    outline: vec4<f32>,
    pattern: vec4<f32>,
    low: vec3<f32>,
    rotation_rad: f32,
    high: vec3<f32>,
    margin_px: f32,
    edge_px: f32,
    course: u32,
    // of own patterns the place of their numbers
    seed: u32,
    // first sheet; of sparse noise the threshold
    first: u32,
}

struct Course {
    offset_px: vec2<f32>,
    amplitude: f32,
    opacity: f32,
    phase: f32,
    scale: f32,
    turn_rad: f32,
    layer: u32,
    step: u32,
    since_onset: u32,
}

@group(0) @binding(1) var<storage, read> instances: array<Instance>;
@group(0) @binding(2) var<storage, read> courses: array<Course>;
@group(0) @binding(3) var pictures: texture_2d_array<f32>;
@group(0) @binding(4) var values: texture_2d_array<f32>;
@group(0) @binding(5) var images: texture_2d_array<f32>;

const PI: f32 = 3.14159265358979;
const TAU: f32 = 6.28318530717959;

// As few as can be: setting up a triangle costs by their number. What few patterns need is looked up in the instance.
struct Varying {
    @builtin(position) position: vec4<f32>,
    // centre and half size
    @location(0) @interpolate(flat) box_px: vec4<f32>,
    // cosine and sine of the turn over the scale, and the edge in px
    @location(1) @interpolate(flat) turn: vec3<f32>,
    @location(2) @interpolate(flat) course: vec4<f32>,
    @location(3) @interpolate(flat) outline: vec4<f32>,
    @location(4) @interpolate(flat) pattern: vec4<f32>,
    @location(5) @interpolate(flat) low: vec3<f32>,
    // seed, step (of own patterns: refreshes since onset), sheet or threshold, place of the instance
    @location(6) @interpolate(flat) numbers: vec4<u32>,
}

// Four vertices of two triangles for each element, in one list: adapters fill their lanes with vertices of many elements so,
// which they do not across instances of a draw call.
@vertex
fn place(@builtin(vertex_index) vertex: u32) -> Varying {
    let index = vertex / 4u;
    let corner = vertex % 4u;
    let instance = instances[index];
    let course = courses[instance.course];
    let turn = instance.rotation_rad + course.turn_rad;
    let axis = vec2<f32>(cos(turn), sin(turn));
    let half = instance.half_px * course.scale + instance.margin_px;
    let center = instance.center_px + course.offset_px;
    var out: Varying;
    // A little more on each side than rasterisers round by: which pixels are inside is the fragment's decision, as it is the
    // twin's.
    let local = (vec2<f32>(f32(corner & 1u), f32(corner >> 1u)) * 2.0 - 1.0) * (half + 0.0625);
    let at = center + vec2<f32>(axis.x * local.x + axis.y * local.y, axis.x * local.y - axis.y * local.x);
    // What nobody can see costs nothing.
    let seen = select(0.0, 1.0, course.opacity != 0.0);
    out.position = vec4<f32>(seen * (at / vec2<f32>(frame.size_px) * 2.0 - 1.0) * vec2<f32>(1.0, -1.0), 0.0, 1.0);
    out.box_px = vec4<f32>(center, half / course.scale);
    out.turn = vec3<f32>(axis / course.scale, instance.edge_px);
    out.course = vec4<f32>(course.amplitude, course.opacity, course.phase, course.scale);
    out.outline = instance.outline;
    out.pattern = instance.pattern;
    out.low = instance.low;
    let step = select(course.step, course.since_onset, PATTERN == 9u);
    let sheet = instance.first + select(course.layer, 0u, PATTERN == 5u);
    out.numbers = vec4<u32>(instance.seed, step, sheet, index);
    return out;
}

// ------------------------------------------------------------------------------------------------ functions
// WGSL promises little of atan2 and log (4096 ulp; an absolute error of 2^-21), and a check's edge far from the centre shows
// it. These two are good to some 1e-7.

// Anticlockwise from rightward, -pi..pi.
fn angle(at: vec2<f32>) -> f32 {
    let along = abs(at.x);
    let across = abs(at.y);
    let ratio = min(along, across) / max(max(along, across), 1e-30);
    // Reduced to the eighth of a turn in which few terms of the series suffice (tan(pi/8) = 0.4142).
    let reduced = select(ratio, (ratio - 1.0) / (ratio + 1.0), ratio > 0.41421356);
    let square = reduced * reduced;
    let series = ((8.05374449538e-2 * square - 1.38776856032e-1) * square + 1.99777106478e-1) * square;
    var turned = (series - 3.33329491539e-1) * square * reduced + reduced;
    turned += select(0.0, PI / 4.0, ratio > 0.41421356);
    turned = select(turned, PI / 2.0 - turned, across > along);
    turned = select(turned, PI - turned, at.x < 0.0);
    return select(turned, -turned, at.y > 0.0);
}

fn natural_log(x: f32) -> f32 {
    let parts = frexp(x);
    let low = parts.fract < 0.70710678;
    let fraction = select(parts.fract, 2.0 * parts.fract, low);
    let exponent = f32(parts.exp) - select(0.0, 1.0, low);
    // log m = 2 atanh((m - 1) / (m + 1))
    let s = (fraction - 1.0) / (fraction + 1.0);
    let z = s * s;
    let series = 2.0 * s * (1.0 + z * (1.0 / 3.0 + z * (1.0 / 5.0 + z * (1.0 / 7.0 + z / 9.0))));
    return exponent * 0.69314718 + series;
}

// ------------------------------------------------------------------------------------------------ windows

fn outside_angle(angle: f32) -> f32 {
    return angle - TAU * floor(angle / TAU + 0.5);
}

fn inside_px(outline: vec4<f32>, at: vec2<f32>) -> f32 {
    let radius = length(at);
    switch OUTLINE {
        case 1u: {
            return min(outline.x - abs(at.x), outline.y - abs(at.y));
        }
        case 2u: {
            return outline.x - radius;
        }
        case 3u: {
            return (1.0 - length(at / outline.xy)) * min(outline.x, outline.y);
        }
        case 4u: {
            let ring = min(outline.y - radius, select(outline.y, radius - outline.x, outline.x > 0.0));
            if outline.w >= PI {
                return ring;
            }
            let off = outside_angle(angle(at) - outline.z);
            return min(ring, radius * (outline.w - abs(off)));
        }
        case 6u: {
            let angle = angle(at);
            let part = TAU / outline.x;
            let within = angle - part * floor(angle / part) - 0.5 * part;
            return outline.y * cos(0.5 * part) - radius * cos(within);
        }
        case 7u: {
            let along = min(outline.x - abs(at.x), outline.y - abs(at.y));
            return max(along, min(outline.y - abs(at.x), outline.x - abs(at.y)));
        }
        default: {
            return 1e9;
        }
    }
}

fn window(in: Varying, at: vec2<f32>) -> f32 {
    var value = 1.0;
    if OUTLINE == 5u {
        let scaled = at * in.outline.xy;
        value = exp(-0.5 * dot(scaled, scaled));
    } else if OUTLINE != 0u {
        let inside = inside_px(in.outline, at);
        let width = in.turn.z;
        if width < 1.0 {
            value = clamp(in.course.w * inside + 0.5, 0.0, 1.0);
        } else {
            value = 0.5 * (1.0 - cos(PI * clamp(inside / width, 0.0, 1.0)));
        }
    }
    return select(value, 1.0 - value, INVERTED);
}

// ------------------------------------------------------------------------------------------------ patterns

fn sine(cycles: f32) -> f32 {
    // Whole cycles are dropped before the cosine, which loses precision for large arguments.
    return cos(TAU * (cycles - floor(cycles)));
}

fn square(cycles: f32, width: f32) -> f32 {
    let off = cycles - floor(cycles + 0.5);
    return clamp((0.25 - abs(off)) / (0.5 * clamp(width, 1e-6, 0.5)), -1.0, 1.0);
}

fn wave(cycles: f32, width: f32) -> f32 {
    if VARIANT == 0u {
        return sine(cycles);
    }
    return square(cycles, width);
}

fn resolved(width: f32) -> f32 {
    return clamp(1.0 / max(width, 1e-9) - 1.0, 0.0, 1.0);
}

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

fn part_of_one(bits: u32) -> f32 {
    return f32(bits) / 4294967296.0;
}

fn noise(in: Varying, cell: vec2<u32>) -> f32 {
    let seed = in.numbers.x;
    let step = in.numbers.y;
    let first = hash(seed, cell.x, cell.y, step);
    let second = hash(seed ^ 0x5bd1e995u, cell.x, cell.y, step);
    switch VARIANT {
        case 0u: {
            return 2.0 * part_of_one(first) - 1.0;
        }
        case 1u: {
            return select(-1.0, 1.0, (first >> 31u) == 1u);
        }
        case 2u: {
            let reach = sqrt(-2.0 * natural_log(max(part_of_one(first), 1.0 / 4294967296.0)));
            return clamp(in.pattern.w * reach * cos(TAU * part_of_one(second)), -1.0, 1.0);
        }
        default: {
            let sign = select(-1.0, 1.0, (second >> 31u) == 1u);
            return select(0.0, sign, first < in.numbers.z);
        }
    }
}

fn picture_texel(texel: vec2<i32>, layer: u32) -> f32 {
    if layer == 0xffffffffu {
        return 0.0;
    }
    return textureLoad(pictures, texel, layer, 0).r;
}

fn value_texel(in: Varying, texel: vec2<i32>) -> vec4<f32> {
    if PATTERN == 7u {
        let newer = picture_texel(texel, frame.picture_layer);
        if frame.picture_weight == 1.0 {
            return vec4<f32>(newer);
        }
        return vec4<f32>(mix(picture_texel(texel, frame.before_layer), newer, frame.picture_weight));
    }
    if PATTERN == 6u {
        return vec4<f32>(textureLoad(values, texel, in.numbers.z, 0).r);
    }
    let stored = textureLoad(images, texel, in.numbers.z, 0);
    if (VARIANT & 2u) == 0u {
        let low = stored.rgb / 12.92;
        let high = pow((stored.rgb + 0.055) / 1.055, vec3<f32>(2.4));
        return vec4<f32>(select(high, low, stored.rgb <= vec3<f32>(0.04045)), stored.a);
    }
    return stored;
}

fn sheet(in: Varying, at: vec2<f32>) -> vec4<f32> {
    let size = in.pattern.xy;
    let place = at / in.pattern.z + 0.5 * size;
    if any(place < vec2<f32>(0.0)) || any(place >= size) {
        return vec4<f32>(0.0);
    }
    if (VARIANT & 1u) == 0u {
        return value_texel(in, vec2<i32>(floor(place)));
    }
    let corner = floor(place - 0.5);
    let part = place - 0.5 - corner;
    let last = vec2<i32>(size) - 1;
    let first = clamp(vec2<i32>(corner), vec2<i32>(0), last);
    let next = clamp(vec2<i32>(corner) + 1, vec2<i32>(0), last);
    let above = mix(value_texel(in, first), value_texel(in, vec2<i32>(next.x, first.y)), part.x);
    let below = mix(value_texel(in, vec2<i32>(first.x, next.y)), value_texel(in, next), part.x);
    return mix(above, below, part.y);
}

fn pattern(in: Varying, at: vec2<f32>) -> f32 {
    let phase = in.course.z;
    let scale = in.course.w;
    let p = in.pattern;
    switch PATTERN {
        case 1u: {
            return wave(dot(p.xy, at) + p.z + phase, length(p.xy) / scale);
        }
        case 2u: {
            let radius = length(at);
            let across = p.y / (TAU * max(radius, 1e-6));
            let width = length(vec2<f32>(p.x, across)) / scale;
            let around = p.y * angle(at) / TAU;
            return wave(p.x * radius + around + p.z + phase, width) * resolved(width);
        }
        case 3u: {
            let narrow = 1.0 / (2.0 * p.xy * scale);
            let cycles = at / (2.0 * p.xy) - 0.25;
            return square(cycles.x, narrow.x) * square(cycles.y, narrow.y);
        }
        case 4u: {
            let far = max(length(at), 1e-6);
            let growing = p.y > 0.0;
            let ring = select(p.x * (far - p.w), p.y * natural_log(far), growing);
            let wide = select(p.x, p.y / far, growing) / 2.0 / scale;
            let narrow = p.z / (2.0 * TAU * far) / scale;
            let around = p.z * angle(at) / TAU;
            let rings = square(ring / 2.0 - 0.25, wide) * resolved(wide);
            return rings * square(around / 2.0 - 0.25, narrow) * resolved(narrow);
        }
        case 5u: {
            let pixel = vec2<i32>(floor(in.position.xy)) - vec2<i32>(p.xy);
            let side = i32(p.z);
            // Rounded down, also left of the edge.
            let cell = (pixel - select(vec2<i32>(0), vec2<i32>(side - 1), pixel < vec2<i32>(0))) / side;
            return noise(in, bitcast<vec2<u32>>(cell));
        }
        case 6u, 7u: {
            return sheet(in, at).r;
        }
        case 9u: {
            return own(in, at);
        }
        default: {
            return 1.0;
        }
    }
}

fn is_clipped(in: Varying) -> bool {
    if !CLIPPED {
        return false;
    }
    let clip_px = instances[in.numbers.w].clip_px;
    return any(in.position.xy < clip_px.xy) || any(in.position.xy > clip_px.zw);
}

// Premultiplied.
fn light_of(in: Varying) -> vec4<f32> {
    let from_center = in.position.xy - in.box_px.xy;
    let at = vec2<f32>(
        in.turn.x * from_center.x - in.turn.y * from_center.y,
        in.turn.y * from_center.x + in.turn.x * from_center.y,
    );
    if any(abs(at) > in.box_px.zw) || is_clipped(in) {
        discard;
    }
    let seen = window(in, at);
    let amplitude = in.course.x;
    let opacity = seen * in.course.y;
    switch PAINT {
        case 0u: {
            return vec4<f32>(MEAN_LUMINANCE * amplitude * pattern(in, at) * opacity * in.low, 0.0);
        }
        case 1u: {
            let colour = mix(in.low, instances[in.numbers.w].high, 0.5 * (1.0 + amplitude * pattern(in, at)));
            return vec4<f32>(opacity * colour, opacity);
        }
        case 2u: {
            let covers = opacity * pattern(in, at) * abs(amplitude);
            return vec4<f32>(covers * instances[in.numbers.w].high, covers);
        }
        default: {
            let image = sheet(in, at);
            let covers = opacity * image.a;
            let colour = MEAN_LUMINANCE + amplitude * (image.rgb - MEAN_LUMINANCE);
            return vec4<f32>(covers * colour, covers);
        }
    }
}

@fragment
fn element(in: Varying) -> @location(0) vec4<f32> {
    return light_of(in);
}

@fragment
fn element_code(in: Varying) -> @location(0) vec4<f32> {
    let own = light_of(in);
    let all = MEAN_LUMINANCE * (1.0 - own.a) + own.r;
    return vec4<f32>(vec3<f32>(encode_grey(all, vec2<u32>(floor(in.position.xy)), frame.index)), 1.0);
}
